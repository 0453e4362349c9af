"""What of a held-out item is looked for in other texts: its words, which are its own, and what they weigh."""

from __future__ import annotations

import bisect
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.compared import TURN
from curation.text import UNSPACED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WORD = 4
"""What a word weighs. A Chinese or Japanese character is half a word, a Thai, Lao, Burmese or Khmer one a
quarter: those scripts put no spaces between words, which have about so many characters."""

TURN_WORDS = 8
"""Words of its own that the last question of a conversation needs to be looked for without the others."""

_UNSPACED = "[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in UNSPACED) + "]"
_QUARTERS = {script: 1 if script[0] < 0x3000 else 2 for script in UNSPACED}
_SENTENCE = re.compile(r"(?:[^\W_]+_+){7,}")
_SPELLED = {"ß": "ss", "\u03c2": "\u03c3", "i\u0307": "i"}


class Phrase(NamedTuple):
    """Words to look for.

    Attributes:
        item: The number of the item.
        words: Its words, in order.
        sums: What its own words weigh before each word, and altogether (words + 1,); text that many rows
            share, such as a policy, weighs nothing.
    """

    item: int
    words: list[str]
    sums: list[int]

    def weight(self, start: int, end: int) -> int:
        """What the own words from one place to another weigh; outside the phrase there are none."""
        first, behind = (min(max(place, 0), len(self.words)) for place in (start, end))
        return self.sums[behind] - self.sums[first]

    def spans(self, least: int) -> list[tuple[int, int]]:
        """The shortest run of words that weighs so much, from each own word on: first word, word behind."""
        own = (i for i in range(len(self.words)) if self.sums[i + 1] > self.sums[i])
        found = ((i, bisect.bisect_left(self.sums, self.sums[i] + least)) for i in own)
        return [(start, end) for start, end in found if end < len(self.sums)]

    def text(self, start: int, end: int) -> str:
        """Some of the words as they stand in `padded_words`."""
        return f" {' '.join(self.words[start:end])} "


def phrases(prompts: pl.Series, own: Iterable[Sequence[tuple[str, bool]]]) -> list[Phrase]:
    """What to look for of each item: the prompt, and the last question where it says enough by itself.

    Args:
        prompts: The items' prompts (see `curation.compared`).
        own: Their words as `curation.near.own_or_shared` tells them.
    """
    last = padded_words(prompts.str.split(TURN).list.last())
    found = []
    for number, (text, turn, marked) in enumerate(zip(padded_words(prompts), last, own, strict=True)):
        words, asked = text.split(), len(turn.split())
        weights = _weights(words, marked)
        found.append(Phrase(number, words, _sums(weights)))
        if 0 < asked < len(words) and sum(weights[-asked:]) >= TURN_WORDS * WORD:
            found.append(Phrase(number, words[-asked:], _sums(weights[-asked:])))
    return [phrase for phrase in found if phrase.words]


def _sums(weights: Iterable[int]) -> list[int]:
    return [0, *itertools.accumulate(weights)]


def _weights(words: Sequence[str], marked: Sequence[tuple[str, bool]]) -> list[int]:
    """What each word weighs. Words are cut elsewhere than in `marked`, so the flags go by letters."""
    flags = [own for word, own in marked for letter in word if letter != "_"]
    ends = _sums(len(word.replace("_", "")) for word in words)
    if ends[-1] != len(flags):  # another spelling of the same text: all of it counts
        return [weight_of(word) for word in words]
    return [weight_of(word) * any(flags[a:b]) for word, a, b in zip(words, ends, ends[1:], strict=False)]


def weight_of(word: str) -> int:
    """What a word of `padded_words` weighs, if it is its text's own: see `WORD`."""
    point = ord(word[0])
    return next((weight for (a, b), weight in _QUARTERS.items() if a <= point <= b), WORD)


def padded_words(texts: pl.Series) -> pl.Series:
    """The words of each text, a space before and behind each (texts,).

    Case, width and punctuation do not count; a character of a script without spaces is a word. `_` joins the
    words of a name, such as a label, but not of a sentence: there it counts as a space.
    """
    strange = texts.str.len_bytes() != texts.str.len_chars()
    words = _spaced(texts.str.to_lowercase(), "[^a-z0-9_]+").set(strange, None)
    if strange.any():
        folded = texts.filter(strange).str.normalize("NFKC").str.to_lowercase()
        spelled = folded.str.replace_many(list(_SPELLED), list(_SPELLED.values()))
        words = words.scatter(strange.arg_true(), _spaced(spelled.str.replace_all(_UNSPACED, " $0 "), r"\W+"))
    joined = words.str.contains(_SENTENCE.pattern)
    split = [_SENTENCE.sub(lambda name: name[0].replace("_", " "), text) for text in words.filter(joined)]
    return words.scatter(joined.arg_true(), pl.Series(split, dtype=pl.String)) if split else words


def shown(words: Sequence[str]) -> str:
    """Words as a person reads them: no spaces in a script that has none."""
    return re.sub(f"(?<={_UNSPACED}) (?={_UNSPACED})", "", " ".join(words))


def _spaced(texts: pl.Series, between: str) -> pl.Series:
    return " " + texts.str.replace_all(rf"(?:{between}|\b_+|_+\b)+", " ").str.strip_chars() + " "
