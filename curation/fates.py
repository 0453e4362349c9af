"""What becomes of each row: exact copies go first, then near-duplicates, then what contradicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.best import best_first
from curation.exact import exact_partners
from curation.near.alike import alike
from curation.near.clusters import components
from curation.near.pairs import count_pairs, similarities
from curation.near.pipeline import Corpus, cut, index_of, of_rows
from curation.near.prefixes import LONG
from curation.near.removal import Compared, Removed, Rules, remove
from curation.near.shared import Shared, nothing_shared
from curation.near.spilled import perhaps_alike
from curation.semantic import remove_alike

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import NDArray

    from curation.dedup import How
    from curation.near.index import Index
    from curation.near.texts import Texts
    from curation.semantic import Meaning

COUNTED = 1_000_000
"""Where counting pairs that templates hide ends."""


REASONS = (
    "exact duplicate",
    "normalised duplicate",
    "near duplicate",
    "conflicting answer",
    "semantic duplicate",
)
EXACT, NORMALISED, NEAR, CONFLICTING, SEMANTIC = range(len(REASONS))


class Fates(NamedTuple):
    """Of each row: the partner's number or -1, similarity of prompts and of answers, one of `REASONS`."""

    partner: NDArray[np.int64]
    prompt: NDArray[np.float64]
    answer: NDArray[np.float64]
    reason: NDArray[np.uint8]


class Conflicts(NamedTuple):
    """Pairs of rows that contradict each other: the worse ones, the better ones, similarity of prompts."""

    worse: NDArray[np.int64]
    better: NDArray[np.int64]
    similar: NDArray[np.float64]


class Decided(NamedTuple):
    """What was found.

    Attributes:
        fates: What becomes of each row.
        conflicts: Rows that contradict each other.
        left: The rows that are no exact copies of another one, by number.
        shared: Shared text of their prompts.
        hidden: Pairs of similar prompts that there would be more if that text counted; None if not counted.
        long: Rows that were looked for by MinHash.
    """

    fates: Fates
    conflicts: Conflicts
    left: NDArray[np.int64]
    shared: Shared
    hidden: int | None
    long: int


class Means(NamedTuple):
    """What the search may use, and how rows are compared by meaning; all else does not change the result.

    Attributes:
        threads: At most so many; all there are unless given.
        shared: Shared text, where it is known already; then pairs that it hides are not counted.
        memory: Bytes that the search for similar prompts may take beside the rows, the rest then lies on the
            disk; all it needs unless given.
        meaning: How rows are compared by meaning, which they are not unless this is given.
    """

    threads: int | None = None
    shared: Shared | None = None
    memory: int | None = None
    meaning: Meaning | None = None


def decide(rows: pl.DataFrame, how: How, old: int = 0, means: Means | None = None) -> Decided:
    """Find what goes, and for which row.

    Args:
        rows: Rows with schema ROWS.
        how: What counts as a duplicate.
        old: The first so many rows are preferred to the others.
        means: What the search may use.
    """
    threads, shared, memory, meaning = means or Means()
    fates = _exact(rows, how, old, threads)
    copies, left = np.flatnonzero(fates.partner >= 0), np.flatnonzero(fates.partner < 0)
    if not how.near:
        nobody = Conflicts(copies[:0], copies[:0], np.empty(0))
        return Decided(fates, nobody, left, nothing_shared(), 0, 0)
    messages = rows["messages"]
    near = left
    if memory is not None:
        texts, counts = of_rows(messages, how.on, left), how.on == "prompt"
        shared, perhaps = perhaps_alike(*texts, how.threshold, memory, shared=counts, threads=threads)
        near = left[perhaps]
    taken_out: Shared | bool = (how.on == "prompt") if shared is None else shared
    corpus = cut(*of_rows(messages, how.on, near), shared=taken_out, threads=threads)
    long = sum(int((np.diff(part.starts) > LONG).sum()) for part in corpus.sets)
    compared, concerned = _compared(messages, near, corpus, how, threads)
    conflicts = _near(rows, near, compared, concerned, how, old, fates)
    if meaning is not None:
        conflicts = _both(conflicts, _by_meaning(rows, how, old, meaning, fates))
    _follow(fates, copies)
    hidden = None if len(corpus.shared.hashes) else 0
    if shared is None and hidden is None:
        hidden = _hidden(of_rows(messages, how.on, left), compared.prompts, how, threads)
    return Decided(fates, conflicts, left, corpus.shared, hidden, long)


def _exact(rows: pl.DataFrame, how: How, old: int, threads: int | None) -> Fates:
    partner, raw = exact_partners(rows, keep=how.keep, old=old, threads=threads)
    similar = np.ones(rows.height)
    reason = np.where(raw, EXACT, NORMALISED).astype(np.uint8)
    return Fates(partner, similar, similar.copy(), reason)


def _compared(
    messages: pl.Series, left: NDArray[np.int64], corpus: Corpus, how: How, threads: int | None
) -> tuple[Compared, NDArray[np.int64]]:
    """The indexes of prompts and of answers, and the members that have a similar prompt at all.

    Only the answers of those are cut. Whole texts stand for both where they are compared.
    """
    prompts = index_of(corpus, how.threshold, threads)
    everyone = np.arange(len(prompts.numbers))
    if how.on == "all":
        return Compared(prompts, prompts, everyone, everyone), everyone
    concerned = alike(prompts, how.threshold)
    asked = of_rows(messages, "answer", left[prompts.numbers[concerned]])
    answers = index_of(cut(*asked, shared=False, threads=threads), how.threshold, threads)
    answered = concerned[answers.numbers]
    answer_of = np.full(len(everyone), -1, np.int64)
    answer_of[answered] = np.arange(len(answered))
    return Compared(prompts, answers, answer_of, answered), concerned


def _near(
    rows: pl.DataFrame,
    left: NDArray[np.int64],
    compared: Compared,
    concerned: NDArray[np.int64],
    how: How,
    old: int,
    fates: Fates,
) -> Conflicts:
    """Write into `fates` what goes of the concerned members."""
    numbers = left[compared.prompts.numbers]
    order = concerned[best_first(rows, numbers[concerned], keep=how.keep, old=old)]
    if how.mode == "connected":
        order = _connected(compared, order, numbers, how, fates)
    rules = Rules(how.threshold, how.conflicts == "keep_best", how.conflicts == "drop_all", how.on == "all")
    return _write(fates, numbers, order, remove(compared, order, rules), how, NEAR)


def _by_meaning(rows: pl.DataFrame, how: How, old: int, meaning: Meaning, fates: Fates) -> Conflicts:
    """Write into `fates` which of the rows that stay say what a better one says."""
    stay = np.flatnonzero(fates.partner < 0)
    numbers = stay[best_first(rows, stay, keep=how.keep, old=old)]
    drop_conflicting = how.conflicts == "keep_best"
    found = remove_alike(rows["messages"].gather(numbers), meaning, drop_conflicting=drop_conflicting)
    return _write(fates, numbers, np.arange(len(numbers)), found, how, SEMANTIC)


def _write(
    fates: Fates,
    numbers: NDArray[np.int64],
    order: NDArray[np.int64],
    found: Removed,
    how: How,
    reason: int,
) -> Conflicts:
    """Write what was removed into `fates`; the conflicts, of each row the nearest one first."""
    goes = np.flatnonzero(found.partner >= 0)
    similar = (found.prompt[goes], found.answer[goes])
    _drop(fates, numbers[goes], numbers[found.partner[goes]], similar, reason)
    rank = np.empty(len(numbers), np.int64)
    rank[order] = np.arange(len(order))
    nearest = np.lexsort((rank[found.earlier], -found.similar, rank[found.later]))
    later, earlier, close = found.later[nearest], found.earlier[nearest], found.similar[nearest]
    conflicts = Conflicts(numbers[later], numbers[earlier], close)
    _resolve(fates, conflicts, how)
    return conflicts


def _both(first: Conflicts, second: Conflicts) -> Conflicts:
    """All conflicts; of those that are in both the first."""
    known = set(zip(first.worse.tolist(), first.better.tolist(), strict=True))
    pairs = zip(second.worse.tolist(), second.better.tolist(), strict=True)
    new = np.array([pair not in known for pair in pairs], np.bool_)
    return Conflicts(*(np.concatenate([a, b[new]]) for a, b in zip(first, second, strict=True)))


def _resolve(fates: Fates, conflicts: Conflicts, how: How) -> None:
    """Drop the worse rows of conflicts, or both, as the policy says; the first partner of each counts."""
    worse, better = conflicts.worse[::-1], conflicts.better[::-1]
    similar, unknown = conflicts.similar[::-1], np.full(len(worse), np.nan)
    if how.conflicts == "drop_all":
        _drop(fates, better, worse, (similar, unknown), CONFLICTING)
    if how.conflicts in {"keep_best", "drop_all"}:
        _drop(fates, worse, better, (similar, unknown), CONFLICTING)


def _drop(
    fates: Fates,
    goes: NDArray[np.int64],
    stays: NDArray[np.int64],
    similar: tuple[NDArray[np.float64], NDArray[np.float64]],
    reason: int,
) -> None:
    fates.partner[goes] = stays
    fates.prompt[goes], fates.answer[goes] = similar
    fates.reason[goes] = reason


def _follow(fates: Fates, copies: NDArray[np.int64]) -> None:
    """A copy of a row that went later went for the same reason, and for the same row."""
    later = copies[fates.partner[fates.partner[copies]] >= 0]
    original = fates.partner[later]
    for column in fates:
        column[later] = column[original]


def _connected(
    compared: Compared, order: NDArray[np.int64], numbers: NDArray[np.int64], how: How, fates: Fates
) -> NDArray[np.int64]:
    """Drop all but the best row of each component; the order of those that stay."""
    label = components(compared.prompts, compared.answers, compared.answer_of, how.threshold)
    best = np.full(len(label), -1, np.int64)
    best[label[order[::-1]]] = order[::-1]
    goes = order[best[label[order]] != order]
    stays = best[label[goes]]
    prompt = similarities(compared.prompts, goes, stays)
    answer = similarities(compared.answers, compared.answer_of[goes], compared.answer_of[stays])
    _drop(fates, numbers[goes], numbers[stays], (prompt, answer), NEAR)
    stay: NDArray[np.int64] = order[best[label[order]] == order]
    return stay


def _hidden(blocks: tuple[int, Callable[[int], Texts]], prompts: Index, how: How, threads: int | None) -> int:
    """How many more pairs of prompts would be similar if shared text counted."""
    whole = index_of(cut(*blocks, shared=False, threads=threads), how.threshold, threads)
    counted = count_pairs(whole, how.threshold, COUNTED)
    return max(0, counted - count_pairs(prompts, how.threshold, COUNTED))
