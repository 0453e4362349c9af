"""Stop before too much goes: a source that loses most of its rows, a cluster that is too large to be true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.errors import UserError
from curation.rows import prompt_text

if TYPE_CHECKING:
    from curation.dedup import Deduped

HEAD = 3


def demand_modest(rows: pl.DataFrame, found: Deduped, *, max_loss: float, max_cluster: int) -> None:
    """Refuse a result that drops suspiciously much.

    Args:
        rows: The rows before (schema ROWS).
        found: What goes.
        max_loss: The share of its rows that a source may lose, 0 to 1.
        max_cluster: So many rows may go for one that stays, itself included.

    Raises:
        UserError: A source loses more, or a cluster is larger.
    """
    before = rows.group_by("source").len("rows")
    lost = found.drops.group_by("source").len("gone").join(before, on="source")
    worst = lost.with_columns(share=pl.col("gone") / pl.col("rows")).sort("share", "source").tail(1)
    for source, gone, all_of_it, share in worst.iter_rows():
        if share > max_loss:
            problem = f"{gone} of {all_of_it} rows would go ({share:.0%}; at most {max_loss:.0%} may)"
            raise UserError(f"{problem}\n{_largest(rows, found)[1]}", where=source, fix=_fix("--max-loss"))
    size, head = _largest(rows, found)
    if size > max_cluster:
        problem = f"{size} rows would become one (at most {max_cluster} may)\n{head}"
        raise UserError(problem, where="cluster", fix=_fix("--max-cluster"))


def _fix(option: str) -> str:
    return f"look at the rows; then raise {option}, or go on all the same with --force"


def _largest(rows: pl.DataFrame, found: Deduped) -> tuple[int, str]:
    """The rows of the largest cluster, and the beginnings of its first ones."""
    place = ["partner_source", "partner_line", "partner_id"]
    down = [True, False, False, False]
    sizes = found.drops.group_by(place).len("gone").sort("gone", *place, descending=down)
    if not sizes.height:
        return 0, ""
    members = found.drops.join(sizes.head(1), on=place, how="semi", nulls_equal=True)
    head = pl.concat(
        [
            members.head(1).select(source="partner_source", line="partner_line"),
            members.head(HEAD - 1).select("source", "line"),
        ]
    )
    texts = head.join(rows.select("source", "line", "messages"), on=["source", "line"], nulls_equal=True)
    shown = [f"  {s}:{n}: {' '.join(prompt_text(m).split())[:90]}" for s, n, m in texts.iter_rows()]
    return int(sizes["gone"][0]) + 1, "the largest cluster begins:\n" + "\n".join(shown)
