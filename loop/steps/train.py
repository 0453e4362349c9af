"""Step: a snapshot becomes the next version of the model, in staging."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.files import new_folder
from curation.rows import plain, short_hash
from curation.snapshot import read_rows
from loop.ledger import Outcome
from loop.models import base_name, cache, settings
from loop.registry import versions
from loop.store import transaction, utc_now

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import polars as pl

    from loop.cycle import Context
    from loop.progress import Progress
    from loop.workspace import Workspace


def run(context: Context) -> Outcome:
    """Train on this cycle's snapshot, from the base."""
    snapshot = (context.done.get("merge") or context.done["curate"])["snapshot"]
    return train_version(context.workspace, snapshot, context.progress)


def train_version(workspace: Workspace, snapshot: str, progress: Progress) -> Outcome:
    """Train the next version of the model; it is in staging once the outcome is committed.

    Args:
        workspace: Where.
        snapshot: Id of the snapshot to train on.
        progress: Told the loss as it falls.
    """
    name = workspace.config.model
    with transaction(workspace.store) as connection:
        version = len(versions(connection, name))
    if not version:
        fix = "run `regrind cycle run`, which adopts the base model first"
        raise UserError("the base model has not been adopted yet", where=f"model {name}", fix=fix)
    job = prepare_job(workspace, snapshot)
    result = train_job(job, progress)
    place_model(job, workspace.model(version))

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        how, place = settings(workspace), workspace.model(version).relative_to(workspace.root)
        values = [name, version, how.base_model, snapshot, str(place)]
        values += [json.dumps(how.to_dict()), json.dumps(result, sort_keys=True), utc_now()]
        connection.execute("INSERT INTO models VALUES (?, ?, ?, ?, 'staging', ?, ?, ?, ?)", values)

    summary = f"{name} v{version}: {result['steps']} steps on {result['rows']} rows"
    return Outcome({"version": version, "snapshot": snapshot}, summary, commit)


def prepare_job(workspace: Workspace, snapshot: str) -> Path:
    """Write what a training run needs, and nothing else, into a folder of its own."""
    how = settings(workspace).to_dict() | {"base_model": base_name(workspace)}
    folder = workspace.jobs / short_hash([snapshot, settings(workspace).to_dict()])
    if (folder / "settings.json").exists():
        return folder
    with new_folder(folder) as temporary:
        source = workspace.snapshots / snapshot
        shutil.copyfile(source / "manifest.json", temporary / "manifest.json")
        for split in ("train", "validation"):
            _write_rows(temporary / f"{split}.jsonl", read_rows(source, split))
        (temporary / "settings.json").write_text(json.dumps(how, indent=2), encoding="utf8")
    return folder


def _write_rows(path: Path, rows: pl.DataFrame) -> None:
    with path.open("w", encoding="utf8") as stream:
        for identity, messages in rows.select("id", "messages").iter_rows():
            stream.write(json.dumps({"id": identity, "messages": plain(messages)}, ensure_ascii=False) + "\n")


def train_job(job: Path, progress: Progress) -> dict[str, Any]:
    """Run a training job here; one that has finished already is not run again."""
    finished = job / "result.json"
    if finished.exists():
        earlier: dict[str, Any] = json.loads(finished.read_text(encoding="utf8"))
        return earlier
    from training.job import run as run_job

    def told(event: dict[str, Any]) -> None:
        if "loss" in event:
            progress.step(event["step"], event["total"], f"loss {event['loss']:.3f}")

    return run_job(job, told, cache())


def place_model(job: Path, target: Path) -> None:
    """Copy a job's model to its version's folder.

    A folder that is there already belongs to no version: a crash came before the version was recorded.
    """
    shutil.rmtree(target, ignore_errors=True)
    with new_folder(target) as folder:
        shutil.copytree(job / "model", folder, dirs_exist_ok=True)
