"""Growing a snapshot: accepted corrections and high-scoring traces come to its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from curation.augmentation.settings import Augment
from curation.heldout import without_heldout
from curation.identity import said_otherwise
from curation.manifest import read_manifest
from curation.old_rows import all_rows, meet
from curation.parent import BESIDE, Growth
from curation.recipe import Dedup, Merge, Redact, Validate, recipe_of
from curation.rows import frame
from curation.snapshot import write_snapshot
from curation.state import advance, begin
from curation.steps import dedup_against, run_steps
from curation.stored import first_rows
from loop.config import rule_settings
from loop.heldout import kept_out
from loop.offers import FROM_TRACE, capped, offered, within
from loop.seed import read_seed, rules_of, seed_hashes
from loop.superseding import contradicted, superseded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curation.dedup import How
    from curation.manifest import Manifest
    from curation.old_rows import OldRows
    from curation.state import Curated
    from loop.progress import Progress
    from loop.traces import Judged
    from loop.workspace import Workspace


def grow(
    workspace: Workspace,
    parent: str,
    traces: Sequence[Judged],
    corrected: Mapping[str, tuple[str, str]],
    progress: Progress,
) -> tuple[Manifest, int]:
    """Write the snapshot that a parent grows to; held-out rows are kept out by its writer.

    Args:
        workspace: Its steps, caps and seed files are used.
        parent: Id of the snapshot.
        traces: Judged traces.
        corrected: Output and author of the accepted correction of each trace that has one.
        progress: Is told when all rows of a large parent are read.

    Returns:
        The snapshot, and how many rows were offered to it.
    """
    config, folder = workspace.config, workspace.snapshots / parent
    caps = next((s for s in config.curate.step if isinstance(s, Merge)), Merge())
    how = next((s for s in config.curate.step if isinstance(s, Dedup)), Dedup()).how
    new = offered(traces, corrected, config.judge.threshold)
    seed, rejects = changed_seed(workspace, folder)
    come, sets = checked(workspace, begin(new)), kept_out(workspace)
    met = _met(folder, pl.concat([seed.rows, come.rows]), how, progress)
    if not within(come.rows, caps):
        first = merge(met, come, seed, how)[0]
        usable, _ = without_heldout(
            first.rows, sets, config.curate.heldout, beside=first_rows(folder, BESIDE)
        )
        come = capped(come, usable, first.drops, caps)
    merged, gone = merge(met, come, seed, how)
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
        heldout=sets,
        checks=config.curate.heldout,
        growth=Growth(parent, gone, progress.say),
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


def checked(workspace: Workspace, new: Curated) -> Curated:
    """New rows checked by the configured rules, and redacted."""
    steps = [s for s in workspace.config.curate.step if isinstance(s, Validate | Redact)]
    done = run_steps(new.rows, steps, rules=rule_settings(workspace.config))
    return msgspec.structs.replace(
        done, drops=pl.concat([new.drops, done.drops]), tallies=(*new.tallies, *done.tallies)
    )


def _met(folder: Path, come: pl.DataFrame, how: How, progress: Progress) -> OldRows:
    """The parent's rows that new ones may be like; whole texts are compared with those of all rows."""
    if how.on == "all":
        return all_rows(folder, come)
    return meet(folder, come, threshold=how.threshold, say=progress.say)


def merge(met: OldRows, come: Curated, seed: Curated, how: How) -> tuple[Curated, list[str]]:
    """New rows without what the parent has already.

    Args:
        met: The parent's rows that matter to the new ones.
        come: Checked rows that the traces gave.
        seed: Curated rows of seed files that changed.
        how: What counts as a duplicate.

    Returns:
        The rows that come, and the ids of the old ones that go: those that a correction contradicts, and
        those of which the seed file says something else now.
    """
    old = met.live
    read, corrected = old.filter(~FROM_TRACE), old.filter(FROM_TRACE)
    wrong, also = superseded(old, come.rows), superseded(seed.rows, pl.concat([corrected, come.rows]))
    stay = seed.rows.filter(~pl.col("id").is_in(also["row_id"].to_list()))
    start = msgspec.structs.replace(
        come,
        rows=pl.concat([seed.rows, come.rows]),
        drops=pl.concat([seed.drops, come.drops]),
        findings=pl.concat([seed.findings, come.findings]),
        conflicts=seed.conflicts,
        tallies=(*seed.tallies, *come.tallies),
    )
    drops = pl.concat([wrong, also])
    joined = advance(start, "merge", pl.concat([stay, come.rows]), drops, old=wrong.height)
    gone = [*wrong["row_id"], *said_otherwise(read, stay)["id"]]
    done = dedup_against(joined, old.filter(~pl.col("id").is_in(gone)), how, met.shared)
    return (contradicted(done, old, gone) if how.conflicts == "drop_all" else done), gone
