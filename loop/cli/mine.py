"""Command `regrind curate mine`: training rows from conversation logs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from loop.cli.common import AsJson, next_command, out, out_json, sh, table
from loop.cli.curate import Drops, app
from loop.cli.files import Output, Rejects, Shape, beside, demand_distinct, read, write, write_lines

if TYPE_CHECKING:
    import polars as pl

    from curation.errors import UserError
    from curation.mine import Mined

Logs = Annotated[
    list[Path], typer.Argument(help="JSONL logs: messages, or prompt/input and response/output.")
]
Policy = Annotated[Literal["keep", "drop"], typer.Option(help="What becomes of rows that lack the field.")]


def add() -> None:
    """Add the command to `regrind curate`."""
    app.command()(mine)


def mine(
    logs: Logs,
    output: Output,
    *,
    min_rating: Annotated[float, typer.Option(help="Smallest rating that stays.")] = 4.0,
    max_latency: Annotated[float, typer.Option(help="Seconds; the answer came in less.")] = 5.0,
    min_characters: Annotated[int, typer.Option(min=0, help="The answer has more.")] = 50,
    keep_edited: Annotated[bool, typer.Option(help="Keep answers edited by hand.")] = False,
    missing_rating: Policy = "drop",
    missing_latency: Policy = "keep",
    missing_edited: Policy = "keep",
    rating_field: Annotated[str, typer.Option(help="Such as feedback.score.")] = "rating",
    latency_field: Annotated[str, typer.Option(help="In seconds.")] = "latency",
    latency_ms_field: Annotated[str, typer.Option(help="In milliseconds.")] = "latency_ms",
    edited_field: Annotated[str, typer.Option(help="True where edited by hand.")] = "edited",
    drops: Drops = None,
    rejects: Rejects = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Keep the conversations of a log that were rated well, answered fast and at length, and not edited.

    Example: regrind curate mine log.jsonl -o mined.jsonl --drops left-out.jsonl
    """
    import msgspec
    import polars as pl

    from curation.mine import Mine
    from curation.mine import mine as find

    # every option that is a setting has the setting's name
    given = {name: value for name, value in locals().items() if name in Mine.__struct_fields__}
    try:
        settings = msgspec.convert(given, Mine)
    except msgspec.ValidationError as fault:
        problem, _, place = str(fault).partition(" - at ")
        option = "--" + place.strip("`$.").replace("_", "-")
        raise typer.BadParameter(problem, param_hint=option) from None
    demand_distinct(*dict.fromkeys(logs), output, drops, rejects)
    intakes = [read(path, shape) for path in dict.fromkeys(logs)]
    bad = pl.concat([i.rejects for i in intakes])
    mined = find(pl.concat([i.rows for i in intakes]), settings)
    with beside(output):
        _report(mined, bad, as_json=as_json)
    lists = (mined.drops, drops), (bad, rejects)
    if not mined.rows.height:
        for lines, path in lists:
            write_lines(lines, path)
        raise _none_left(mined)
    write(mined.rows, output, *lists)
    next_command(f"regrind curate dedup {sh(output)} -o deduplicated.jsonl --drops drops.jsonl")


def _report(mined: Mined, bad: pl.DataFrame, *, as_json: bool) -> None:
    total = mined.rows.height + mined.drops.height
    if as_json:
        counts = {
            "lines": total + bad.height,
            "rejected": bad.height,
            "rows": total,
            "kept": mined.rows.height,
        }
        out_json(counts | {"dropped": mined.dropped, "missing": mined.missing})
        return
    left_out = {"no row (see --rejects)": bad.height} if bad.height else {}
    counted = {"kept": mined.rows.height} | left_out | mined.dropped
    lines = max(total + bad.height, 1)
    table(["conversations", "lines", "share"], [(what, n, n / lines) for what, n in counted.items()])
    lacking = [f"{n} have no {name}" for name, n in mined.missing.items() if n]
    out(f"of {total} rows, " + (", ".join(lacking) or "all have rating, latency and edited"))


def _none_left(mined: Mined) -> UserError:
    """Why no file without rows is written: it is more often a field's name than the log that is at fault."""
    from curation.errors import UserError

    reason, count = next(iter(mined.dropped.items()))
    fix = "name the fields as the log does (--rating-field), or choose other limits; --drops lists every row"
    return UserError(
        f"no row is left ({count} of {mined.drops.height}: {reason})",
        where=mined.drops["source"][0],
        fix=fix,
    )
