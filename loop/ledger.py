"""The ledger of cycles and steps: what is done stays done, and commits with the rows it made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loop.store import transaction, utc_now

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
    """One run of the loop: its number, its kind (`seed` or `feedback`), the hash of its inputs, its state."""

    id: int
    kind: str
    key: str
    state: str


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
        model: Name of the model whose cycles these are.
    """

    def __init__(self, store: Path, model: str) -> None:
        self._store, self._model = store, model

    def last(self) -> Cycle | None:
        """The newest cycle that was not abandoned."""
        with transaction(self._store) as connection:
            row = connection.execute(
                "SELECT id, kind, key, state FROM cycles WHERE model = ? AND state <> 'abandoned'"
                " ORDER BY id DESC LIMIT 1",
                [self._model],
            ).fetchone()
        return Cycle(*row) if row else None

    def begin(self, kind: str, key: str) -> Cycle:
        """Open a new cycle."""
        with transaction(self._store) as connection:
            row = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM cycles").fetchone()
            number = int(row[0]) if row else 1
            connection.execute(
                "INSERT INTO cycles (id, model, kind, key, state, started) VALUES (?, ?, ?, ?, 'running', ?)",
                [number, self._model, kind, key, utc_now()],
            )
        return Cycle(number, kind, key, "running")

    def outputs(self, cycle: Cycle) -> dict[str, dict[str, Any]]:
        """The outputs of the finished steps of a cycle, by step name."""
        with transaction(self._store) as connection:
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
        """Mark a cycle as `finished` or `abandoned`."""
        with transaction(self._store) as connection:
            connection.execute(
                "UPDATE cycles SET state = ?, finished = ? WHERE id = ?", [state, utc_now(), cycle.id]
            )
