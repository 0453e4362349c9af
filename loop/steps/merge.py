"""Step: the last snapshot, high-scoring traces and accepted corrections become the next snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.augmentation.settings import Augment
from curation.rows import canonical, drop_frame, frame, make_row, meta_text, plain, split_answer
from curation.snapshot import demand_whole, read_manifest, read_rows, write_snapshot
from curation.steps import Dedup, Redact, Validate, advance, begin, dedup, run_steps
from loop.config import rule_settings
from loop.heldout import read_heldout
from loop.ledger import Outcome
from loop.snapshots import record
from loop.steps.curate import read_seed, rules_of, seed_hashes
from loop.store import transaction
from loop.traces import Judged, judged

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from curation.steps import Curated
    from loop.cycle import Context
    from loop.workspace import Workspace


CORRECTION = "correction"


def run(context: Context) -> Outcome:
    """Write the next snapshot; held-out rows are kept out by its writer."""
    workspace = context.workspace
    with transaction(workspace.store) as connection:
        traces = judged(connection, context.cycle, context.done["judge"]["judge"])
        parent = last_snapshot(connection, context.cycle, workspace.config.model)
        corrected = accepted(connection, context.cycle)
    new = frame(new_rows(traces, corrected, workspace.config.judge.threshold))
    demand_whole(workspace.snapshots / parent)
    old = read_rows(workspace.snapshots / parent).drop("split")
    seed, rejects = changed_seed(workspace, parent)
    recipe = rules_of(workspace.config) | {
        "inputs": seed_hashes(workspace),
        "merge": {"parent": parent, "threshold": workspace.config.judge.threshold},
        "steps": msgspec.to_builtins(workspace.config.curate.step),
        "split": msgspec.to_builtins(workspace.config.curate.split),
    }
    manifest = write_snapshot(
        workspace.snapshots,
        merge(workspace, old, new, seed),
        recipe=recipe,
        ratios=msgspec.to_builtins(workspace.config.curate.split),
        heldout=read_heldout(workspace),
        parent=parent,
        rejects=rejects,
    )

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        record(connection, workspace.snapshots / manifest.id, manifest, context.cycle)

    total = sum(manifest.splits.values())
    offered = new.height + seed.rows.height
    summary = f"snapshot {manifest.id}: {old.height} rows kept, {offered} offered, {total} in all"
    same = set(old["id"]) == set(read_rows(workspace.snapshots / manifest.id)["id"])
    outputs = {"snapshot": manifest.id, "parent": parent, "offered": offered, "unchanged": same}
    return Outcome(outputs, summary, commit)


def changed_seed(workspace: Workspace, parent: str) -> tuple[Curated, pl.DataFrame | None]:
    """The curated seed rows and rejected lines, where a seed file is not the one the parent was made from."""
    if read_manifest(workspace.snapshots / parent).recipe.get("inputs") == seed_hashes(workspace):
        return begin(frame([])), None
    rows, rejects = read_seed(workspace)
    steps = [s for s in workspace.config.curate.step if not isinstance(s, Augment)]
    return run_steps(rows, steps, rules=rule_settings(workspace.config)), rejects


def last_snapshot(connection: duckdb.DuckDBPyConnection, cycle: int, model: str) -> str:
    """The snapshot of the last finished cycle, whether its model was promoted or not: data only grows."""
    row = connection.execute(
        "SELECT s.outputs->>'snapshot' FROM steps s JOIN cycles c ON c.id = s.cycle"
        " WHERE s.name IN ('curate', 'merge') AND c.state = 'finished' AND c.id < ?"
        " AND c.model = ? ORDER BY c.id DESC LIMIT 1",
        [cycle, model],
    ).fetchone()
    if row is None:
        raise AssertionError("a feedback cycle begins after a finished cycle")
    return str(row[0])


def accepted(connection: duckdb.DuckDBPyConnection, cycle: int) -> dict[str, tuple[str, str]]:
    """Accepted corrections of a cycle: output and author by trace; a person's beats any other."""
    rows = connection.execute(
        "SELECT trace, output, author FROM corrections WHERE cycle = ? AND state = 'accepted'"
        " ORDER BY author LIKE 'person:%', author",
        [cycle],
    ).fetchall()
    return {trace: (output, author) for trace, output, author in rows}


def new_rows(
    traces: list[Judged], corrected: dict[str, tuple[str, str]], threshold: float
) -> Iterator[dict[str, Any]]:
    """Rows that the traces of a cycle give: corrected answers, and those that scored high as they are.

    A trace without a score gives none, unless it was corrected: nothing is known about its answer.
    """
    for item, verdict, tags, finish_reason in traces:
        if item.id in corrected:
            output, author = corrected[item.id]
            origin = CORRECTION
        elif finish_reason == "length":
            continue  # cut at max_new_tokens: what it teaches is not to end
        elif verdict.score is not None and verdict.score >= threshold:
            output, author, origin = item.output, "model", "trace"
        else:
            continue
        meta = meta_text({"author": author, "origin": origin, "trace": item.id})
        turns = [*item.messages, {"role": "assistant", "content": output}]
        yield make_row(turns, tags=[*tags, origin], source=f"trace:{item.id}", meta=meta)


def merge(workspace: Workspace, old: pl.DataFrame, new: pl.DataFrame, seed: Curated) -> Curated:
    """New rows checked by the configured rules and redacted, then joined to the old, which are preferred.

    Args:
        workspace: Its steps are used.
        old: Rows of the parent.
        new: Rows that the traces gave.
        seed: Curated rows of seed files that changed.
    """
    steps = workspace.config.curate.step
    checks = [s for s in steps if isinstance(s, Validate | Redact)]
    checked = run_steps(new, checks, rules=rule_settings(workspace.config))
    how = next((s for s in steps if isinstance(s, Dedup)), Dedup())
    start = msgspec.structs.replace(
        checked,
        drops=pl.concat([seed.drops, checked.drops]),
        findings=pl.concat([seed.findings, checked.findings]),
        conflicts=seed.conflicts,
        tallies=(*seed.tallies, *checked.tallies),
    )
    kept, superseded = corrected_away(old, checked.rows)
    seeded, wrong = corrected_away(seed.rows, checked.rows)
    joined = advance(start, "merge", pl.concat([kept, seeded, checked.rows]), pl.concat([superseded, wrong]))
    return dedup(joined, how.how, old=kept.height)


def corrected_away(old: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop the old rows whose very prompt a new correction answers otherwise: the model would learn both.

    Rows that were made from one of them go with it.

    Returns:
        The old rows that stay, and the others as drops whose partner is the correction.
    """
    corrections = {_prompt(row): row for row in new.iter_rows(named=True) if CORRECTION in row["tags"]}
    found = [(row, corrections.get(_prompt(row))) for row in old.iter_rows(named=True)]
    wrong_ids = {row["id"]: by for row, by in found if by is not None and by["id"] != row["id"]}
    pairs = [
        (row, by or next((wrong_ids[p] for p in row["parents"] if p in wrong_ids), None)) for row, by in found
    ]
    wrong = [by is not None and by["id"] != row["id"] for row, by in pairs]
    drops = drop_frame(
        {name: row[name] for name in ("source", "line")}
        | {"row_id": row["id"], "step": "merge", "reason": "superseded by a correction"}
        | {"partner_id": by["id"], "partner_source": by["source"], "partner_line": by["line"]}
        | {"similarity": 1.0}
        for (row, by), drop in zip(pairs, wrong, strict=True)
        if drop and by is not None
    )
    return old.filter(~pl.Series(wrong, dtype=pl.Boolean)), drops


def _prompt(row: dict[str, Any]) -> str:
    return canonical(plain(split_answer(row["messages"])[0]))
