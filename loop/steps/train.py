"""Step: a snapshot becomes the next version of the model, in staging."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl

from curation.errors import UserError
from curation.files import new_folder, write_text
from curation.manifest import read_manifest
from curation.rows import plain, short_hash
from curation.stored import read_rows
from curation.verify import demand_whole
from loop.early import score_function
from loop.heldout import demand_kept_out
from loop.ledger import ENDS, Outcome
from loop.models import base_id, base_name, cache, settings
from loop.registry import versions
from loop.steps.gate import decided
from loop.store import current, utc_now
from training.jobfiles import read_json

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from loop.cycle import Context
    from loop.early import Score
    from loop.progress import Progress
    from loop.workspace import Workspace


def run(context: Context) -> Outcome:
    """Train on this cycle's snapshot, from the base, unless a version knows its rows already."""
    made = context.done.get("merge") or context.done["curate"]
    snapshot, unchanged = made["snapshot"], made.get("unchanged")
    known = trained_on(context.workspace, made["parent"] if unchanged else snapshot)
    if known is not None and (unchanged or decided(context.workspace, known)):
        summary = f"nothing new to learn: v{known} was trained on these rows with these settings"
        snapshot = made["parent"] if unchanged else snapshot
        return Outcome({"version": known, "snapshot": snapshot, ENDS: True}, summary)
    return train_version(context.workspace, snapshot, context.progress)


def trained_on(workspace: Workspace, snapshot: str) -> int | None:
    """The version that was trained on a snapshot with the settings as they are, if there is one."""
    with current(workspace.store, workspace.view) as connection:
        row = connection.execute(
            "SELECT max(version) FROM models WHERE name = ? AND snapshot = ? AND settings = ?",
            [workspace.config.model, snapshot, json.dumps(settings(workspace).to_dict())],
        ).fetchone()
    return row[0] if row else None


def train_version(workspace: Workspace, snapshot: str, progress: Progress) -> Outcome:
    """Train the next version of the model; it is in staging once the outcome is committed.

    Args:
        workspace: Where.
        snapshot: Id of the snapshot to train on.
        progress: Told the loss as it falls.
    """
    name = workspace.config.model
    with current(workspace.store, workspace.view) as connection:
        version = len(versions(connection, name))
    if not version:
        fix = "run `regrind cycle run`, which adopts the base model first"
        raise UserError("the base model has not been adopted yet", where=f"model {name}", fix=fix)
    job = prepare_job(workspace, snapshot)
    result = train_job(job, progress, score_function(workspace, job))
    for warning in result.get("warnings", []):
        progress.say(f"  warning: {warning}")
    place_model(job, workspace.model(version))
    base = base_id(workspace)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        how, place = settings(workspace), workspace.model(version).relative_to(workspace.root)
        values = [name, version, how.base_model, base, snapshot, str(place)]
        values += [json.dumps(how.to_dict()), json.dumps(result, sort_keys=True), utc_now()]
        connection.execute("INSERT INTO models VALUES (?, ?, ?, ?, ?, 'staging', ?, ?, ?, ?)", values)

    summary = f"{name} v{version}: {result['steps']} steps on {result['rows']} rows"
    return Outcome({"version": version, "snapshot": snapshot}, summary, commit)


def prepare_job(workspace: Workspace, snapshot: str) -> Path:
    """Write what a training run needs, and nothing else, into a folder of its own.

    Raises:
        UserError: The snapshot is damaged, another held-out set was kept out of it than there is now, or no
            row of it is of the stage that is trained.
    """
    source = workspace.snapshots / snapshot
    demand_whole(source)
    demand_kept_out(workspace, read_manifest(source))
    how = settings(workspace).to_dict()
    folder = workspace.jobs / short_hash([snapshot, how, base_id(workspace)])
    # Afresh each time: the workspace may have been moved, and the base model with it.
    text = json.dumps(how | {"base_model": base_name(workspace)}, indent=2)
    if folder.is_dir():
        write_text(folder / "settings.json", text)
        return folder
    rows = {split: _of_stage(read_rows(source, split), how["stage"]) for split in ("train", "validation")}
    if not rows["train"].height:
        fix = (
            "name a stage that rows have (`regrind curate shape --stage` gives it), or leave train.stage out"
        )
        raise UserError(
            f"no row is of the stage {how['stage']!r}", where="regrind.toml: train.stage", fix=fix
        )
    with new_folder(folder) as temporary:
        shutil.copyfile(source / "manifest.json", temporary / "manifest.json")
        for split, chosen in rows.items():
            _write_rows(temporary / f"{split}.jsonl", chosen)
        (temporary / "settings.json").write_text(text, encoding="utf8")
    return folder


def _of_stage(rows: pl.DataFrame, stage: str) -> pl.DataFrame:
    return rows.filter(pl.col("tags").list.contains(f"stage:{stage}")) if stage else rows


def _write_rows(path: Path, rows: pl.DataFrame) -> None:
    with path.open("w", encoding="utf8") as stream:
        for identity, messages in rows.select("id", "messages").iter_rows():
            stream.write(json.dumps({"id": identity, "messages": plain(messages)}, ensure_ascii=False) + "\n")


def train_job(job: Path, progress: Progress, score: Score | None = None) -> dict[str, Any]:
    """Run a training job here; one that has finished already, here or elsewhere, is not run again.

    Args:
        job: Its folder.
        progress: Told the loss as it falls, and what was changed for want of memory.
        score: Scores the model for early stopping and the best checkpoint.
    """
    finished = job / "result.json"
    if finished.exists():
        return read_json(finished)
    from training.job import run as run_job

    def told(event: dict[str, Any]) -> None:
        if "loss" in event:
            progress.step(event["step"], event["total"], f"loss {event['loss']:.3f}")
        elif "note" in event:
            progress.say(f"  {event['note']}")

    return run_job(job, told, cache(), score)


def place_model(job: Path, target: Path) -> None:
    """Copy a job's model to its version's folder.

    A folder that is there already belongs to no version: a crash came before the version was recorded.

    Raises:
        UserError: The job says that it is done, but has no model.
    """
    if not (job / "model").is_dir():
        fix = "remove this folder, and run the same command again: the job is run anew"
        raise UserError("the finished job has no model", where=str(job), fix=fix)
    shutil.rmtree(target, ignore_errors=True)
    with new_folder(target) as folder:
        shutil.copytree(job / "model", folder, dirs_exist_ok=True)
