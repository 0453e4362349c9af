"""Which rows go: the best first, each kept unless it is a near-duplicate of one that is kept already.

Only kept rows are in the index, so a cluster costs as many comparisons as it has rows, not pairs. A duplicate is
like its partner in prompt and answer, so it is looked for by whichever of the two fewer kept rows share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.near.compiled import compiled
from curation.near.join import Asked, add, ask, doubled, load, more, ready, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.index import Index


class Removed(NamedTuple):
    """What became of the members of the index of prompts.

    Attributes:
        partner: The kept member that a dropped one is a duplicate of (members,), or -1.
        prompt: Similarity of their prompts (members,).
        answer: Similarity of their answers (members,).
        later: The less good member of each conflict (conflicts,).
        earlier: The better one (conflicts,).
        similar: Similarity of their prompts (conflicts,).
    """

    partner: NDArray[np.int64]
    prompt: NDArray[np.float64]
    answer: NDArray[np.float64]
    later: NDArray[np.int64]
    earlier: NDArray[np.int64]
    similar: NDArray[np.float64]


class Compared(NamedTuple):
    """The two compared texts of the same rows.

    Attributes:
        prompts: Rows that share something of their prompts with another one.
        answers: Those of them that share something of their answers.
        answer_of: The member of `answers` of each member of `prompts`, or -1 (members,).
        prompt_of: The member of `prompts` of each member of `answers` (members of answers,).
    """

    prompts: Index
    answers: Index
    answer_of: NDArray[np.int64]
    prompt_of: NDArray[np.int64]


class Rules(NamedTuple):
    """What to do.

    Attributes:
        threshold: Smallest similarity.
        drop_conflicting: Whether a row that contradicts a better one goes, too.
        mark: Whether every row that contradicts another must be in the list.
        one_text: Whether prompts and answers are one text.
        most: So many conflicts of a row with better ones are listed.
    """

    threshold: float
    drop_conflicting: bool
    mark: bool
    one_text: bool
    most: int = 20


def remove(texts: Compared, order: NDArray[np.int64], rules: Rules) -> Removed:
    """Go through these members of `texts.prompts` in this order, the best first."""
    return Removed(*_remove(texts, order, rules, ready(texts.prompts), ready(texts.answers)))


@compiled
def _remove(
    texts: Compared, order: NDArray[np.int64], rules: Rules, by_prompt: Asked, by_answer: Asked
) -> tuple[
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
]:
    members = len(texts.answer_of)
    when = np.empty(members, np.int64)
    when[order] = np.arange(len(order))
    marked = np.zeros(members, np.bool_)
    best = np.full(members, -1, np.int64), np.zeros(members, np.float64), np.zeros(members, np.float64)
    pairs = np.empty(1024, np.int64), np.empty(1024, np.int64)
    similar = np.empty(1024, np.float64)
    count = 0
    for x in order:
        while count + len(order) * rules.mark + rules.most > len(similar):
            pairs = doubled(pairs[0]), doubled(pairs[1])
            similar = doubled(similar)
        own = texts.answer_of[x]
        fewer = not rules.one_text and own >= 0 and load(texts.answers, by_answer, own) < load(texts.prompts, by_prompt, x)
        if fewer:
            _by_answer(texts, x, rules, by_answer, when, best)
        if best[0][x] < 0:
            found = _by_prompt(texts, x, rules, by_prompt, when, best, fewer, marked, pairs, similar, count)
            if best[0][x] < 0:
                for k in range(count, count + found):
                    marked[x] = marked[pairs[1][k]] = True
                count += found
                if found == 0 or not rules.drop_conflicting:
                    add(texts.prompts, by_prompt, x)
                    if own >= 0:
                        add(texts.answers, by_answer, own)
    return best[0], best[1], best[2], pairs[0][:count], pairs[1][:count], similar[:count]


@compiled
def _by_answer(
    texts: Compared,
    x: int,
    rules: Rules,
    asked: Asked,
    when: NDArray[np.int64],
    best: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
) -> None:
    own = texts.answer_of[x]
    ask(texts.answers, asked, own)
    while more(texts.answers, asked, own, rules.threshold):
        for other in asked.found[: asked.cursor[2]]:
            answer = similarity(texts.answers, own, other, rules.threshold)
            if answer > 0.0:
                y = texts.prompt_of[other]
                prompt = similarity(texts.prompts, x, y, rules.threshold)
                if prompt > 0.0:
                    _take(x, y, prompt, answer, when, best)


@compiled
def _by_prompt(
    texts: Compared,
    x: int,
    rules: Rules,
    asked: Asked,
    when: NDArray[np.int64],
    best: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
    conflicts_only: bool,
    marked: NDArray[np.bool_],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    similar: NDArray[np.float64],
    count: int,
) -> int:
    """Look for duplicates and conflicts; write the conflicts behind `count`, and return their number."""
    own = texts.answer_of[x]
    found = 0
    ask(texts.prompts, asked, x)
    while more(texts.prompts, asked, x, rules.threshold):
        for y in asked.found[: asked.cursor[2]]:
            if rules.mark and conflicts_only and found and marked[y]:
                continue
            prompt = similarity(texts.prompts, x, y, rules.threshold)
            if prompt == 0.0:
                continue
            answer = 0.0
            if rules.one_text:
                answer = prompt
            elif not conflicts_only and own >= 0 and texts.answer_of[y] >= 0:
                answer = similarity(texts.answers, own, texts.answer_of[y], rules.threshold)
            if answer > 0.0:
                _take(x, y, prompt, answer, when, best)
            elif found < rules.most or (rules.mark and not marked[y]):
                pairs[0][count + found], pairs[1][count + found] = x, y
                similar[count + found] = prompt
                found += 1
        if conflicts_only and found >= rules.most and not rules.mark:
            break
    return found


@compiled
def _take(
    x: int,
    y: int,
    prompt: float,
    answer: float,
    when: NDArray[np.int64],
    best: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Make `y` the partner of `x` if no other is nearer; of equally near ones the best row is."""
    partner, prompts, answers = best
    if partner[x] >= 0:
        nearer = prompt > prompts[x] or (prompt == prompts[x] and answer > answers[x])
        equal = prompt == prompts[x] and answer == answers[x]
        if not (nearer or (equal and when[y] < when[partner[x]])):
            return
    partner[x], prompts[x], answers[x] = y, prompt, answer
