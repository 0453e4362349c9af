"""Command `regrind curate augment`: new rows from old ones, offline or by a language model, with guards."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from loop.cli.common import AsJson, next_command, out, out_json, sh
from loop.cli.curate import Seed, app
from loop.cli.files import Input, Output, Shape, beside, demand_distinct, only_rows

if TYPE_CHECKING:
    import polars as pl

    from curation.augmentation.augment import Augmented, Checks
    from curation.augmentation.settings import Paraphrase

Settings = TypeVar("Settings")
OFFLINE = "typo,case,spacing,punctuation,contraction"
STYLES = "close,free,casual,formal"
Heldout = Annotated[
    list[Path] | None, typer.Option(help="File of held-out items; no new row may come near one. Repeatable.")
]


def add() -> None:
    """Add the command to `regrind curate`."""
    app.command()(augment)


def augment(
    file: Input,
    output: Output,
    share: Annotated[float, typer.Option(min=0, max=10, help="New rows as a share of the old.")] = 0.1,
    operations: Annotated[str, typer.Option(help="Offline noise, with commas between.")] = OFFLINE,
    paraphrase: Annotated[bool, typer.Option(help="Let Claude paraphrase instead of adding noise.")] = False,
    styles: Annotated[str, typer.Option(help="Of paraphrases; also short and long.")] = STYLES,
    model: Annotated[str, typer.Option(help="Who paraphrases.")] = "claude-haiku-5-5",
    max_calls: Annotated[int | None, typer.Option(min=0, help="Calls at most.")] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, help="US dollars at most.")] = None,
    per_parent: Annotated[int, typer.Option(min=1, max=100, help="New rows from one row at most.")] = 1,
    heldout: Heldout = None,
    dry_run: Annotated[bool, typer.Option(help="Say what it would take, write and ask nothing.")] = False,
    seed: Seed = 0,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Add copies of rows with typing noise in the user's words, or paraphrases; each goes through guards.

    Noise is for robustness. A new row names its parent, keeps its answer, and stays in its split. Replies of
    the model are kept beside the output, so what was paid for is not asked again.

    Example: regrind curate augment seed.jsonl -o more.jsonl --share 0.2
    """
    from curation.augmentation.augment import Checks
    from curation.augmentation.augment import augment as add_noise
    from curation.augmentation.settings import Augment, Paraphrase
    from curation.export import demand_form
    from curation.heldout import freeze

    demand_distinct(file, output, *(heldout or []))
    demand_form(output)
    asked: dict[str, Any] = {"share": share, "per_parent": per_parent, "seed": seed}
    noise = _step(asked | {"operations": _names(operations)}, Augment, "--operations")
    style = _step(asked | {"styles": _names(styles)}, Paraphrase, "--styles")
    rows = only_rows(file, shape)
    checks = Checks(heldout=[freeze(str(path), only_rows(path)) for path in heldout or []])
    if paraphrase:
        report = _paraphrase(rows, style, checks, output, (model, max_calls, max_cost), dry_run=dry_run)
    else:
        report = _finish(rows, add_noise(rows, noise, checks), output, dry_run=dry_run)
    with beside(output):
        if as_json:
            out_json(report)
        else:
            for about, value in report.items():
                out(f"{about}: {value}")
    again = shlex.join(["regrind", *(word for word in sys.argv[1:] if word != "--dry-run")])
    next_command(again if dry_run else f"regrind curate validate {sh(output)}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _step(told: dict[str, Any], kind: type[Settings], option: str) -> Settings:
    import msgspec

    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as fault:
        raise typer.BadParameter(str(fault), param_hint=option) from None


def _paraphrase(
    rows: pl.DataFrame,
    step: Paraphrase,
    checks: Checks,
    output: Path,
    limits: tuple[str, int | None, float | None],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """Ask for paraphrases, or say what that would take; the report."""
    from dataclasses import asdict

    from curation.augmentation.augment import guarded
    from curation.augmentation.guards import PARAPHRASE
    from curation.augmentation.paraphrase import Budget, Spent, forecast, most_children, paraphrases
    from curation.augmentation.reply_file import ReplyFile
    from curation.errors import UserError
    from loop.chat import ClaudeChat

    model, max_calls, max_cost = limits
    chat, wanted = ClaudeChat(model), most_children(rows, step)
    replies = ReplyFile(output.with_name(f".{output.name}.replies"))
    if dry_run:
        return {"rows": rows.height, "wanted": wanted} | asdict(forecast(rows, step, chat, replies))
    if max_cost is not None and chat.cost(0, 0) is None:
        raise typer.BadParameter(
            f"the price of {model} is not known; use --max-calls", param_hint="--max-cost"
        )
    spent, taken = Spent(), Counter[str]()
    asked = paraphrases(rows, step, chat, replies, Budget(max_calls, max_cost), spent, taken)
    checks = checks._replace(band=PARAPHRASE, per_parent=step.per_parent)
    done = guarded(rows, asked, wanted, checks, taken)
    if spent.unread and not done.children.height:
        fix = "look at what the model answers (--max-calls 1), or name another --model"
        raise UserError(
            f"no message of {spent.calls} brought a paraphrase", where=f"--model {model}", fix=fix
        )
    return _finish(rows, done, output, dry_run=False) | asdict(spent)


def _finish(rows: pl.DataFrame, done: Augmented, output: Path, *, dry_run: bool) -> dict[str, Any]:
    """Write the rows and their children, unless it is a dry run; the report."""
    import polars as pl

    from curation.export import write_rows

    if not dry_run:
        write_rows(pl.concat([rows, done.children]), output)
    made = {"rows": rows.height, "wanted": done.wanted, "children": done.children.height}
    return made | {"refused": done.refused}
