"""Commands `regrind train …`: a snapshot becomes a version of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import AsJson, WorkspaceDir, next_command, open_workspace, out, out_json, sh, told

app = typer.Typer(help="Fine-tune on a snapshot.", no_args_is_help=True)


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

    Example: regrind train run -w my-loop
    """
    from loop.lookup import latest_snapshot, snapshot_folder
    from loop.steps.train import prepare_job, train_version
    from loop.writer import working

    space = open_workspace(workspace)
    chosen = snapshot_folder(space, snapshot).name if snapshot else latest_snapshot(space)
    if only_prepare:
        out(f"python -m training run {prepare_job(space, chosen)}")
        next_command(
            "copy that folder to the machine with the GPU, run it there, copy it back, run this again"
        )
        return
    with working(space) as save:
        outcome = train_version(space, chosen, told())
        if outcome.commit:
            save(outcome.commit)
    if as_json:
        out_json(outcome.outputs)
    else:
        out(outcome.summary)
    version = outcome.outputs["version"]
    next_command(
        f"regrind model evaluate -w {sh(workspace)} {version}",
        f"regrind model generate -w {sh(workspace)} {version} TEXT",
    )
