"""Commands `regrind train …`: a snapshot becomes a version of the model, and how that goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli.common import (
    AsJson,
    WorkspaceDir,
    next_command,
    open_workspace,
    out,
    out_json,
    sh,
    table,
    told,
)

if TYPE_CHECKING:
    from loop.workspace import Workspace

app = typer.Typer(help="Fine-tune on a snapshot.", no_args_is_help=True)

Job = Annotated[str, typer.Argument(help="Name of the job, or how it begins; the newest unless given.")]


@app.command()
def run(
    snapshot: Annotated[
        str, typer.Option(help="Id of the snapshot, or how it begins; the newest unless given.")
    ] = "",
    only_prepare: Annotated[
        bool, typer.Option("--print", help="Write the job folder and print the command, to run it elsewhere.")
    ] = False,
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Train the next version of the model, from the base, and keep it in staging.

    A job that was stopped or killed goes on; one that has finished, here or elsewhere, is only taken in.

    Example: regrind train run -w my-loop
    """
    from loop.lookup import latest_snapshot, snapshot_folder
    from loop.steps.train import prepare_job

    space = open_workspace(workspace)
    chosen = snapshot_folder(space, snapshot).name if snapshot else latest_snapshot(space)
    if only_prepare:
        job = prepare_job(space, chosen)
        out(f"python -m training run {sh(job)}")
        next_command(
            f"copy {sh(job)} to the other machine, run it there, and copy it back",
            f"regrind train run -w {sh(workspace)} --snapshot {chosen}",
        )
        return
    _train(space, chosen, as_json=as_json)


@app.command()
def resume(job: Job = "", workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Go on with a job that was stopped, killed or failed, from its newest checkpoint.

    Example: regrind train resume -w my-loop
    """
    from curation.errors import UserError
    from loop.jobs import UNFINISHED, named_job, standing
    from loop.steps.train import prepare_job

    space = open_workspace(workspace)
    chosen = named_job(space, job, UNFINISHED)
    snapshot = standing(chosen)["snapshot"]
    if prepare_job(space, snapshot) != chosen:
        problem = f"settings or base model are not those of the job {chosen.name} any more"
        fix = "restore them, or run `regrind train run`, which begins a new job"
        raise UserError(problem, where="regrind.toml: train", fix=fix)
    _train(space, snapshot, as_json=as_json)


@app.command()
def status(job: Job = "", workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """How the training jobs stand: state, progress, loss, speed, memory, seconds left; of one its curves.

    Example: regrind train status -w my-loop
    """
    from loop.jobs import SHOWN, all_jobs, standing
    from training.curves import terminal, warnings
    from training.metrics import read_metrics

    space = open_workspace(workspace)
    found = [standing(path) for path in all_jobs(space) if path.name.startswith(job)]
    if as_json:
        out_json(found)
    else:
        table(SHOWN, [[entry.get(name) for name in SHOWN] for entry in found])
        for entry in found:
            if "error" in entry:
                out(f"{entry['job']}: {entry['error']}")
        if len(found) == 1:
            metrics = read_metrics(space.jobs / found[0]["job"] / "metrics.jsonl")
            out(terminal(metrics))
            for warning in warnings(metrics) if found[0]["state"] == "completed" else []:
                out(f"warning: {warning}")
    next_command(f"regrind train run -w {sh(workspace)}")


@app.command()
def stop(job: Job = "", workspace: WorkspaceDir = Path()) -> None:
    """Ask a running job to write a checkpoint after its current step, and to end.

    Example: regrind train stop -w my-loop
    """
    from loop.jobs import named_job
    from training.state import RUNNING, ask_to_stop

    chosen = named_job(open_workspace(workspace), job, RUNNING)
    ask_to_stop(chosen)
    out(f"{chosen.name}: asked to stop after its current step")
    next_command(f"regrind train resume -w {sh(workspace)} {chosen.name}")


def _train(space: Workspace, snapshot: str, *, as_json: bool) -> None:
    from loop.steps.train import train_version
    from loop.writer import working

    with working(space) as save:
        outcome = train_version(space, snapshot, told())
        if outcome.commit:
            save(outcome.commit)
    if as_json:
        out_json(outcome.outputs)
    else:
        out(outcome.summary)
    version = outcome.outputs["version"]
    next_command(
        f"regrind model evaluate -w {sh(space.root)} {version}",
        f"regrind model generate -w {sh(space.root)} {version} TEXT",
    )
