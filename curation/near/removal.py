"""Which rows go: the best first, each kept unless it is a near-duplicate of one that is kept already.

Only kept rows are in the index, so a cluster costs as many comparisons as it has rows, not pairs. A duplicate
is like its partner in prompt and answer, so it is looked for by whichever of the two fewer kept rows share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled
from curation.near.join import Asked, add, ask, load, more, ready, similarity
from curation.near.pairs import doubled

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
        stay: So many of the first rows stay, whatever they are like.
        most: So many conflicts of a row with better ones are listed.
    """

    threshold: float
    drop_conflicting: bool
    mark: bool
    one_text: bool
    stay: int = 0
    most: int = 20


class _Fate(NamedTuple):
    """The state of all members: partner and similarities, their turn, and whether they contradict another."""

    partner: NDArray[np.int64]
    prompt: NDArray[np.float64]
    answer: NDArray[np.float64]
    when: NDArray[np.int64]
    marked: NDArray[np.bool_]


class _Listed(NamedTuple):
    """Room for conflicts."""

    later: NDArray[np.int64]
    earlier: NDArray[np.int64]
    similar: NDArray[np.float64]


def remove(texts: Compared, order: NDArray[np.int64], rules: Rules) -> Removed:
    """Go through these members of `texts.prompts` in this order, the best first."""
    members = len(texts.answer_of)
    when = np.full(members, -1, np.int64)
    when[order] = np.arange(len(order))
    nobody, unlike = np.full(members, -1, np.int64), np.zeros((2, members), np.float64)
    fate = _Fate(nobody, unlike[0], unlike[1], when, np.zeros(members, np.bool_))
    listed = _remove(texts, order, rules, ready(texts.prompts), ready(texts.answers), fate)
    return Removed(fate.partner, fate.prompt, fate.answer, *listed)


@compiled
def _remove(
    texts: Compared,
    order: NDArray[np.int64],
    rules: Rules,
    by_prompt: Asked,
    by_answer: Asked,
    fate: _Fate,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    listed = _Listed(np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty(1024, np.float64))
    count = 0
    for place in range(len(order)):
        x = order[place]
        while count + len(order) * rules.mark + rules.most > len(listed.later):
            listed = _Listed(doubled(listed.later), doubled(listed.earlier), doubled(listed.similar))
        own = texts.answer_of[x]
        asked_answers = not rules.one_text and own >= 0 and place >= rules.stay
        if asked_answers:
            asked_answers = load(texts.answers, by_answer, own) < load(texts.prompts, by_prompt, x)
        if asked_answers:
            _by_answer(texts, x, rules, by_answer, fate)
        found = 0
        if fate.partner[x] < 0 and place >= rules.stay:
            found = _by_prompt(texts, x, rules, by_prompt, fate, asked_answers, listed, count)
        if fate.partner[x] >= 0:
            continue
        for k in range(count, count + found):
            fate.marked[x] = fate.marked[listed.earlier[k]] = True
        count += found
        if found == 0 or not rules.drop_conflicting:
            add(texts.prompts, by_prompt, x)
            if own >= 0:
                add(texts.answers, by_answer, own)
    return listed.later[:count], listed.earlier[:count], listed.similar[:count]


@compiled
def _by_answer(texts: Compared, x: int, rules: Rules, asked: Asked, fate: _Fate) -> None:
    """Look for kept members with a similar answer, and take the one that is nearest in its prompt."""
    own = texts.answer_of[x]
    ask(texts.answers, asked, own)
    while more(texts.answers, asked, own, rules.threshold):
        for other in asked.found[: asked.cursor[2]]:
            answer = similarity(texts.answers, own, other, rules.threshold)
            if answer > 0.0:
                y = texts.prompt_of[other]
                prompt = similarity(texts.prompts, x, y, rules.threshold)
                if prompt > 0.0:
                    _take(x, y, prompt, answer, fate)


@compiled
def _by_prompt(
    texts: Compared,
    x: int,
    rules: Rules,
    asked: Asked,
    fate: _Fate,
    conflicts_only: bool,
    listed: _Listed,
    count: int,
) -> int:
    """Look for duplicates and conflicts; write the conflicts behind `count`, and return their number."""
    own = texts.answer_of[x]
    found = 0
    ask(texts.prompts, asked, x)
    while more(texts.prompts, asked, x, rules.threshold):
        for y in asked.found[: asked.cursor[2]]:
            if rules.mark and conflicts_only and found and fate.marked[y]:
                continue
            prompt = similarity(texts.prompts, x, y, rules.threshold)
            if prompt == 0.0:
                continue
            answer = prompt if rules.one_text else 0.0
            if not rules.one_text and not conflicts_only and own >= 0 and texts.answer_of[y] >= 0:
                answer = similarity(texts.answers, own, texts.answer_of[y], rules.threshold)
            if answer > 0.0:
                _take(x, y, prompt, answer, fate)
            elif found < rules.most or (rules.mark and not fate.marked[y]):
                at = count + found
                listed.later[at], listed.earlier[at], listed.similar[at] = x, y, prompt
                found += 1
        if conflicts_only and found >= rules.most and not rules.mark:
            break
    return found


@compiled
def _take(x: int, y: int, prompt: float, answer: float, fate: _Fate) -> None:
    """Make `y` the partner of `x` if no other is nearer; of equally near ones the best row is."""
    if fate.partner[x] >= 0:
        nearer = prompt > fate.prompt[x] or (prompt == fate.prompt[x] and answer > fate.answer[x])
        equal = prompt == fate.prompt[x] and answer == fate.answer[x]
        if not (nearer or (equal and fate.when[y] < fate.when[fate.partner[x]])):
            return
    fate.partner[x], fate.prompt[x], fate.answer[x] = y, prompt, answer
