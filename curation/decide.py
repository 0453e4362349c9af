"""Which rows go, and for which: exact copies first, then near-duplicates, then what contradicts."""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.best import best_first
from curation.errors import UserError
from curation.exact import exact_partners
from curation.fates import EXACT, NEAR, NORMALISED, SEMANTIC, Conflicts, Fates, both, drop, follow, write
from curation.files import NO_SPACE, UNWRITABLE
from curation.ids import Ids
from curation.labels import labels
from curation.near.clusters import components
from curation.near.pairs import count_pairs, similarities
from curation.near.pipeline import Corpus, cut, index_of, of_rows
from curation.near.prefixes import LONG
from curation.near.removal import Compared, Rules, remove
from curation.near.shared import Shared, nothing_shared
from curation.near.spilled import perhaps_alike
from curation.semantic import remove_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl
    from numpy.typing import NDArray

    from curation.dedup import How
    from curation.near.index import Index
    from curation.near.texts import Texts
    from curation.semantic import Meaning

COUNTED = 1_000_000
"""Where counting pairs that templates hide ends."""


class Decided(NamedTuple):
    """What was found.

    Attributes:
        fates: What becomes of each row.
        conflicts: Rows that contradict each other.
        left: The rows that are no exact copies of another one, by number.
        shared: Shared text of their prompts.
        hidden: Pairs of similar prompts that there would be more if that text counted; None if not counted.
        long: Rows that were looked for by MinHash.
        ids: The ids of the rows, as far as they were asked for.
    """

    fates: Fates
    conflicts: Conflicts
    left: NDArray[np.int64]
    shared: Shared
    hidden: int | None
    long: int
    ids: Ids


class Means(NamedTuple):
    """What the search may use, and what it is told; threads and memory do not change the result.

    Attributes:
        threads: At most so many; all there are unless given.
        shared: Shared text, where it is known already; then pairs that it hides are not counted.
        memory: Bytes that the search for similar prompts may take beside the rows, the rest then lies on the
            disk; all it needs unless given.
        meaning: How rows are compared by meaning, which they are not unless this is given.
        stay: Whether old rows stay even where they are like each other.
    """

    threads: int | None = None
    shared: Shared | None = None
    memory: int | None = None
    meaning: Meaning | None = None
    stay: bool = False


def decide(rows: pl.DataFrame, how: How, old: int = 0, means: Means | None = None) -> Decided:
    """Find what goes, and for which row.

    Args:
        rows: Rows with schema ROWS.
        how: What counts as a duplicate.
        old: The first so many rows are preferred to the others.
        means: What the search may use.
    """
    means, ids = means or Means(), Ids(rows)
    fates = _exact(rows, ids, how, old, means.threads)
    copies, left = np.flatnonzero(fates.partner >= 0), np.flatnonzero(fates.partner < 0)
    nobody = Conflicts(copies[:0], copies[:0], np.empty(0))
    found = Decided(fates, nobody, left, nothing_shared(), 0, 0, ids)
    if how.near:
        found = _decide_near(rows, how, old, means, found)
    if means.meaning is not None:
        more = _by_meaning(rows, how, old, means.meaning, found)
        found = found._replace(conflicts=both(found.conflicts, more))
    follow(fates, copies)
    return found


def _decide_near(rows: pl.DataFrame, how: How, old: int, means: Means, found: Decided) -> Decided:
    """Find the near-duplicates among the rows that are left."""
    near, counts = found.left, how.on == "prompt"
    texts = of_rows(rows["messages"], how.on, near)
    shared, hidden, long = means.shared, None, None
    if means.memory is not None:
        with _on_disk():
            shared, perhaps, long = perhaps_alike(
                *texts, how.threshold, means.memory, shared=counts, threads=means.threads
            )
        near = near[perhaps]
    taken_out: Shared | bool = counts if shared is None else shared
    corpus = cut(*of_rows(rows["messages"], how.on, near), shared=taken_out, threads=means.threads)
    if long is None:
        long = sum(int((np.diff(part.starts) > LONG).sum()) for part in corpus.sets)
    compared = _compared(rows, near, corpus, how, means.threads)
    conflicts = _near(rows, near, compared, how, (old, means.stay), found)
    if shared is None or not len(shared.hashes):
        hidden = _hidden(texts, corpus.shared, compared.prompts, how, means.threads)
    return found._replace(conflicts=conflicts, shared=corpus.shared, hidden=hidden, long=long)


@contextlib.contextmanager
def _on_disk() -> Iterator[None]:
    """Name the folder for temporary files where it has no room."""
    try:
        yield
    except OSError as fault:
        if fault.errno not in NO_SPACE | UNWRITABLE:
            raise
        fix = "free some space, name another folder in TMPDIR, or compare without --memory"
        problem = f"the search cannot go over the disk ({fault.strerror})"
        raise UserError(problem, where=tempfile.gettempdir(), fix=fix) from fault


def _exact(rows: pl.DataFrame, ids: Ids, how: How, old: int, threads: int | None) -> Fates:
    partner, raw = exact_partners(rows, ids, keep=how.keep, old=old, threads=threads)
    similar = np.ones(rows.height)
    reason = np.where(raw, EXACT, NORMALISED).astype(np.uint8)
    return Fates(partner, similar, similar.copy(), reason)


def _compared(
    rows: pl.DataFrame, left: NDArray[np.int64], corpus: Corpus, how: How, threads: int | None
) -> Compared:
    """The indexes of prompts, and of the answers of rows that may have a similar prompt.

    No two answers with other labels are similar. Whole texts stand for both where they are compared.
    """
    prompts = index_of(corpus, how.threshold, threads)
    everyone = np.arange(len(prompts.numbers))
    numbers = left[prompts.numbers]
    said = labels(rows["meta"].gather(numbers))
    labelled = said.null_count() < len(said)
    if how.on == "all" and not labelled:
        return Compared(prompts, prompts, everyone, everyone)
    marks = said.hash().to_numpy() * said.is_not_null().to_numpy() if labelled else None
    asked = of_rows(rows["messages"], "all" if how.on == "all" else "answer", numbers)
    answers = index_of(cut(*asked, shared=False, marks=marks, threads=threads), how.threshold, threads)
    answer_of = np.full(len(everyone), -1, np.int64)
    answer_of[answers.numbers] = np.arange(len(answers.numbers))
    return Compared(prompts, answers, answer_of, answers.numbers)


def _near(
    rows: pl.DataFrame,
    left: NDArray[np.int64],
    compared: Compared,
    how: How,
    first: tuple[int, bool],
    found: Decided,
) -> Conflicts:
    """Write into the fates what goes of the compared rows; `first`: how many are old, and if they stay."""
    old, stay = first
    numbers = left[compared.prompts.numbers]
    order = best_first(rows, numbers, found.ids, keep=how.keep, old=old)
    if how.mode == "connected":
        order = _connected(compared, order, numbers, how, found.fates)
    stays = int((numbers[order] < old).sum()) if stay else 0
    one_text = compared.answers is compared.prompts
    drops = how.conflicts == "keep_best", how.conflicts == "drop_all"
    rules = Rules(how.threshold, *drops, one_text, stays)
    return write(found.fates, numbers, order, remove(compared, order, rules), how, NEAR, rows["meta"])


def _by_meaning(rows: pl.DataFrame, how: How, old: int, meaning: Meaning, found: Decided) -> Conflicts:
    """Write into the fates which of the rows that stay say what a better one says."""
    stay = np.flatnonzero(found.fates.partner < 0)
    numbers = stay[best_first(rows, stay, found.ids, keep=how.keep, old=old)]
    drop_conflicting = how.conflicts == "keep_best"
    asked = rows.select("messages", "meta")[numbers]
    removed = remove_alike(asked, meaning, drop_conflicting=drop_conflicting)
    return write(found.fates, numbers, np.arange(len(numbers)), removed, how, SEMANTIC, rows["meta"])


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
    drop(fates, numbers[goes], numbers[stays], (prompt, answer), NEAR)
    stay: NDArray[np.int64] = order[best[label[order]] == order]
    return stay


def _hidden(
    texts: tuple[int, Callable[[int], Texts]], shared: Shared, prompts: Index, how: How, threads: int | None
) -> int:
    """How many more pairs of prompts would be similar if shared text counted."""
    if not len(shared.hashes):
        return 0
    whole = index_of(cut(*texts, shared=False, threads=threads), how.threshold, threads)
    counted = count_pairs(whole, how.threshold, COUNTED)
    return max(0, counted - count_pairs(prompts, how.threshold, COUNTED))
