"""Whether a text affirms a phrase or only mentions it: "Paris" stands in "not Paris" too."""

from __future__ import annotations

import re

from judge.text import normalise, places

_BREAK = re.compile(
    r"[.,;:!?\n()\u2014。、，；：！？؟،।]|\b(?:but|sondern|mais|pero|sino|ma|mas|но)\b"  # noqa: RUF001
)
_NEGATORS = frozenset(
    {"not", "never", "no", "nor", "neither", "cannot", "without", "except"}
    | {"nicht", "kein", "keine", "keinen", "keiner", "nie", "niemals", "weder", "ohne"}
    | {"pas", "jamais", "ni", "aucun", "aucune", "sans", "nunca", "jamás", "tampoco", "sin"}
    | {"non", "mai", "não", "nem", "sem", "не", "ни", "нет", "никогда", "без"}
)
_NOT_NEGATING = re.compile(r"\b(?:not only|not just|no doubt|no question|nicht nur|pas seulement|no solo)\b")
_WORDS_BEFORE = 6
_AFTER = re.compile(
    r"\s*(?:(?:is|was|are|were|ist|war|es|est|é)\s+(?:not|nicht|no|pas|wrong|incorrect|falsch|false)\b"
    r"|(?:is|was|are|were)n['’]?t\b|n['’]est pas\b|не\b"  # noqa: RUF001
    r"|では?な|じゃな|では?ありません|じゃありません|不是|不对|不對)"
)
_BEFORE_UNSPACED = ("不是", "不在", "并非", "並非", "不叫", "没有", "沒有", "不會是", "不会是")


def affirms(text: str, phrase: str) -> bool:
    """Whether `phrase` stands in `text` as whole words at a place where it is not denied.

    Denied means that a word of negation stands among the six words before it in its clause, or that it is
    said not to be so right after it. The words are English, German, French, Spanish, Italian, Portuguese,
    Russian, Chinese and Japanese ones. It is a fixed rule and no understanding: irony and hedging pass.
    """
    whole = normalise(text)
    return any(not _denied(whole[:start], whole[end:]) for start, end in places(text, phrase))


def _denied(before: str, after: str) -> bool:
    clause = _NOT_NEGATING.sub(" ", _BREAK.split(before)[-1])
    words = clause.split()[-_WORDS_BEFORE:]
    negated = any(word in _NEGATORS or word.endswith(("n't", "n’t")) for word in words)  # noqa: RUF001
    return negated or clause.rstrip().endswith(_BEFORE_UNSPACED) or _AFTER.match(after) is not None
