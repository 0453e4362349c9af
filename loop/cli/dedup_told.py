"""What `regrind curate dedup` tells: its report, and one row beside its partner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loop.cli.common import out

if TYPE_CHECKING:
    import polars as pl

    from curation.dedup import Deduped

SHOWN = 20


def report(rows: pl.DataFrame, found: Deduped) -> dict[str, Any]:
    """The result as JSON."""
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


def tell(rows: pl.DataFrame, found: Deduped) -> None:
    """The result as text."""
    why = "; ".join(f"{n} {reason}" for reason, n in _reasons(found).items()) or "none dropped"
    out(f"{rows.height} rows in, {found.rows.height} out: {why}")
    for template in found.templates[:SHOWN]:
        out(f"template in {template.rows} rows, does not count: {_short(template.text)}")
    if found.templates:
        from curation.decide import COUNTED

        more = "more" if found.hidden is None else f"{found.hidden} more"
        more = f"over {COUNTED:,}" if found.hidden == COUNTED else more
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


def explain_line(rows: pl.DataFrame, everyone: pl.DataFrame, found: Deduped, line: int) -> None:
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
    drop = next(found.drops.filter(line=line).iter_rows(named=True), None)
    if drop is None:
        same = found.conflicts.filter((pl.col("line") == line) | (pl.col("partner_line") == line)).height
        out(f"line {line} stays; {same} conflicts name it")
        return
    out(f"line {line}: {drop['reason']} of {_place(drop)}")
    figures = {"prompts": drop["similarity"], "answers": drop["answer_similarity"]}
    said = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None)
    if said:
        out(f"similarity: {said}")
    partner = everyone.filter(source=drop["partner_source"], line=drop["partner_line"]).head(1)
    for messages in partner["messages"].to_list():
        for text in side_by_side(here["messages"][0].to_list(), messages):
            out(text)


def _place(drop: dict[str, Any]) -> str:
    """Where the partner stands; a row that was made from others is told by its id."""
    return f"line {drop['partner_line']}" if drop["partner_line"] is not None else f"row {drop['partner_id']}"
