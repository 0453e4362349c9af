"""What each step of the `[[curate.step]]` list does to the rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from curation.augmentation.augment import augment
from curation.augmentation.settings import Augment
from curation.children import MADE, without_orphans
from curation.dedup import Deduped, How, drop_duplicates, drop_known
from curation.recipe import Dedup, Merge, Redact, Step, Validate
from curation.redact import redact, report, without
from curation.rows import DROPS, drop_frame
from curation.selection import against_random
from curation.selection.settings import Select
from curation.split import assign_families
from curation.state import Curated, advance, begin
from curation.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from curation.near.shared import Shared
    from curation.rules import Settings


def run_steps(
    rows: pl.DataFrame,
    steps: Sequence[Step],
    progress: Callable[[str], None] | None = None,
    rules: Settings | None = None,
) -> Curated:
    """Run steps in their order.

    Args:
        rows: Rows with schema ROWS.
        steps: The steps with their settings.
        progress: Called with one line when a step is done.
        rules: What the validate step asks; the default rules unless given.
    """
    state = begin(rows)
    for step in steps:
        before, state = state, run_step(state, step, rules)
        if progress and state is not before:
            done = state.tallies[-1]
            told = against_random.lines(done.notes) if isinstance(step, Select) else []
            progress("\n    ".join([f"{done.step}: {done.rows_in} rows in, {done.rows_out} out", *told]))
    return state


def run_step(state: Curated, step: Step, rules: Settings | None = None) -> Curated:
    """One step on the rows as they stand; `rules` are for a validate step."""
    done = _run(state, step, rules)
    return done if done is state else _without_orphans(state, done)


def _run(state: Curated, step: Step, rules: Settings | None) -> Curated:
    match step:
        case Validate(drop=drop):
            return _validate(state, drop, rules)
        case Redact():
            return _redact(state, step)
        case Dedup():
            return dedup(state, step.how)
        case Select():
            return select(state, step)
        case Augment():
            rows = assign_families(state.rows)
            done = augment(rows, step)
            notes = {"children": done.children.height, "wanted": done.wanted, "refused": done.refused}
            return advance(state, "augment", pl.concat([rows, done.children]), notes=notes)
        case Merge():
            return state  # what comes is in the store, which is the loop's


def _validate(state: Curated, drop: Sequence[str], rules: Settings | None) -> Curated:
    findings = validate(state.rows, settings=rules)
    fatal = findings.filter(
        pl.col("row_id").is_not_null() & ((pl.col("level") == "error") | pl.col("code").is_in(drop))
    )
    place = ["row_id", "source", "line"]
    first = fatal.unique(place, keep="first", maintain_order=True)
    drops = drop_frame(
        {
            "row_id": f["row_id"],
            "source": f["source"],
            "line": f["line"],
            "step": "validate",
            "reason": f"{f['code']} {f['message']}",
            "detail": f"{f['detail']}; {f['fix']}" if f["detail"] else f["fix"],
        }
        for f in first.iter_rows(named=True)
    )
    # rows that were made, not read, have no line: null is equal to null here
    rows = state.rows.join(
        first,
        left_on=["id", "source", "line"],
        right_on=place,
        how="anti",
        nulls_equal=True,
        maintain_order="left",
    )
    notes = {"findings": dict(sorted(Counter(findings["code"]).items()))}
    done = advance(state, "validate", rows, drops, notes)
    return msgspec.structs.replace(done, findings=pl.concat([state.findings, findings]))


def _redact(state: Curated, step: Redact) -> Curated:
    if step.action == "drop":
        return advance(state, "redact", *without(state.rows, step.kinds))
    if step.action == "redact":
        rows, counts = redact(state.rows, step.kinds)
        return advance(state, "redact", rows, notes={"replaced": counts})
    found = report(state.rows, step.kinds)
    done = advance(state, "redact", state.rows, notes={"found": dict(Counter(found["kind"]))})
    findings = found.select(
        code="kind",
        level=pl.lit("warning"),
        row_id="row_id",
        source="source",
        line="line",
        message=pl.lit("personal data"),
        detail=pl.format("in {}: {}", "field", "excerpt"),
        fix=pl.lit('set action = "redact" or "drop"'),
    )
    return msgspec.structs.replace(done, findings=pl.concat([state.findings, findings]))


def dedup(state: Curated, how: How) -> Curated:
    """Exact, then near duplicates."""
    return _without_orphans(state, _deduped(state, drop_duplicates(state.rows, how)))


def dedup_against(state: Curated, old: pl.DataFrame, how: How, shared: Shared | None = None) -> Curated:
    """The same for rows that come to old ones, which stay; `shared` is text that all prompts share."""
    known = shared if how.on == "prompt" else None
    found = drop_known(old, state.rows, how, shared=known, stay=True)
    return _without_orphans(state, _deduped(state, found))


def _deduped(state: Curated, found: Deduped) -> Curated:
    notes = {"conflicts": found.conflicts.height}
    done = advance(state, "dedup", found.rows, found.drops.select(DROPS.names()), notes)
    return msgspec.structs.replace(done, conflicts=pl.concat([state.conflicts, found.conflicts]))


def select(
    state: Curated,
    step: Select,
    *,
    tokens: NDArray[np.int64] | None = None,
    prior: pl.DataFrame | None = None,
) -> Curated:
    """Select among the rows that were read; those that were made of them follow, and count beside them.

    Args:
        state: The rows as they stand.
        step: How many and how.
        tokens: As for `curation.selection.rows.select_rows`.
        prior: Likewise.
    """
    from curation.selection.rows import select_rows

    made = state.rows.select(MADE).to_series()
    cost = None if tokens is None else tokens[(~made).to_numpy()]
    done = select_rows(state.rows.filter(~made), step, tokens=cost, prior=prior)
    chosen = pl.concat([done.rows, state.rows.filter(made)])
    return _without_orphans(state, advance(state, "select", chosen, done.drops, done.notes))


def _without_orphans(before: Curated, done: Curated) -> Curated:
    """A row that was made from one that went in this step goes, too."""
    step = done.tallies[-1]
    rows, orphans = without_orphans(done.rows, _gone(before, done), step.step)
    if not orphans.height:
        return done
    dropped = Counter(step.dropped) + Counter(orphans["reason"])
    tally = msgspec.structs.replace(step, rows_out=rows.height, dropped=dict(sorted(dropped.items())))
    drops = pl.concat([done.drops, orphans])
    return msgspec.structs.replace(done, rows=rows, drops=drops, tallies=(*done.tallies[:-1], tally))


def _gone(before: Curated, done: Curated) -> set[str]:
    new = done.drops[before.drops.height :]
    return set(new["row_id"])
