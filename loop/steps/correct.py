"""Step: low-scoring traces get a corrected answer that has passed the screens."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from curation.heldout import HeldoutSet, without_heldout
from curation.redact import redact_text
from curation.rows import frame, make_row
from judge.correct import Correction, Screen, correctable, format_screen, from_reference
from loop.heldout import kept_out
from loop.ledger import Outcome
from loop.spool import clear_spool
from loop.store import current, insert
from loop.traces import judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from judge.verdict import Item
    from loop.cycle import Context


def run(context: Context) -> Outcome:
    """Correct what scored low, from the reference; a correction that a screen stops is kept as rejected."""
    workspace = context.workspace
    clear_spool(workspace.spool)  # not in the step before: its verdicts are in the store only when it is done
    judge = context.done["judge"]["judge"]
    with current(workspace.store, workspace.view) as connection:
        traces = judged(connection, context.cycle, judge)
    low = [t for t in traces if correctable(t.verdict, workspace.config.judge.threshold)]
    low = sorted(low, key=lambda t: (t.verdict.score or 0.0, t.item.id))[
        : workspace.config.judge.max_corrections
    ]
    leaked = leaks([t.item for t in low], kept_out(workspace))
    screens: list[Screen] = [format_screen(), personal_data, leaked_screen(leaked)]
    made = [from_reference(t.item, t.verdict, screens) for t in low if t.item.reference is not None]
    rows = correction_rows(made, judge, context.cycle)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        insert(connection, "corrections", rows)

    states = dict(sorted(Counter(c.state for c in made).items()))
    without = len(low) - len(made)
    summary = f"{len(low)} low scores: " + (
        ", ".join(f"{n} {s}" for s, n in states.items()) or "nothing to correct"
    )
    summary += f"; {without} have no reference" if without else ""
    return Outcome({"low": len(low), "states": states, "without_reference": without}, summary, commit)


def personal_data(item: Item, output: str) -> str | None:  # noqa: ARG001  (a screen takes both)
    """Screen: a corrected answer holds no personal data."""
    _, kinds = redact_text(output)
    return f"personal data: {', '.join(kinds)}" if kinds else None


def leaks(items: Sequence[Item], heldout: Sequence[HeldoutSet]) -> set[str]:
    """Ids of the items whose prompt is, or nearly is, a held-out one."""
    prompts = [make_row(i.messages) | {"source": i.id} for i in items]
    _, drops = without_heldout(frame(prompts), heldout)
    return set(drops["source"])


def leaked_screen(leaked: set[str]) -> Screen:
    """Screen: the prompt is not a held-out one."""

    def screen(item: Item, _: str) -> str | None:
        return "the prompt is in a held-out set" if item.id in leaked else None

    return screen


def correction_rows(made: Sequence[Correction], judge: str, cycle: int) -> pl.DataFrame:
    """Corrections as rows of the store's table."""
    columns = ("trace", "output", "author", "state", "reason")
    rows = [msgspec.structs.astuple(correction) for correction in made]
    table = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    return table.with_columns(judge=pl.lit(judge), cycle=pl.lit(cycle, pl.Int32))
