"""Command `regrind curate tokens`: how long rows are for a tokenizer, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.cli.common import AsJson, next_command, out, out_json, sh, table, told
from loop.cli.curate import app
from loop.cli.files import Input, Shape, read

if TYPE_CHECKING:
    from collections.abc import Sequence

BAR = 40


def add() -> None:
    """Add the command to `regrind curate`."""
    app.command()(tokens)


def tokens(
    file: Input,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Model folder, tokenizer.json, embedded model or hub id.", show_default="embedded"),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Longest row that is trained on.", show_default="of training")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows in one batch.", show_default="of training")
    ] = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Count tokens as training does: lengths, rows left out, cost of padding, and what packing saves.

    Example: regrind curate tokens seed.jsonl --max-length 512 --batch-size 10
    """
    import msgspec

    from curation.errors import UserError
    from curation.lengths import measure
    from curation.rows import with_answer
    from loop.models import cache
    from loop.tokens import count_tokens
    from training.settings import TrainSettings
    from training.tokenizer import load_tokenizer

    usual = TrainSettings()
    name, limits = tokenizer or usual.base_model, {"max_length": max_length or usual.max_length}
    limits["batch_size"] = batch_size or usual.batch_size
    found, bad = read(file, shape, ids=False)
    rows = with_answer(found)
    if not rows.height:
        fix = "name a file of training rows"
        raise UserError("no row ends with an answer, so training would read none", where=str(file), fix=fix)
    loaded = load_tokenizer(name, cache())
    progress = told()
    progress.begin(f"count tokens of {rows.height} rows")
    counts = count_tokens(rows, loaded, **limits, progress=progress.step)
    progress.end(f"{int(counts.prompt.sum() + counts.answer.sum())} tokens")
    costs = measure(counts.prompt, counts.answer, **limits, shared=counts.shared)
    report = msgspec.to_builtins(costs) | limits | {"tokenizer": name, "rejected": bad.height}
    report["unanswered"] = found.height - rows.height
    report["has_chat_template"] = bool(loaded.chat_template)
    whole = counts.prompt + counts.answer
    report["worst"] = [
        {"source": rows["source"][i], "line": rows["line"][i], "tokens": int(whole[i])} for i in costs.worst
    ]
    if as_json:
        out_json(report)
    else:
        _print(report)
    next_command(f"regrind curate validate {sh(file)}")


def _print(report: dict[str, Any]) -> None:
    layout = (
        "its chat template" if report["has_chat_template"] else "no chat template: plain `Role: text` lines"
    )
    out(f"{report['rows']} rows, tokenizer {report['tokenizer']} with {layout}")
    for count, what in (
        (report["rejected"], "lines are no rows"),
        (report["unanswered"], "rows have no answer"),
    ):
        if count:
            out(f"{count} {what}, and are not counted")
    names = ("mean", "median", "p95", "p99", "max")
    spreads = [[part, *(round(report[part][n], 1) for n in names)] for part in ("prompt", "answer", "whole")]
    out("")
    table(["tokens of", *names], [[*map(_short, row)] for row in spreads])
    out("")
    share, limit = f"{report['over_share']:.1%}", report["max_length"]
    out(f"{report['over']} rows ({share}) have more than {limit} tokens; training leaves them out")
    for row in report["worst"]:
        out(f"  {row['source']}:{row['line']}: {row['tokens']} tokens")
    out("")
    headers = [f"batches of {report['batch_size']}", "tokens", "padding", "saved"]
    cells = [[w["way"], w["tokens"], f"{w['padding']:.1%}", f"{w['saved']:.1%}"] for w in report["layouts"]]
    table(headers, cells)
    out("")
    _bars(report["histogram"])


def _short(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value


def _bars(bins: Sequence[dict[str, int]]) -> None:
    """A small histogram; plain characters, because not every terminal has others."""
    most = max(b["rows"] for b in bins)
    cells = [(f"{b['first']}-{b['last']}", b["rows"], "#" * -(-BAR * b["rows"] // most)) for b in bins]
    table(["tokens", "rows", ""], cells)
