"""Duplicates out, with evidence; conflicts (same prompt, other answer) listed, never lost silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np
import polars as pl

from curation.best import Keep  # noqa: TC001  (msgspec reads it)
from curation.calls import with_calls
from curation.children import MADE, without_orphans
from curation.decide import Decided, Means, decide
from curation.fates import EXACT, REASONS
from curation.ids import named
from curation.labels import labels
from curation.near.templates import Template, templates
from curation.rows import DROPS, answer_text, drop_frame

if TYPE_CHECKING:
    from curation.near.shared import Shared
    from curation.semantic import Meaning

Policy = Literal["report", "keep_best", "keep_all", "drop_all"]
Mode = Literal["anchored", "connected"]
Compare = Literal["prompt", "all"]

CONFLICTS = pl.Schema(
    {"row_id": pl.String, "source": pl.String, "line": pl.Int64, "answer": pl.String, "labels": pl.String}
    | {"partner_id": pl.String, "partner_source": pl.String, "partner_line": pl.Int64}
    | {"partner_answer": pl.String, "partner_labels": pl.String, "similarity": pl.Float64}
)
"""Pairs of rows with a similar prompt; `labels` is as in `curation.labels`, null where a row has none."""
EVIDENCE = pl.Schema(DROPS | {"answer_similarity": pl.Float64})
"""Drops with the similarity of the answers beside that of the prompts."""


class How(msgspec.Struct, frozen=True):
    """What counts as a duplicate, and which row stays.

    Attributes:
        threshold: Smallest similarity of a duplicate, above 0 and up to 1.
        near: Whether near-duplicates go, too; else exact and normalised ones only.
        on: `prompt` compares prompts and answers each; `all` compares the whole text, templates included.
        conflicts: What becomes of rows with similar prompts and other answers: `report` and `keep_all` keep
            them, `keep_best` keeps the best of those that contradict each other, `drop_all` none.
        mode: `anchored` drops a row that is similar to one that stays; `connected` keeps one row of each
            chain of similar rows.
        keep: Which one of several duplicates stays.
    """

    threshold: float = 0.8
    near: bool = True
    on: Compare = "prompt"
    conflicts: Policy = "report"
    mode: Mode = "anchored"
    keep: Keep = "best"


class Deduped(NamedTuple):
    """What `drop_duplicates` found.

    Attributes:
        rows: Rows that stay (schema ROWS), in their order; those that were given without ids have none.
        drops: Rows that went (schema DROPS and `answer_similarity`).
        conflicts: Pairs of rows that contradict each other (CONFLICTS), the better one as the partner.
        templates: Shared text that did not count.
        hidden: Pairs of similar prompts that there would be more if that text counted, up to
            `curation.decide.COUNTED`; None where they were not counted.
        long: Rows that were looked for by MinHash.
    """

    rows: pl.DataFrame
    drops: pl.DataFrame
    conflicts: pl.DataFrame
    templates: list[Template]
    hidden: int | None
    long: int


def drop_known(
    old: pl.DataFrame,
    new: pl.DataFrame,
    how: How | None = None,
    *,
    threads: int | None = None,
    shared: Shared | None = None,
    stay: bool = False,
) -> Deduped:
    """Drop the new rows that duplicate old ones, or each other: those that would go if all were one file.

    Args:
        old: Rows that are there already, and preferred.
        new: Rows to look at.
        how: What counts as a duplicate.
        threads: At most so many; all there are unless given.
        shared: Shared text of the prompts, where it is known already; found in all these rows unless given.
        stay: Whether all old rows stay, even those that would go in one file: what is like them goes, too.

    Returns:
        What became of the new rows alone; conflicts have at least one new row.
    """
    return _dedup(
        pl.concat([old, new]), how or How(), (old.height, old.height), Means(threads, shared, stay=stay)
    )


def drop_duplicates(
    rows: pl.DataFrame,
    how: How | None = None,
    *,
    old: int = 0,
    threads: int | None = None,
    memory: int | None = None,
    meaning: Meaning | None = None,
) -> Deduped:
    """Drop exact, normalised and near duplicates.

    Args:
        rows: Rows with schema ROWS. Where their ids are null, those of rows that others are like are worked
            out: a file is read in half the time without.
        how: What counts as a duplicate.
        old: The first so many rows are preferred to the others.
        threads: At most so many; all there are unless given. The result does not depend on it.
        memory: Bytes that the search for similar prompts may take beside the rows; all it needs unless given.
            The rest then lies on the disk. The result does not depend on it.
        meaning: How rows that stay are compared by meaning; they are not unless this is given.
    """
    return _dedup(rows, how or How(), (old, 0), Means(threads, None, memory, meaning))


def _dedup(rows: pl.DataFrame, how: How, first: tuple[int, int], means: Means) -> Deduped:
    """As `drop_duplicates`; `first` says how many rows are preferred, and how many are not told of.

    A row that augmentation made is no duplicate of its parent: it stays while that one does, and goes
    with it.
    """
    made = rows.select(MADE).to_series()
    if not made.any():
        return _of_read(rows, how, first, means)
    rows = named(rows)
    old, unseen = (int((~made[:n]).sum()) for n in first)
    found = _of_read(rows.filter(~made), how, (old, unseen), means)
    children, again = _once(rows.filter(made), int(made[: first[1]].sum()))
    # A row that went for one of the same id left its children a parent.
    gone = set(found.drops.filter(pl.col("row_id") != pl.col("partner_id"))["row_id"]) - set(found.rows["id"])
    stay, orphans = without_orphans(children, gone, "dedup")
    drops = pl.concat([found.drops, orphans, again], how="diagonal")
    return found._replace(rows=pl.concat([found.rows, stay]), drops=drops)


def _once(children: pl.DataFrame, unseen: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first of equal rows that were made, and the drops of the others, without the first `unseen`."""
    kind = ["id", "labels"]
    places = children.select("id", "source", "line", labels=labels(children["meta"])).with_columns(
        pl.col("id", "source", "line").first().over(kind).name.prefix("partner_"),
        twice=~pl.struct(kind).is_first_distinct(),
    )[unseen:]
    again = places.filter("twice").drop("labels", "twice").rename({"id": "row_id"})
    told = again.with_columns(step=pl.lit("dedup"), reason=pl.lit(REASONS[EXACT]))
    return children[unseen:].filter(~places["twice"]), drop_frame(told.to_dicts())


def _of_read(rows: pl.DataFrame, how: How, first: tuple[int, int], means: Means) -> Deduped:
    old, unseen = first
    found = decide(rows, how, old, means)
    told = templates(found.shared, rows["messages"], found.left) if means.shared is None else []
    return Deduped(
        *_split(rows, found, unseen),
        _listed(rows, found, unseen),
        told,
        found.hidden,
        found.long,
    )


def _split(rows: pl.DataFrame, found: Decided, unseen: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that stay, and the drops, both without the first rows."""
    fates = found.fates
    goes = np.flatnonzero(fates.partner >= 0)
    goes = goes[goes >= unseen]
    stays = fates.partner[goes]
    place = rows.select("source", "line")
    here, there = place[goes], place[stays]
    drops = pl.DataFrame(
        {
            "row_id": found.ids.of(goes),
            "source": here["source"],
            "line": here["line"],
            "step": pl.repeat("dedup", len(goes), dtype=pl.String, eager=True),
            "reason": pl.Series([REASONS[code] for code in fates.reason[goes].tolist()], dtype=pl.String),
            "partner_id": found.ids.of(stays),
            "partner_source": there["source"],
            "partner_line": there["line"],
            "similarity": fates.prompt[goes],
            "detail": pl.repeat(None, len(goes), dtype=pl.String, eager=True),
            "answer_similarity": pl.Series(fates.answer[goes]).fill_nan(None),
        },
        schema=EVIDENCE,
    )
    left = (fates.partner < 0) & (np.arange(rows.height) >= unseen)
    return rows.filter(pl.Series(left, dtype=pl.Boolean)), drops


def _listed(rows: pl.DataFrame, found: Decided, unseen: int) -> pl.DataFrame:
    """The conflicts with their places and answers, in the order of the file; one row at least is told of."""
    conflicts = found.conflicts
    told = (conflicts.worse >= unseen) | (conflicts.better >= unseen)
    worse, better, similar = conflicts.worse[told], conflicts.better[told], conflicts.similar[told]
    order = np.lexsort((better, worse))
    columns: dict[str, Any] = {}
    for prefix, chosen in (("", worse[order]), ("partner_", better[order])):
        side = rows.select("source", "line", "messages", "meta")[chosen]
        columns |= {f"{prefix or 'row_'}id": found.ids.of(chosen), f"{prefix}source": side["source"]}
        columns |= {f"{prefix}line": side["line"]}
        columns[f"{prefix}answer"] = pl.Series(
            [answer_text(with_calls(m)) for m in side["messages"].to_list()], dtype=pl.String
        )
        columns[f"{prefix}labels"] = labels(side["meta"])
    return pl.DataFrame(columns | {"similarity": similar[order]}, schema=CONFLICTS)
