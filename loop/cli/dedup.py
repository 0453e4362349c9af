"""Command `regrind curate dedup`: duplicates out, each with evidence, and a stop before too much goes."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (typer reads it)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.cli.common import AsJson, next_command, out, out_json, sh
from loop.cli.files import Input, Shape, beside, demand_distinct, only_rows, write

if TYPE_CHECKING:
    import polars as pl

    from curation.dedup import Deduped

SHOWN = 20
CHOICES = {
    "on": ("prompt", "all"),
    "conflicts": ("report", "keep_best", "keep_all", "drop_all"),
    "mode": ("anchored", "connected"),
    "keep": ("best", "first"),
}


def add_to(app: typer.Typer) -> None:
    """Make the command known."""
    app.command()(dedup)


def dedup(
    file: Input,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write: .jsonl, .json, .gz, .zst, .parquet, .hf, or -."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Exact and normalised duplicates only.")] = False,
    threshold: Annotated[
        float, typer.Option(min=0.01, max=1, help="Smallest Jaccard similarity of near-duplicates.")
    ] = 0.8,
    on: Annotated[
        str, typer.Option(help="prompt: prompts and answers each; all: the whole text.")
    ] = "prompt",
    keep: Annotated[str, typer.Option(help="best: by score, length, id; first: by place.")] = "best",
    conflicts: Annotated[str, typer.Option(help="report, keep_best, keep_all or drop_all.")] = "report",
    mode: Annotated[
        str, typer.Option(help="anchored: a dropped row is like the one that stays; connected: like a chain.")
    ] = "anchored",
    against: Annotated[
        Path | None,
        typer.Option(help="Rows that are there already, and preferred: a file, or a snapshot's folder."),
    ] = None,
    drops: Annotated[
        Path | None, typer.Option(help="JSONL file for what went, for which row, and how they differ.")
    ] = None,
    explain: Annotated[
        int | None, typer.Option(metavar="LINE", help="Show this row beside the row it goes for.")
    ] = None,
    max_loss: Annotated[
        float, typer.Option(min=0, max=1, help="Stop when a source loses more than this share.")
    ] = 0.5,
    max_cluster: Annotated[
        int, typer.Option(min=1, help="Stop when more rows than this would become one.")
    ] = 1000,
    force: Annotated[bool, typer.Option("--force", help="Go on where these limits would stop.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, show_default="all", help="At most so many.")] = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Drop exact, normalised and near duplicates; list rows with one prompt and two answers.

    Example: regrind curate dedup seed.jsonl -o clean.jsonl --drops drops.jsonl
    """
    for name, value in (("on", on), ("conflicts", conflicts), ("mode", mode), ("keep", keep)):
        if value not in CHOICES[name]:
            raise typer.BadParameter(f"one of {', '.join(CHOICES[name])}", param_hint=f"--{name}")
    if output is None and explain is None:
        raise typer.BadParameter("name a file to write, or a line to --explain", param_hint="--output")
    import polars as pl

    from curation.dedup import How, drop_duplicates, drop_known
    from curation.evidence import with_words
    from curation.guards import demand_modest

    demand_distinct(file, output, drops, against)
    rows = only_rows(file, shape)
    how = How(threshold, not exact, on, conflicts, mode, keep)  # type: ignore[arg-type]
    old = _known(against) if against else None
    found = (
        drop_duplicates(rows, how, threads=threads)
        if old is None
        else drop_known(old, rows, how, threads=threads)
    )
    everyone = rows if old is None else pl.concat([old, rows])
    if explain is not None:
        _explain(rows, everyone, found, explain)
        next_command(f"regrind curate dedup {sh(file)} -o OUT")
    if output is None:
        return
    if not force:
        demand_modest(rows, found, max_loss=max_loss, max_cluster=max_cluster)
    evidence = with_words(found.drops, everyone).drop("detail") if drops else found.drops
    write(found.rows, output, (evidence, drops))
    with beside(output):
        out_json(_report(rows, found)) if as_json else _tell(rows, found)
    next_command(f"regrind curate validate {sh(output)}")


def _known(path: Path) -> pl.DataFrame:
    """The rows of a snapshot or of a file."""
    from curation.stored import read_rows

    return read_rows(path).drop("split") if (path / "manifest.json").exists() else only_rows(path)


def _report(rows: pl.DataFrame, found: Deduped) -> dict[str, Any]:
    return {
        "step": "dedup",
        "rows_in": rows.height,
        "rows_out": found.rows.height,
        "dropped": _reasons(found),
        "conflicts": found.conflicts.to_dicts(),
        "templates": [t._asdict() for t in found.templates],
        "pairs_hidden_by_templates": found.hidden,
        "rows_by_minhash": found.long,
    }


def _reasons(found: Deduped) -> dict[str, int]:
    counts = found.drops["reason"].value_counts(sort=True)
    return dict(sorted(counts.iter_rows()))


def _tell(rows: pl.DataFrame, found: Deduped) -> None:
    why = "; ".join(f"{n} {reason}" for reason, n in _reasons(found).items()) or "none dropped"
    out(f"{rows.height} rows in, {found.rows.height} out: {why}")
    for template in found.templates[:SHOWN]:
        out(f"template in {template.rows} rows, does not count: {_short(template.text)}")
    if found.templates:
        from curation.dedup import COUNTED

        more = f"{found.hidden} more" if found.hidden < COUNTED else f"over {COUNTED:,}"
        out(f"with templates counted, {more} pairs of prompts would match (--on all counts them)")
    if found.long:
        from curation.near.prefixes import LONG

        out(f"{found.long} rows of more than {LONG} shingles were looked for by MinHash")
    for c in found.conflicts.head(SHOWN).iter_rows(named=True):
        a, b = f"{c['source']}:{c['line']}", f"{c['partner_source']}:{c['partner_line']}"
        out(f"conflict: {a} answers {_short(c['answer'])!r}, {b} answers {_short(c['partner_answer'])!r}")
    if found.conflicts.height > SHOWN:
        out(f"{found.conflicts.height - SHOWN} more conflicts: --json has all")


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _explain(rows: pl.DataFrame, everyone: pl.DataFrame, found: Deduped, line: int) -> None:
    """Print a dropped row beside its partner, who may be among rows that were there already.

    Raises:
        UserError: No row has this line.
    """
    import polars as pl

    from curation.errors import UserError
    from curation.evidence import side_by_side

    here = rows.filter(line=line)
    if not here.height:
        fix = f"name a line from {rows['line'].min()!r} to {rows['line'].max()!r}"
        raise UserError("no row has this line", where=f"--explain {line}", fix=fix)
    for drop in found.drops.filter(line=line).iter_rows(named=True):
        answers = (
            f", answers {drop['answer_similarity']:.3f}" if drop["answer_similarity"] is not None else ""
        )
        out(f"line {line}: {drop['reason']} of line {drop['partner_line']}")
        out(f"similarity: prompts {drop['similarity']:.3f}{answers}")
        (partner,) = (
            everyone.filter(source=drop["partner_source"], line=drop["partner_line"])
            .head(1)["messages"]
            .to_list()
        )
        for text in side_by_side(here["messages"][0].to_list(), partner):
            out(text)
        return
    same = found.conflicts.filter((pl.col("line") == line) | (pl.col("partner_line") == line)).height
    out(f"line {line} stays; {same} conflicts name it")
