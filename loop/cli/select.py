"""Command `regrind curate select`: fewer rows that cover the rest, and whether that beat a random pick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.cli.common import AsJson  # noqa: TC001  (typer reads the annotation)
from loop.cli.curate import Drops, Seed, app, finish
from loop.cli.files import Input, Output, Shape, demand_distinct, only_rows

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from curation.selection.settings import Select

Prior = Annotated[
    Path | None, typer.Option(help="Folder of a snapshot, or file of rows, that counts as picked before.")
]


def add() -> None:
    """Add the command to `regrind curate`."""
    app.command()(select)


def select(
    file: Input,
    output: Output,
    k: Annotated[
        int | None, typer.Option("-k", min=0, help="Rows to keep; each task keeps its share of them.")
    ] = None,
    method: Annotated[str, typer.Option(help="kcenter, facility or random.")] = "kcenter",
    on: Annotated[
        str, typer.Option(help="What is compared: prompt, or all, which is prompt and answer.")
    ] = "prompt",
    floor: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, help="Share that is too odd to be picked.", show_default="0.05"),
    ] = None,
    quality: Annotated[
        str, typer.Option(metavar="FIELD", help="Number that weighs a row's gain, such as score.")
    ] = "",
    budget_tokens: Annotated[int | None, typer.Option(min=0, help="Tokens to keep at most.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Counts the tokens.", show_default="four bytes are one token")
    ] = None,
    quota: Annotated[
        list[str] | None, typer.Option(metavar="TAG=N", help="Rows to keep of a tag, such as stage:task=500.")
    ] = None,
    prior: Prior = None,
    min_gain: Annotated[float, typer.Option(min=0, help="End early where the next gain is smaller.")] = 0.0,
    seed: Seed = 0,
    drops: Drops = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Keep the rows that cover the others best, and say whether that beat a random pick of the same size.

    Name -k, --budget-tokens, --quota or --min-gain. Kept rows tell rank, reason and gain in `selected`. Rows
    that augment made do not compete: each follows its parent.

    Example: regrind curate select rows.jsonl -o few.jsonl -k 200
    """
    from curation.selection.against_random import lines
    from curation.state import begin
    from curation.steps import select as run

    if k is None and budget_tokens is None and not quota and not min_gain:
        options = "-k, --budget-tokens, --quota, --min-gain"
        raise typer.BadParameter("say how many to keep", param_hint=options)
    told: dict[str, Any] = {"k": k, "method": method, "on": on, "quality": quality}
    told |= {"budget_tokens": budget_tokens, "min_gain": min_gain, "seed": seed}
    if floor is not None:
        if method == "random":
            raise typer.BadParameter("random picks by chance, the odd ones too", param_hint="--floor")
        told["floor"] = floor
    if quota:  # without -k, rows of other tags are not kept
        told |= {"quotas": _quotas(quota)} | ({"share": 0.0} if k is None else {})
    step = _step(told)
    demand_distinct(file, output, drops, prior)
    rows = only_rows(file, shape)
    state = run(begin(rows), step, tokens=_tokens(rows, tokenizer), prior=_rows_of(prior))
    notes = [*lines(state.tallies[-1].notes), *_followers(state.rows, tokenizer)]
    finish(state, output, drops, notes, as_json=as_json)


def _followers(rows: pl.DataFrame, tokenizer: str | None) -> list[str]:
    """How many rows came along with their parents, on top of what was asked for."""
    from curation.children import MADE
    from curation.selection.columns import estimated_tokens

    made = rows.filter(MADE)
    if not made.height:
        return []
    counted = _tokens(made, tokenizer)
    tokens = (estimated_tokens(made) if counted is None else counted).sum()
    return [f"made from these rows: {made.height} more rows, {tokens} more tokens"]


def _step(told: dict[str, Any]) -> Select:
    import msgspec

    from curation.selection.settings import Select

    try:
        return msgspec.convert(told, Select)
    except msgspec.ValidationError as fault:
        raise typer.BadParameter(str(fault)) from None


def _quotas(given: list[str]) -> dict[str, int]:
    quotas: dict[str, int] = {}
    for text in given:
        tag, _, number = text.rpartition("=")
        if not tag or not number.isdecimal():
            raise typer.BadParameter(f"{text!r} is not TAG=N", param_hint="--quota")
        if tag in quotas:
            raise typer.BadParameter(f"{tag!r} has two quotas", param_hint="--quota")
        quotas[tag] = int(number)
    return quotas


def _tokens(rows: pl.DataFrame, tokenizer: str | None) -> NDArray[np.int64] | None:
    if tokenizer is None:
        return None
    from loop.models import cache
    from loop.tokens import text_tokens
    from training.tokenizer import load_tokenizer

    return text_tokens(rows, load_tokenizer(tokenizer, cache()))


def _rows_of(prior: Path | None) -> pl.DataFrame | None:
    """The rows of a snapshot's folder, or of a file."""
    if prior is None:
        return None
    if (prior / "manifest.json").is_file():
        from curation.stored import read_rows

        return read_rows(prior)
    return only_rows(prior)
