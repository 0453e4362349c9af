"""Commands `regrind judge …`: verdicts on a plain JSONL file or on traces, prompts, and what it all cost."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import (
    EXIT_HELD,
    AsJson,
    WorkspaceDir,
    next_command,
    open_workspace,
    out,
    out_json,
    sh,
    table,
    told,
    visible,
)
from loop.cli.files import demand_distinct
from loop.cli.verdicts import dollars, held, states_of, tell, tell_estimate

app = typer.Typer(help="Judge answers by a rubric.", no_args_is_help=True)

File = Annotated[
    Path | None, typer.Argument(help='JSONL of {"id", "messages", "output", "reference"}; not with --traces.')
]
Rubric = Annotated[
    str | None,
    typer.Option(help="Rubric: a TOML file, or a shipped one: safety, helpfulness, format, general, answer."),
]
Space = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Folder whose regrind.toml has settings and prices.")
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--judge",
        help="reference (offline), anthropic, anthropic-batch, openai, http, local, panel, module:function.",
    ),
]
Model = Annotated[str | None, typer.Option(help="The judge's model.")]
Url = Annotated[str | None, typer.Option(help="Address of an OpenAI-compatible endpoint or a judge server.")]


@app.command()
def run(
    file: File = None,
    traces: Annotated[
        str | None, typer.Option(help="Traces of the store instead: a condition in SQL, such as 'cycle = 2'.")
    ] = None,
    rubric: Rubric = None,
    judge: Kind = None,
    model: Model = None,
    url: Url = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="JSONL for the verdicts; beside FILE unless given."),
    ] = None,
    workspace: Space = None,
    budget: Annotated[
        float | None, typer.Option(min=1e-6, help="US dollars that this run may spend.")
    ] = None,
    token_budget: Annotated[int | None, typer.Option(min=1, help="Tokens that this run may take.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests at once, at most.")] = None,
    max_abstained: Annotated[
        float | None,
        typer.Option(help="Share of verdicts without a score that is exit 3.", show_default="0.2"),
    ] = None,
    retry: Annotated[
        str | None,
        typer.Option(help="Ask again where a verdict has one of these states: unparsable,refused,truncated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what it would take; judge nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give every answer a verdict, or a state that says why there is none.

    Exit 3 when too many have no score, or the budget ends before the items do. What was paid for is kept as
    it arrives: run again, only the missing and the failed ones are asked; --retry also asks where a reply
    came that was of no use, and forgets that one. A dry run counts tokens where the service does
    that for nothing (anthropic), and estimates them elsewhere.

    Example: regrind judge run answers.jsonl --rubric safety --judge anthropic --budget 5.00
    """
    from loop import judge_run
    from loop.judge_report import report

    if (file is None) == (traces is None):
        raise typer.BadParameter("give a FILE or --traces, one of them")
    if rubric is None and workspace is None and file and not (judge and needs_no_rubric(judge)):
        raise typer.BadParameter(
            "name a rubric: a TOML file, or a shipped one such as safety", param_hint="--rubric"
        )
    options = {"rubric": rubric, "kind": judge, "model": model, "url": url, "max_abstained": max_abstained}
    service = {"budget": budget, "token_budget": token_budget, "concurrency": concurrency}
    root, again = workspace or Path(), states_of(retry)
    config = judge_run.configured(root if traces or workspace else None, options, service)
    if file:
        output = output or Path(f"{str(file).removesuffix('.jsonl')}.verdicts.jsonl")
        demand_distinct(file, Path(rubric) if rubric else None, output)
        task = judge_run.file_task(file, config, root, output, again)
        if task.kept.parent.resolve() != file.resolve().parent and config.judge.kind != "reference":
            told().say(f"nothing can be kept beside {sh(file)}: verdicts are kept in {sh(task.kept)}")
    else:
        task = judge_run.traces_task(traces or "", config, root, output, again)
    if dry_run:
        tell_estimate(judge_run.dry_run(task), config.judge.service, as_json=as_json)
        next_command("the same command without --dry-run")
        return
    said = report(*judge_run.run(task, told()))
    tell(said, as_json=as_json)
    if problem := held(said, config.judge.max_abstained):
        next_command(problem + (f"; {sh(task.output)} has the feedback" if task.output else ""))
        raise typer.Exit(EXIT_HELD)
    lowest = f'regrind sql -w {sh(root)} "select * from low_scores limit 10"'
    next_command(f"sort {sh(task.output)} by score, and read the lowest" if task.output else lowest)


def needs_no_rubric(judge: str) -> bool:
    """Whether a kind of judge knows by itself what it looks at."""
    return judge == "http" or ":" in judge


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help='JSONL of {"id", "messages", "output", "reference"}.')],
    rubric: Annotated[str, typer.Option(help="Rubric: a TOML file, or a shipped one such as safety.")],
    identity: Annotated[
        str | None, typer.Option("--id", help="Id of the item; the first unless given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the exact prompt that a language model judge gets for an item, and the reply it must give.

    The mark that fences the item's texts is drawn anew for every call. Control characters are written as
    escapes; --json has them as they are sent.

    Example: regrind judge show answers.jsonl --rubric safety --id 7
    """
    from loop.judge_report import prompt_of

    shown = prompt_of(file, rubric, identity)
    if as_json:
        out_json(shown)
    else:
        for name in ("system", "user"):
            out(f"--- {name} ---\n{visible(shown[name])}\n")
        out(f"--- schema of the reply, where the service takes one ---\n{shown['schema']}")
    next_command(f"regrind judge run {sh(file)} --rubric {shlex.quote(rubric)} --judge anthropic --dry-run")


@app.command()
def cost(
    by: Annotated[str, typer.Option(help="model, judge, cycle or day.")] = "model",
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """What judging took, from the store: tokens and US dollars by model, judge, cycle or day.

    An answer that was judged before is not asked again, and counts once.

    Example: regrind judge cost -w my-loop --by day
    """
    from loop.judge_report import costs

    found = costs(open_workspace(workspace), by)
    if as_json:
        out_json(found.to_dicts())
    else:
        at = found.columns.index("cost")
        table(found.columns, [(*row[:at], dollars(row[at]), *row[at + 1 :]) for row in found.rows()])
    next_command(f'regrind sql -w {sh(workspace)} "select * from judge_cost"')
