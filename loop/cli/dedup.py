"""Command `regrind curate dedup`: duplicates out, each with evidence, and a stop before too much goes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli.common import AsJson, next_command, out_json, sh, told
from loop.cli.dedup_told import explain_line, report, tell
from loop.cli.files import STANDARD, Input, Shape, beside, demand_distinct, only_rows, write

if TYPE_CHECKING:
    import polars as pl

    from curation.dedup import Deduped, How
    from curation.semantic import Meaning

CHOICES = {
    "on": ("prompt", "all"),
    "conflicts": ("report", "keep_best", "keep_all", "drop_all"),
    "mode": ("anchored", "connected"),
    "keep": ("best", "first"),
}

MaybePath = Path | None
Out = Annotated[
    MaybePath,
    typer.Option("--output", "-o", help="File to write: .jsonl, .json, .gz, .zst, .parquet, .hf, or -."),
]
Exact = Annotated[bool, typer.Option("--exact", help="Exact and normalised duplicates only.")]
Threshold = Annotated[
    float, typer.Option(min=0.01, max=1, help="Smallest Jaccard similarity of near-duplicates.")
]
On = Annotated[str, typer.Option(help="prompt: prompts and answers each; all: the whole text.")]
KeepBy = Annotated[str, typer.Option(help="best: by score, length, id; first: by place.")]
Conflicting = Annotated[str, typer.Option(help="report, keep_best, keep_all or drop_all.")]
ModeOf = Annotated[
    str, typer.Option(help="anchored: a dropped row is like the one that stays; connected: like a chain.")
]
Against = Annotated[
    MaybePath,
    typer.Option(
        help="Rows that are there already, and preferred: a file, or a snapshot's folder; indexed beside it."
    ),
]
Drops = Annotated[
    MaybePath, typer.Option(help="JSONL file for what went, for which row, and how they differ.")
]
Explained = Annotated[
    int | None, typer.Option(metavar="LINE", help="Show this row beside the row it goes for.")
]
MaxLoss = Annotated[float, typer.Option(min=0, max=1, help="Stop when a source loses more than this share.")]
MaxCluster = Annotated[int, typer.Option(min=1, help="Stop when more rows than this would become one.")]
Force = Annotated[bool, typer.Option("--force", help="Go on where these limits would stop.")]
Semantic = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL", help="Also rows that mean the same: a model2vec or sentence-transformers model."
    ),
]
Cosine = Annotated[float, typer.Option(min=0.01, max=1, help="Smallest cosine of such rows.")]
Memory = Annotated[
    str | None,
    typer.Option(help="Bytes for the search beside the rows, such as 1GB; it goes over the disk then."),
]
Threads = Annotated[int | None, typer.Option(min=1, show_default="all", help="At most so many.")]


def add_to(app: typer.Typer) -> None:
    """Make the command known."""
    app.command()(dedup)


def dedup(
    file: Input,
    output: Out = None,
    exact: Exact = False,
    threshold: Threshold = 0.8,
    on: On = "prompt",
    keep: KeepBy = "best",
    conflicts: Conflicting = "report",
    mode: ModeOf = "anchored",
    against: Against = None,
    drops: Drops = None,
    explain: Explained = None,
    max_loss: MaxLoss = 0.5,
    max_cluster: MaxCluster = 1000,
    force: Force = False,
    semantic: Semantic = None,
    cosine: Cosine = 0.95,
    memory: Memory = None,
    threads: Threads = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Drop exact, normalised and near duplicates; list rows with one prompt and two answers.

    Example: regrind curate dedup seed.jsonl -o clean.jsonl --drops drops.jsonl
    """
    _demand_choices(on=on, conflicts=conflicts, mode=mode, keep=keep)
    if output is None and explain is None:
        raise typer.BadParameter("name a file to write, or a line to --explain", param_hint="--output")
    if against and (memory or semantic):
        raise typer.BadParameter("give it without --memory and --semantic", param_hint="--against")
    if against == file == STANDARD:
        raise typer.BadParameter("name a file: the new rows are read from -", param_hint="--against")
    if exact and memory:
        raise typer.BadParameter("--exact needs no such limit; leave one of them out", param_hint="--memory")
    from curation.dedup import How, drop_duplicates

    demand_distinct(file, output, drops, against)
    rows = only_rows(file, shape, ids=against is not None)
    room = _bytes(memory) if memory is not None else None
    how = How(threshold, not exact, on, conflicts, mode, keep)  # type: ignore[arg-type]
    if against:
        found, partners = _find_new(rows, how, against, threads)
    else:
        meaning = _meaning(semantic, cosine) if semantic else None
        found, partners = drop_duplicates(rows, how, threads=threads, memory=room, meaning=meaning), rows
    if explain is not None:
        explain_line(rows, partners, found, explain, as_json=as_json)
        next_command(f"regrind curate dedup {sh(file)} -o OUT")
    if output is not None:
        limits = None if force else (max_loss, max_cluster)
        _write(rows, partners, found, (output, drops), limits)
        with beside(output):
            out_json(report(rows, found)) if as_json else tell(rows, found)
        next_command(f"regrind curate validate {sh(output)}")


def _demand_choices(**chosen: str) -> None:
    for name, value in chosen.items():
        if value not in CHOICES[name]:
            raise typer.BadParameter(f"one of {', '.join(CHOICES[name])}", param_hint=f"--{name}")


def _bytes(text: str) -> int:
    """A size such as 500MB or 1.5GiB."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(I?))?B?", text.strip().upper())
    if not match:
        raise typer.BadParameter("a size such as 500MB or 1GiB", param_hint="--memory")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** " KMGT".index(match[2] or " "))


def _meaning(model: str, threshold: float) -> Meaning:
    from curation.semantic import Meaning, load_model

    return Meaning(load_model(model), threshold)


def _find_new(
    rows: pl.DataFrame, how: How, against: Path, threads: int | None
) -> tuple[Deduped, pl.DataFrame]:
    """What goes of new rows, and all rows that it may go for."""
    import polars as pl

    from curation.dedup import drop_known
    from curation.known import drop_against
    from curation.known_cache import index_folder, open_known, taken

    foreign = against != STANDARD and taken(against)
    if foreign:
        place = index_folder(against)
        told().say(
            f"compared with all old rows: no index is kept, because {place} is something else; move it"
        )
    if how.mode == "connected" or foreign or against == STANDARD:
        old = _known(against)
        return drop_known(old, rows, how, threads=threads), pl.concat([old, rows])
    known, built = open_known(against, how, lambda: _known(against), threads)
    if built:
        told().say(f"indexed {against} anew, because {built}: {index_folder(against)}")
    done = drop_against(known, rows, how, threads)
    if done.anew:
        told().say("compared with all old rows: the new ones change which text counts as a template")
    return done.found, pl.concat([done.partners, rows])


def _write(
    rows: pl.DataFrame,
    partners: pl.DataFrame,
    found: Deduped,
    files: tuple[Path, Path | None],
    limits: tuple[float, int] | None,
) -> None:
    from curation.evidence import with_words
    from curation.guards import demand_modest

    if limits:
        demand_modest(rows, found, max_loss=limits[0], max_cluster=limits[1])
    output, drops = files
    evidence = with_words(found.drops, partners).drop("detail") if drops else found.drops
    write(found.rows, output, (evidence, drops))


def _known(path: Path) -> pl.DataFrame:
    """The rows of a snapshot or of a file."""
    from curation.stored import read_rows

    return read_rows(path).drop("split") if (path / "manifest.json").exists() else only_rows(path)
