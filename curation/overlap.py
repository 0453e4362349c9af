"""Held-out prompts inside longer texts: runs of 13 words, one place edited, or the whole of a shorter one.

The length of the run is that of Brown et al., "Language models are few-shot learners" (2020), appendix C.
Parts of runs are looked for all at once by the automaton of Aho and Corasick (1975), as polars has it; where
one stands, the words around it are compared, as BLAST extends its seeds (Altschul et al., 1990).
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.compared import TURN
from curation.phrases import WORD, Phrase, padded_words, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUN = 13
"""Words in a row that count as taken from an item."""

SHORTEST = 4
"""Words that an item must have to be looked for inside other text; one of fewer must stand alone."""

GAPS = sorted(set(itertools.product(range(3), repeat=2)) - {(0, 0)}, key=sum)
"""How many words of a text may stand for how many of an item in the one place that was edited."""

_ENDS = re.compile(r"(?<=[.!?…।؟])\s+|(?<=[。\uFF01\uFF1F])|\n")


class Found(NamedTuple):
    """What a text has in common with an item: the item's number, the words, whether one place differs."""

    item: int
    words: str
    edited: bool = False


class Place(NamedTuple):
    """Words of a phrase to look for; whether they are all that it takes, and no part of a run."""

    phrase: Phrase
    start: int
    end: int
    enough: bool


def overlaps(
    texts: pl.Series, prompts: pl.Series, phrases: Sequence[Phrase], run: int = RUN
) -> dict[int, Found]:
    """Find texts that hold the words of an item.

    Args:
        texts: The whole texts (texts,).
        prompts: Their prompts (texts,).
        phrases: The items.
        run: Own words in a row that count, or `RUN` at least with one place edited. An item with fewer, but
            `SHORTEST` at least, counts as a whole, and one with still fewer as a turn, line or sentence of a
            prompt.

    Returns:
        For the number of each such text the first find.
    """
    least = min(SHORTEST, run) * WORD
    return _alone(prompts, [p for p in phrases if p.sums[-1] < least]) | _inside(
        texts, [p for p in phrases if p.sums[-1] >= least], run * WORD
    )


def _inside(texts: pl.Series, phrases: Sequence[Phrase], run: int) -> dict[int, Found]:
    wanted: dict[str, list[Place]] = {}
    for phrase in phrases:
        for place in _places(phrase, run):
            wanted.setdefault(phrase.text(place.start, place.end), []).append(place)
    found = {}
    for number, text, hits in _hits(padded_words(texts), list(wanted)):
        places = ((hit, place) for hit in hits for place in wanted[hit])
        first = next((f for hit, place in places if (f := _find(text, hit, place, run))), None)
        if first:
            found[number] = first
    return found


def _places(phrase: Phrase, run: int) -> Iterator[Place]:
    """All of a short phrase; of another one, what each run of it must have, even with a place edited."""
    total = phrase.sums[-1]
    part = min(run, (max(run, RUN * WORD) + 1) // 2) if total >= run else total
    for start, end in phrase.spans(part):
        yield Place(phrase, start, end, enough=total < run)


def _hits(words: pl.Series, wanted: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    """The texts that have some of these strings: number, text, and the strings."""
    if not wanted:
        return
    hits = words.str.extract_many(wanted, overlapping=True)
    for number in (hits.list.len() > 0).arg_true():
        yield number, words[number], list(dict.fromkeys(hits[number]))


def _find(text: str, hit: str, place: Place, run: int) -> Found | None:
    """What a text has of a phrase around a string that both have."""
    if place.enough:
        return Found(place.phrase.item, shown(hit.split()))
    words, at = text.split(), text.find(hit)
    while at >= 0:
        found = _around(words, text.count(" ", 0, at), place, run)
        if found:
            begin, end, edited = found
            return Found(place.phrase.item, shown(words[begin:end]), edited)
        at = text.find(hit, at + 1)
    return None


def _around(text: list[str], at: int, place: Place, run: int) -> tuple[int, int, bool] | None:
    """Where a run stands in a text, with one place edited or not, whose words from `at` on are those."""
    phrase = place.phrase
    back = _equal(text, at - 1, phrase.words, place.start - 1, -1)
    on = _equal(text, at, phrase.words, place.start, 1)
    begin, end, low, high = at - back, at + on, place.start - back, place.start + on
    weight = phrase.weight(low, high)
    if weight >= run:
        return begin, end, False
    needed = max(run, RUN * WORD) - weight
    for a, b in GAPS:
        on = _equal(text, end + a, phrase.words, high + b, 1)
        if phrase.weight(high + b, high + b + on) >= needed:
            return begin, end + a + on, True
        back = _equal(text, begin - a - 1, phrase.words, low - b - 1, -1)
        if phrase.weight(low - b - back, low - b) >= needed:
            return begin - a - back, end, True
    return None


def _equal(left: Sequence[str], i: int, right: Sequence[str], j: int, step: int) -> int:
    """How many words are equal from two places on, in one direction."""
    count = 0
    while 0 <= i < len(left) and 0 <= j < len(right) and left[i] == right[j]:
        i, j, count = i + step, j + step, count + 1
    return count


def _alone(prompts: pl.Series, phrases: Sequence[Phrase]) -> dict[int, Found]:
    """The prompts of which a turn, a line or a sentence has the words of a phrase, and no other."""
    wanted = {phrase.text(0, len(phrase.words)): phrase.item for phrase in reversed(phrases)}
    numbers = [number for number, _, _ in _hits(padded_words(prompts), list(wanted))]
    parts = [(number, part) for number in numbers for part in _parts(prompts[number])]
    words = padded_words(pl.Series([part for _, part in parts], dtype=pl.String))
    same = [(n, w) for (n, _), w in zip(parts, words, strict=True) if w in wanted]
    return {number: Found(wanted[words], shown(words.split())) for number, words in reversed(same)}


def _parts(prompt: str) -> set[str]:
    """The turns of a prompt, their lines and their sentences."""
    turns = prompt.split(TURN)
    return {*turns, *(line for turn in turns for line in turn.split("\n")), *_ENDS.split(prompt)} | {
        part for turn in turns for part in _ENDS.split(turn)
    }
