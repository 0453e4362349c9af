"""Commands `regrind judge …`: verdicts on a plain JSONL file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import EXIT_HELD, AsJson, next_command, out, out_json, sh, table, told
from loop.cli.files import demand_distinct

app = typer.Typer(help="Judge answers by a rubric.", no_args_is_help=True)

Rubric = Annotated[Path, typer.Option(help="Rubric, a TOML file.")]


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help='JSONL of {"id", "messages", "output", "reference"}.')],
    rubric: Rubric,
    output: Annotated[Path, typer.Option("--output", "-o", help="JSONL file for the verdicts.")],
    judge: Annotated[str, typer.Option(help="reference (offline) or anthropic.")] = "reference",
    model: Annotated[str, typer.Option(help="The judge's model.")] = "claude-haiku-5-5",
    dry_run: Annotated[bool, typer.Option(help="Say what it would take, ask nobody.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give every answer a verdict, or a state that says why there is none; exit 3 when none has a score.

    Verdicts are kept beside the output as they arrive; run again, only the missing ones are asked.

    Example: regrind judge run answers.jsonl --rubric rubrics/safety.toml -o verdicts.jsonl
    """
    from collections import Counter

    from judge.rubric import load_rubric
    from judge.run import estimate, judge_items
    from loop.judge_file import read_items, write_verdicts
    from loop.judging import make_judge
    from loop.spool import FileCache

    demand_distinct(file, rubric, output)
    items = read_items(file)
    chosen = make_judge(judge, load_rubric(rubric), model)
    if dry_run:
        out_json(estimate(items, chosen)._asdict())
        next_command(f"regrind judge run {sh(file)} --rubric {sh(rubric)} -o {sh(output)} --judge {judge}")
        return
    cache = FileCache(output.with_name(f".{output.name}.spool"))
    progress = told()
    verdicts = judge_items(items, chosen, cache, progress=lambda d, n: progress.step(d, n, "verdicts"))
    progress.end(f"judged by {chosen.id}")
    write_verdicts(verdicts, output)
    cache.clear()
    states = Counter(v.state for v in verdicts)
    scores = [v.score for v in verdicts if v.score is not None]
    mean = sum(scores) / len(scores) if scores else None
    if as_json:
        out_json({"judge": chosen.id, "states": states, "mean_score": mean, "items": len(verdicts)})
    else:
        table(["state", "verdicts"], sorted(states.items()))
        out(f"mean score of the scored: {mean:.3f}" if mean is not None else "no score")
    if not scores:
        next_command(f"read the feedback in {sh(output)}, and run the same command again")
        raise typer.Exit(EXIT_HELD)
    next_command(f"sort {sh(output)} by score, and read the lowest")
