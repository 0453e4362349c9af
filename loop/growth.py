"""Growing a snapshot: accepted corrections and high-scoring traces come to its rows, up to a cap of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.augmentation.settings import Augment
from curation.children import descendants
from curation.manifest import read_manifest
from curation.rows import canonical, drop_frame, frame, make_row, meta_text, plain, split_answer
from curation.snapshot import Growth, write_snapshot
from curation.state import advance, begin
from curation.steps import Dedup, Merge, Redact, Validate, dedup_against, recipe_of, run_steps
from curation.stored import read_rows
from loop.config import rule_settings
from loop.heldout import kept_out
from loop.seed import read_seed, rules_of, seed_hashes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curation.manifest import Manifest
    from curation.state import Curated
    from loop.traces import Judged
    from loop.workspace import Workspace

CORRECTION, TRACE = "correction", "trace"


def grow(
    workspace: Workspace, parent: str, traces: Sequence[Judged], corrected: Mapping[str, tuple[str, str]]
) -> tuple[Manifest, int]:
    """Write the snapshot that a parent grows to; held-out rows are kept out by its writer.

    Args:
        workspace: Its steps, caps and seed files are used.
        parent: Id of the snapshot.
        traces: Judged traces.
        corrected: Output and author of the accepted correction of each trace that has one.

    Returns:
        The snapshot, and how many rows were offered to it.
    """
    config = workspace.config
    caps = next((s for s in config.curate.step if isinstance(s, Merge)), Merge())
    new = offered(traces, corrected, config.judge.threshold)
    seed, rejects = changed_seed(workspace, workspace.snapshots / parent)
    old = read_rows(workspace.snapshots / parent).drop("split")
    merged, gone = merge(workspace, old, capped(begin(new), caps), seed)
    recipe = rules_of(config) | {
        "inputs": seed_hashes(workspace),
        "merge": {"parent": parent, "threshold": config.judge.threshold, "caps": msgspec.to_builtins(caps)},
        "steps": recipe_of(config.curate.step),
        "split": msgspec.to_builtins(config.curate.split),
    }
    manifest = write_snapshot(
        workspace.snapshots,
        merged,
        recipe=recipe,
        split=config.curate.split,
        heldout=kept_out(workspace),
        checks=config.curate.heldout,
        growth=Growth(parent, gone),
        rejects=rejects,
    )
    return manifest, new.height + seed.rows.height


def changed_seed(workspace: Workspace, parent: Path) -> tuple[Curated, pl.DataFrame | None]:
    """The curated seed rows and rejected lines, where a seed file is not the one the parent was made from."""
    if read_manifest(parent).recipe.get("inputs") == seed_hashes(workspace):
        return begin(frame([])), None
    rows, rejects = read_seed(workspace)
    steps = [s for s in workspace.config.curate.step if not isinstance(s, Augment)]
    return run_steps(rows, steps, rules=rule_settings(workspace.config)), rejects


def offered(
    traces: Sequence[Judged], corrected: Mapping[str, tuple[str, str]], threshold: float
) -> pl.DataFrame:
    """Rows that traces give: corrected answers, the lowest score first, then those that scored high.

    A trace without a score gives none, unless it was corrected: nothing is known about its answer.
    """
    found: list[tuple[float, dict[str, Any]]] = []
    for item, verdict, tags, finish_reason in traces:
        score = verdict.score
        if item.id in corrected:
            output, author = corrected[item.id]
            origin, rank = CORRECTION, (score or 0.0) - 2
        elif finish_reason == "length":
            continue  # cut at max_new_tokens: what it teaches is not to end
        elif score is not None and score >= threshold:
            output, author, origin, rank = item.output, "model", TRACE, -score
        else:
            continue
        meta = meta_text({"author": author, "origin": origin, "trace": item.id})
        turns = [*item.messages, {"role": "assistant", "content": output}]
        row = make_row(turns, tags=[*tags, origin], source=f"trace:{item.id}", meta=meta)
        found.append((rank, row))
    return frame(row for _, row in sorted(found, key=lambda entry: (entry[0], entry[1]["source"])))


def capped(state: Curated, caps: Merge) -> Curated:
    """At most so many corrections and traces, the first ones; the others are drops."""
    corrected = state.rows.select(pl.col("tags").list.contains(CORRECTION)).to_series()
    kinds = {CORRECTION: (corrected, caps.corrections), TRACE: (~corrected, caps.traces)}
    parts = {kind: (state.rows.filter(chosen), most) for kind, (chosen, most) in kinds.items()}
    drops = drop_frame(
        {"row_id": row["id"], "source": row["source"], "step": "merge"}
        | {"reason": f"over the cap of {most} {kind}s"}
        for kind, (rows, most) in parts.items()
        for row in rows[most:].iter_rows(named=True)
    )
    return advance(state, "cap", pl.concat(rows.head(most) for rows, most in parts.values()), drops)


def merge(workspace: Workspace, old: pl.DataFrame, new: Curated, seed: Curated) -> tuple[Curated, list[str]]:
    """New rows checked by the configured rules and redacted, and without what the old ones have already.

    Args:
        workspace: Its steps are used.
        old: Rows of the parent.
        new: Rows that the traces gave.
        seed: Curated rows of seed files that changed.

    Returns:
        The rows that come, and the ids of the old ones that a correction contradicts.
    """
    steps = workspace.config.curate.step
    checks = [s for s in steps if isinstance(s, Validate | Redact)]
    checked = run_steps(new.rows, checks, rules=rule_settings(workspace.config))
    how = next((s for s in steps if isinstance(s, Dedup)), Dedup())
    wrong = superseded(old, checked.rows)
    also = superseded(seed.rows, checked.rows)
    stay = seed.rows.filter(~pl.col("id").is_in(also["row_id"].to_list()))
    start = msgspec.structs.replace(
        checked,
        drops=pl.concat([seed.drops, new.drops, checked.drops]),
        findings=pl.concat([seed.findings, checked.findings]),
        conflicts=seed.conflicts,
        tallies=(*seed.tallies, *new.tallies, *checked.tallies),
    )
    joined = advance(start, "merge", pl.concat([stay, checked.rows]), pl.concat([wrong, also]))
    gone = wrong["row_id"].to_list()
    done = dedup_against(joined, old.filter(~pl.col("id").is_in(gone)), how.how)
    return (contradicted(done, old, gone) if how.conflicts == "drop_all" else done), gone


def superseded(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """The old rows whose very prompt a new correction answers otherwise: the model would learn both.

    Rows that were made from one of them go with it.

    Returns:
        Drops whose partner is the correction.
    """
    corrections = {_prompt(row): row for row in new.iter_rows(named=True) if CORRECTION in row["tags"]}
    # Only rows of the same last question are looked at closely: there are millions of others.
    asked = pl.col("messages").list.get(-2, null_on_oob=True).struct.field("content")
    questions = {row["messages"][-2]["content"] for row in corrections.values() if len(row["messages"]) > 1}
    near = old.filter(asked.is_in(list(questions)))
    by = {row["id"]: corrections.get(_prompt(row)) for row in near.iter_rows(named=True)}
    wrong = {identity: c for identity, c in by.items() if c is not None and c["id"] != identity}
    made = old.filter(pl.col("parents").list.len() > 0)
    for number, parent in descendants(made, wrong).items():
        wrong[made["id"][number]] = wrong[parent]
    return drop_frame(
        {name: row[name] for name in ("source", "line")}
        | {"row_id": row["id"], "step": "merge", "reason": "superseded by a correction"}
        | {"partner_id": wrong[row["id"]]["id"], "partner_source": wrong[row["id"]]["source"]}
        | {"partner_line": wrong[row["id"]]["line"], "similarity": 1.0}
        for row in old.filter(pl.col("id").is_in(list(wrong))).iter_rows(named=True)
    )


def contradicted(done: Curated, old: pl.DataFrame, gone: list[str]) -> Curated:
    """The policy `drop_all` for old rows: those that a new row contradicts go, too; `gone` gets their ids."""
    found = done.conflicts.select("row_id", "partner_id", "partner_source", "partner_line")
    turned = done.conflicts.select(
        row_id="partner_id", partner_id="row_id", partner_source="source", partner_line="line"
    )
    by = {row["row_id"]: row for row in pl.concat([found, turned]).iter_rows(named=True)}
    wrong = old.filter(pl.col("id").is_in(list(by)) & ~pl.col("id").is_in(gone))
    drops = drop_frame(
        by[row["id"]]
        | {"source": row["source"], "line": row["line"], "step": "merge"}
        | {"reason": "conflicting answer"}
        for row in wrong.iter_rows(named=True)
    )
    gone += wrong["id"].to_list()
    return advance(done, "conflicts", done.rows, drops)


def _prompt(row: dict[str, Any]) -> str:
    return canonical(plain(split_answer(row["messages"])[0]))
