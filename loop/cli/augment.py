"""Command `regrind curate augment`: new rows from old ones, offline or by a language model, with guards."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from loop.cli.common import AsJson, next_command, out, out_json, sh, told
from loop.cli.curate import Seed, app
from loop.cli.files import STANDARD, Input, Output, Shape, beside, demand_distinct, only_rows

Settings = TypeVar("Settings")
OFFLINE = "typo,case,spacing,punctuation,contraction"
STYLES = "close,free,casual,formal"
MODEL = "claude-haiku-5-5"
Heldout = Annotated[
    list[Path] | None, typer.Option(help="File of held-out items; no new row may come near one. Repeatable.")
]
Judge = Annotated[
    str | None,
    typer.Option(
        help="Checks that the answer still holds: reference, anthropic, openai, http, local, module:function."
    ),
]
Rubric = Annotated[str | None, typer.Option(help="Of the judge: a TOML file, or a shipped one.")]


def add() -> None:
    """Add the command to `regrind curate`."""
    app.command()(augment)


def augment(
    file: Input,
    output: Output,
    share: Annotated[float, typer.Option(min=0, max=10, help="New rows as a share of the old.")] = 0.1,
    operations: Annotated[
        str | None, typer.Option(help="Offline noise, with commas between.", show_default=OFFLINE)
    ] = None,
    thesaurus: Annotated[
        Path | None,
        typer.Option(help="Synonyms instead of noise, from a MyThes file; for robustness sets only."),
    ] = None,
    paraphrase: Annotated[bool, typer.Option(help="Let Claude paraphrase instead of adding noise.")] = False,
    styles: Annotated[
        str | None, typer.Option(help="Of paraphrases; also short and long.", show_default=STYLES)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Who paraphrases.", show_default=MODEL)] = None,
    max_calls: Annotated[int | None, typer.Option(min=0, help="Messages for paraphrases at most.")] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, help="US dollars at most, all in all.")] = None,
    judge: Judge = None,
    rubric: Rubric = None,
    judge_model: Annotated[str | None, typer.Option(help="The judge's model.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="The judge's address (openai, http).")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Score from which the answer holds.", show_default="0.7"),
    ] = None,
    per_parent: Annotated[int, typer.Option(min=1, max=100, help="New rows from one row at most.")] = 1,
    heldout: Heldout = None,
    dry_run: Annotated[bool, typer.Option(help="Say what it would take, write and ask nothing.")] = False,
    seed: Seed = 0,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Add copies of rows with typing noise in the user's words, or paraphrases; each goes through guards.

    Noise and synonyms are for robustness. A new row names its parent, keeps its answer, and stays in its
    split. Replies and verdicts are kept beside the output, so what was paid for is not asked again.

    Example: regrind curate augment rows.jsonl -o more.jsonl --share 0.2
    """
    from curation.augmentation.settings import Augment, Paraphrase
    from curation.augmentation.spending import Budget
    from curation.export import demand_form
    from loop import augmenting
    from loop.cli.judge import needs_no_rubric

    judged: dict[str, object] = {
        "rubric": rubric,
        "judge-model": judge_model,
        "judge-url": judge_url,
        "threshold": threshold,
    }
    _demand_use(judge is not None, "--judge", judged)
    _demand_use(paraphrase, "--paraphrase", {"styles": styles, "model": model, "max-calls": max_calls})
    _demand_use(not paraphrase, "noise, not --paraphrase", {"operations": operations, "thesaurus": thesaurus})
    _demand_use(thesaurus is None, "noise, not --thesaurus", {"operations": operations})
    _demand_use(paraphrase or judge is not None, "--paraphrase or --judge", {"max-cost": max_cost})
    if judge and not rubric and not needs_no_rubric(judge):
        raise typer.BadParameter("name a rubric: a TOML file, or a shipped one", param_hint="--rubric")
    if output == STANDARD and (paraphrase or (judge and judge != "reference")):
        raise typer.BadParameter("name a file: what is paid for is kept beside it", param_hint="--output")
    demand_distinct(file, output, thesaurus, Path(rubric) if rubric else None, *(heldout or []))
    demand_form(output)
    asked: dict[str, Any] = {"share": share, "per_parent": per_parent, "seed": seed}
    noise = _step(
        asked | {"operations": _names(OFFLINE if operations is None else operations)}, Augment, "--operations"
    )
    style = _step(asked | {"styles": _names(STYLES if styles is None else styles)}, Paraphrase, "--styles")
    options: dict[str, Any] = {"kind": judge, "rubric": rubric, "threshold": threshold}
    options |= {"model": judge_model, "url": judge_url}
    step = style if paraphrase else noise
    ways = augmenting.Ways(step, thesaurus, model or MODEL, options if judge else None)
    held = {str(path): only_rows(path) for path in heldout or []}
    budget = Budget(max_calls, max_cost)
    task = augmenting.Run(only_rows(file, shape), output, ways, held, budget, told())
    report = augmenting.dry_run(task) if dry_run else augmenting.run(task)
    with beside(output):
        _tell(report, as_json=as_json)
    again = shlex.join(["regrind", *(word for word in sys.argv[1:] if word != "--dry-run")])
    next_command(again if dry_run else f"regrind curate validate {sh(output)}")


def _demand_use(used: bool, by: str, options: dict[str, object]) -> None:
    """Refuse an option that would not be looked at."""
    for name, value in options.items():
        if not used and value is not None:
            raise typer.BadParameter(f"this is for {by}", param_hint=f"--{name}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _step(told: dict[str, Any], kind: type[Settings], option: str) -> Settings:
    import msgspec

    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as fault:
        raise typer.BadParameter(str(fault), param_hint=option) from None


def _tell(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        out_json(report)
        return
    for about, value in report.items():
        said = ", ".join(f"{n} {name}" for name, n in value.items()) if isinstance(value, dict) else value
        out(f"{about}: {'not known' if said is None else 'none' if said == '' else said}")
