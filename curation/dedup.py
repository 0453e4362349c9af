"""Duplicates out, with evidence; conflicts (same prompt, other answer) listed, never lost silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np
import polars as pl

from curation.best import Keep, best_first
from curation.children import MADE, without_orphans
from curation.exact import exact_partners
from curation.near.clusters import components
from curation.near.pairs import count_pairs, similarities
from curation.near.pipeline import Corpus, cut, index_of, of_rows
from curation.near.prefixes import LONG
from curation.near.removal import Compared, Rules, remove
from curation.near.templates import Template, templates
from curation.rows import DROPS, answer_text, drop_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from curation.near.index import Index
    from curation.near.texts import Texts

COUNTED = 1_000_000
"""Where counting pairs that templates hide ends."""

Policy = Literal["report", "keep_best", "keep_all", "drop_all"]
Mode = Literal["anchored", "connected"]
Compare = Literal["prompt", "all"]

CONFLICTS = pl.Schema(
    {"row_id": pl.String, "source": pl.String, "line": pl.Int64, "answer": pl.String}
    | {"partner_id": pl.String, "partner_source": pl.String, "partner_line": pl.Int64}
    | {"partner_answer": pl.String, "similarity": pl.Float64}
)
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
        rows: Rows that stay (schema ROWS), in their order.
        drops: Rows that went (schema DROPS and `answer_similarity`).
        conflicts: Pairs of rows that contradict each other (CONFLICTS), the better one as the partner.
        templates: Shared text that did not count.
        hidden: Pairs of similar prompts that there would be more if that text counted, up to `COUNTED`.
        long: Rows that were looked for by MinHash.
    """

    rows: pl.DataFrame
    drops: pl.DataFrame
    conflicts: pl.DataFrame
    templates: list[Template]
    hidden: int
    long: int


class _Gone(NamedTuple):
    """Fate of each row: the partner's number or -1, similarity of prompts and of answers, the reason."""

    partner: NDArray[np.int64]
    prompt: NDArray[np.float64]
    answer: NDArray[np.float64]
    reason: NDArray[np.object_]


def drop_known(
    old: pl.DataFrame, new: pl.DataFrame, how: How | None = None, *, threads: int | None = None
) -> Deduped:
    """Drop the new rows that duplicate old ones, or each other: those that would go if all were one file.

    Args:
        old: Rows that are there already, and preferred.
        new: Rows to look at.
        how: What counts as a duplicate.
        threads: At most so many; all there are unless given.

    Returns:
        What became of the new rows alone; conflicts have at least one new row.
    """
    return _dedup(pl.concat([old, new]), how or How(), old.height, old.height, threads)


def drop_duplicates(
    rows: pl.DataFrame, how: How | None = None, *, old: int = 0, threads: int | None = None
) -> Deduped:
    """Drop exact, normalised and near duplicates.

    Args:
        rows: Rows with schema ROWS.
        how: What counts as a duplicate.
        old: The first so many rows are preferred to the others.
        threads: At most so many; all there are unless given. The result does not depend on it.
    """
    return _dedup(rows, how or How(), old, 0, threads)


def _dedup(rows: pl.DataFrame, how: How, old: int, unseen: int, threads: int | None) -> Deduped:
    """As `drop_duplicates`; the first `unseen` rows are not told of.

    A row that augmentation made is no duplicate of its parent: it stays while that one does, and goes
    with it.
    """
    made = rows.select(MADE).to_series()
    if not made.any():
        return _of_read(rows, how, old, unseen, threads)
    first, told = (int((~made[:n]).sum()) for n in (old, unseen))
    found = _of_read(rows.filter(~made), how, first, told, threads)
    children = rows[unseen:].filter(made[unseen:])
    twice = ~children["id"].is_first_distinct()
    again = children.filter(twice).select("source", "line", row_id="id", step=pl.lit("dedup"))
    again = again.with_columns(reason=pl.lit("exact duplicate"), partner_id="row_id")
    gone = set(found.drops["row_id"]) - set(found.rows["id"])
    stay, orphans = without_orphans(children.filter(~twice), gone, "dedup")
    drops = pl.concat([found.drops, orphans, drop_frame(again.to_dicts())], how="diagonal")
    return found._replace(rows=pl.concat([found.rows, stay]), drops=drops)


def _of_read(rows: pl.DataFrame, how: How, old: int, unseen: int, threads: int | None) -> Deduped:
    gone = _exact(rows, how, old, threads)
    if not how.near:
        return Deduped(*_split(rows, gone, unseen), pl.DataFrame(schema=CONFLICTS), [], 0, 0)
    copies, left = np.flatnonzero(gone.partner >= 0), np.flatnonzero(gone.partner < 0)
    messages = rows["messages"]
    corpus = cut(*of_rows(messages, how.on, left), shared=how.on == "prompt", threads=threads)
    long = sum(int((np.diff(part.starts) > LONG).sum()) for part in corpus.sets)
    compared = _compared(messages, left, corpus, how, threads)
    worse, better, similar = _near(rows, left, compared, how, old, gone)
    _follow(gone, copies)
    told = (worse >= unseen) | (better >= unseen)
    return Deduped(
        *_split(rows, gone, unseen),
        _listed(rows, worse[told], better[told], similar[told]),
        templates(corpus.shared, messages, left),
        _hidden(of_rows(messages, how.on, left), corpus, compared.prompts, how, threads),
        long,
    )


def _hidden(
    blocks: tuple[int, Callable[[int], Texts]], corpus: Corpus, prompts: Index, how: How, threads: int | None
) -> int:
    """How many more pairs of prompts would be similar if shared text counted."""
    if not len(corpus.shared.hashes):
        return 0
    whole = index_of(cut(*blocks, shared=False, threads=threads), how.threshold, threads)
    counted = count_pairs(whole, how.threshold, COUNTED)
    return max(0, counted - count_pairs(prompts, how.threshold, COUNTED))


def _exact(rows: pl.DataFrame, how: How, old: int, threads: int | None) -> _Gone:
    partner, raw = exact_partners(rows, keep=how.keep, old=old, threads=threads)
    similar = np.ones(rows.height)
    reason = np.where(raw, "exact duplicate", "normalised duplicate").astype(object)
    return _Gone(partner, similar, similar.copy(), reason)


def _compared(
    messages: pl.Series, left: NDArray[np.int64], corpus: Corpus, how: How, threads: int | None
) -> Compared:
    """The indexes of prompts and of answers; the whole texts stand for both where they are compared."""
    prompts = index_of(corpus, how.threshold, threads)
    everyone = np.arange(len(prompts.numbers))
    if how.on == "all":
        return Compared(prompts, prompts, everyone, everyone)
    asked = of_rows(messages, "answer", left[prompts.numbers])
    answers = index_of(cut(*asked, shared=False, threads=threads), how.threshold, threads)
    answer_of = np.full(len(everyone), -1, np.int64)
    answer_of[answers.numbers] = np.arange(len(answers.numbers))
    return Compared(prompts, answers, answer_of, answers.numbers)


def _near(
    rows: pl.DataFrame, left: NDArray[np.int64], compared: Compared, how: How, old: int, gone: _Gone
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Write into `gone` what goes; the conflicts as the less good rows, the better ones, and similarity."""
    numbers = left[compared.prompts.numbers]
    order = best_first(rows, numbers, keep=how.keep, old=old)
    if how.mode == "connected":
        order = _connected(compared, order, numbers, how, gone)
    rules = Rules(how.threshold, how.conflicts == "keep_best", how.conflicts == "drop_all", how.on == "all")
    found = remove(compared, order, rules)
    goes = np.flatnonzero(found.partner >= 0)
    _drop(
        gone, numbers, goes, found.partner[goes], (found.prompt[goes], found.answer[goes]), "near duplicate"
    )
    worse, better = found.later, found.earlier
    if how.conflicts in {"keep_best", "drop_all"}:
        nothing = np.full(len(worse), np.nan)
        if how.conflicts == "drop_all":
            _drop(
                gone, numbers, better[::-1], worse[::-1], (found.similar[::-1], nothing), "conflicting answer"
            )
        _drop(gone, numbers, worse[::-1], better[::-1], (found.similar[::-1], nothing), "conflicting answer")
    return numbers[worse], numbers[better], found.similar


def _drop(
    gone: _Gone,
    numbers: NDArray[np.int64],
    goes: NDArray[np.int64],
    stays: NDArray[np.int64],
    similar: tuple[NDArray[np.float64], NDArray[np.float64]],
    reason: str,
) -> None:
    gone.partner[numbers[goes]] = numbers[stays]
    gone.prompt[numbers[goes]], gone.answer[numbers[goes]] = similar
    gone.reason[numbers[goes]] = reason


def _follow(gone: _Gone, copies: NDArray[np.int64]) -> None:
    """A copy of a row that went later went for the same reason, and for the same row."""
    later = copies[gone.partner[gone.partner[copies]] >= 0]
    original = gone.partner[later]
    for column in gone:
        column[later] = column[original]


def _connected(
    compared: Compared, order: NDArray[np.int64], numbers: NDArray[np.int64], how: How, gone: _Gone
) -> NDArray[np.int64]:
    """Drop all but the best row of each component; the order of those that stay."""
    label = components(compared.prompts, compared.answers, compared.answer_of, how.threshold)
    best = np.full(len(label), -1, np.int64)
    best[label[order[::-1]]] = order[::-1]
    goes = order[best[label[order]] != order]
    stays = best[label[goes]]
    prompt = similarities(compared.prompts, goes, stays)
    answer = similarities(compared.answers, compared.answer_of[goes], compared.answer_of[stays])
    _drop(gone, numbers, goes, stays, (prompt, answer), "near duplicate")
    stay: NDArray[np.int64] = order[best[label[order]] == order]
    return stay


def _split(rows: pl.DataFrame, gone: _Gone, unseen: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that stay, and the drops, both without the first rows."""
    goes = np.flatnonzero(gone.partner >= 0)
    goes = goes[goes >= unseen]
    place = rows.select("id", "source", "line")
    here, there = place[goes], place[gone.partner[goes]]
    drops = pl.DataFrame(
        {
            "row_id": here["id"],
            "source": here["source"],
            "line": here["line"],
            "step": pl.repeat("dedup", len(goes), dtype=pl.String, eager=True),
            "reason": pl.Series(gone.reason[goes].tolist(), dtype=pl.String),
            "partner_id": there["id"],
            "partner_source": there["source"],
            "partner_line": there["line"],
            "similarity": gone.prompt[goes],
            "detail": pl.repeat(None, len(goes), dtype=pl.String, eager=True),
            "answer_similarity": pl.Series(gone.answer[goes]).fill_nan(None),
        },
        schema=EVIDENCE,
    )
    stays = (gone.partner < 0) & (np.arange(rows.height) >= unseen)
    return rows.filter(pl.Series(stays, dtype=pl.Boolean)), drops


def _listed(
    rows: pl.DataFrame, worse: NDArray[np.int64], better: NDArray[np.int64], similar: NDArray[np.float64]
) -> pl.DataFrame:
    """The conflicts with their places and answers, in the order of the file."""
    order = np.lexsort((better, worse))
    columns: dict[str, Any] = {}
    for prefix, chosen in (("", worse[order]), ("partner_", better[order])):
        side = rows.select("id", "source", "line", "messages")[chosen]
        columns |= {f"{prefix or 'row_'}id": side["id"], f"{prefix}source": side["source"]}
        columns |= {f"{prefix}line": side["line"]}
        columns[f"{prefix}answer"] = pl.Series(
            [answer_text(m) for m in side["messages"].to_list()], dtype=pl.String
        )
    return pl.DataFrame(columns | {"similarity": similar[order]}, schema=CONFLICTS)
