"""What `regrind curate dedup` tells: its report, and one row beside its partner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loop.cli.common import out, out_json

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
        out(f"conflict: {_answered(c)}, {_answered(c, 'partner_')}")
    if found.conflicts.height > SHOWN:
        out(f"{found.conflicts.height - SHOWN} more conflicts: --json has all")


def _answered(conflict: dict[str, Any], side: str = "") -> str:
    """What one row of a conflict says; its labels where they differ."""
    source, line, answer, own = (conflict[f"{side}{n}"] for n in ("source", "line", "answer", "labels"))
    differ = conflict["labels"] != conflict["partner_labels"]
    said = f" with {_short(own or 'no label')}" if differ else ""
    return f"{source}:{line} answers {_short(answer)!r}{said}"


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def explain_line(
    rows: pl.DataFrame, everyone: pl.DataFrame, found: Deduped, line: int, *, as_json: bool
) -> None:
    """Print a dropped row beside its partner, who may be among rows that were there already.

    Raises:
        UserError: No row has this line.
    """
    import polars as pl

    from curation.errors import UserError
    from curation.evidence import side_by_side
    from curation.ids import named

    here = rows.filter(line=line)
    if not here.height:
        fix = f"name a line from {rows['line'].min()!r} to {rows['line'].max()!r}"
        raise UserError("no row has this line", where=f"--explain {line}", fix=fix)
    drop = next(found.drops.filter(line=line).iter_rows(named=True), None)
    if drop is None:
        naming = found.conflicts.filter((pl.col("line") == line) | (pl.col("partner_line") == line))
        _tell_that_it_stays(line, naming, as_json=as_json)
        return
    place = {n: drop[f"partner_{n}"] for n in ("source", "line") if drop[f"partner_{n}"] is not None}
    partner = named(everyone.filter(**place)).filter(id=drop["partner_id"]).head(1)
    pair = [side["messages"].to_list() for side in (here.head(1), partner)]
    if as_json:
        out_json(drop | {"messages": pair[0][0], "partner_messages": next(iter(pair[1]), None)})
        return
    _tell_pair(line, drop, here, partner)
    for mine, theirs in zip(*pair, strict=False):
        for text in side_by_side(mine, theirs):
            out(text)


def _tell_that_it_stays(line: int, conflicts: pl.DataFrame, *, as_json: bool) -> None:
    if as_json:
        out_json({"line": line, "reason": None, "conflicts": conflicts.to_dicts()})
    else:
        out(f"line {line} stays; {conflicts.height} conflicts name it")


def _tell_pair(line: int, drop: dict[str, Any], here: pl.DataFrame, partner: pl.DataFrame) -> None:
    """Why a row goes, and what is not in its text."""
    from curation.labels import labels

    of = " of " if drop["partner_source"] is not None else ": "
    out(f"line {line}: {drop['reason']}{of}{_place(drop)}")
    figures = {"prompts": drop["similarity"], "answers": drop["answer_similarity"]}
    said = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None)
    if said:
        out(f"similarity: {said}")
    mine, theirs = (next(iter(labels(side["meta"])), None) for side in (here, partner))
    if mine != theirs:
        out(f"labels: {mine or 'none'} | {theirs or 'none'}")


def _place(drop: dict[str, Any]) -> str:
    """Where the partner stands; a row that was made from others is told by its id."""
    return f"line {drop['partner_line']}" if drop["partner_line"] is not None else f"row {drop['partner_id']}"
