"""The ledger of cycles and steps: what is done stays done, and commits with the rows it made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loop.store import current, transaction, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import duckdb

    Commit = Callable[[duckdb.DuckDBPyConnection], None]

ENDS = "ends"
"""An output that is true where the cycle has nothing more to do: no later step runs."""


@dataclass(frozen=True)
class Cycle:
    """One run of the loop.

    Attributes:
        id: Its number.
        kind: `seed` or `feedback`.
        key: Hash of its inputs; while it is done anew from a step, of those that it is done anew with.
        state: `running`, `finished` or `abandoned`.
        redone: Whether it was done anew from a step.
    """

    id: int
    kind: str
    key: str
    state: str
    redone: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a step hands to the ledger.

    Attributes:
        outputs: What later steps need: ids and counts, JSON values only.
        summary: One line for people.
        commit: Writes the step's rows; it runs in the transaction that marks the step as done.
    """

    outputs: dict[str, Any]
    summary: str
    commit: Commit | None = None


class Ledger:
    """Cycles and steps in the store.

    Args:
        store: The DuckDB file.
        copy: Its published copy, which is read while another process holds the store.
        model: Name of the model whose cycles these are.
    """

    def __init__(self, store: Path, copy: Path, model: str) -> None:
        self._store, self._copy, self._model = store, copy, model

    def last(self) -> Cycle | None:
        """The newest cycle that was not abandoned."""
        with current(self._store, self._copy) as connection:
            row = connection.execute(
                "SELECT id, kind, if(state = 'running', coalesce(redo_key, key), key), state,"
                " redo_key IS NOT NULL FROM cycles WHERE model = ? AND state <> 'abandoned'"
                " ORDER BY id DESC LIMIT 1",
                [self._model],
            ).fetchone()
        return Cycle(*row) if row else None

    def begin(self, kind: str, key: str, inputs: dict[str, Any] | None = None) -> Cycle:
        """Open a new cycle; `inputs` is what the key is the hash of."""
        with transaction(self._store) as connection:
            row = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM cycles").fetchone()
            number = int(row[0]) if row else 1
            connection.execute(
                "INSERT INTO cycles (id, model, kind, key, state, started, inputs)"
                " VALUES (?, ?, ?, ?, 'running', ?, ?)",
                [number, self._model, kind, key, utc_now(), json.dumps(inputs or {})],
            )
        return Cycle(number, kind, key, "running")

    def inputs(self, cycle: Cycle) -> dict[str, Any]:
        """What the key of a cycle is the hash of; nothing where an older regrind began it."""
        column = "coalesce(redo_inputs, inputs)" if cycle.state == "running" else "inputs"
        with current(self._store, self._copy) as connection:
            row = connection.execute(f"SELECT {column} FROM cycles WHERE id = ?", [cycle.id]).fetchone()  # noqa: S608
        return dict(json.loads(row[0])) if row and row[0] else {}

    def outputs(self, cycle: Cycle) -> dict[str, dict[str, Any]]:
        """The outputs of the finished steps of a cycle, by step name."""
        with current(self._store, self._copy) as connection:
            rows = connection.execute(
                "SELECT name, outputs FROM steps WHERE cycle = ? ORDER BY position", [cycle.id]
            ).fetchall()
        return {name: json.loads(text) for name, text in rows}

    def complete(self, cycle: Cycle, position: int, name: str, outcome: Outcome, started: datetime) -> None:
        """Write a step's rows and mark it as done, in one transaction."""
        with transaction(self._store) as connection:
            if outcome.commit:
                outcome.commit(connection)
            outputs = json.dumps(outcome.outputs, sort_keys=True)
            entry = [cycle.id, position, name, outputs, outcome.summary, started, utc_now()]
            columns = "cycle, position, name, outputs, summary, started, finished"
            connection.execute(f"INSERT INTO steps ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", entry)  # noqa: S608

    def close(self, cycle: Cycle, state: str) -> None:
        """Mark a cycle as `finished` or `abandoned`; the imported traces of an abandoned one wait again."""
        with transaction(self._store) as connection:
            if state == "abandoned":
                sql = "UPDATE traces SET cycle = NULL WHERE cycle = ? AND origin <> 'cycle'"
                connection.execute(sql, [cycle.id])
                self._archive(connection, cycle)
            connection.execute(
                "UPDATE cycles SET state = ?, finished = ? WHERE id = ?", [state, utc_now(), cycle.id]
            )

    def reopen(self, cycle: Cycle, position: int, key: str, inputs: dict[str, Any]) -> Cycle:
        """Forget that the steps from a position on were done; what they said is kept in `replaced_steps`.

        Corrections that no person made go where their step is done anew: it makes them again. The cycle
        keeps the key that its other steps were done under.
        """
        with transaction(self._store) as connection:
            again = "FROM steps WHERE cycle = ? AND position >= ?"
            connection.execute(
                f"INSERT INTO replaced_steps SELECT *, ? {again}", [utc_now(), cycle.id, position]
            )
            self._archive(connection, cycle, position)
            gone = connection.execute(f"DELETE {again} RETURNING name", [cycle.id, position]).fetchall()
            if ("correct",) in gone:
                mine = "cycle = ? AND author NOT LIKE 'person:%'"
                connection.execute(f"DELETE FROM corrections WHERE {mine}", [cycle.id])  # noqa: S608
            connection.execute(
                "UPDATE cycles SET state = 'running', finished = NULL, redo_key = ?, redo_inputs = ?"
                " WHERE id = ?",
                [key, json.dumps(inputs), cycle.id],
            )
        return Cycle(cycle.id, cycle.kind, key, "running", redone=True)

    def _archive(self, connection: duckdb.DuckDBPyConnection, cycle: Cycle, position: int = 1) -> None:
        """A version that waits for the gate of steps that are given up waits no longer."""
        made = "SELECT (outputs->>'version')::INTEGER FROM steps"
        made += " WHERE cycle = ? AND name = 'train' AND position >= ?"
        sql = "UPDATE models SET status = 'archived' WHERE name = ? AND status = 'staging'"
        connection.execute(f"{sql} AND version IN ({made})", [self._model, cycle.id, position])
