"""Whether a text affirms a phrase or only mentions it: "Paris" stands in "not Paris" too."""

from __future__ import annotations

import re

from judge.text import normalise, places

_BREAK = re.compile(
    r"[.,;:!?\n()\u2014。、，；：！？؟،।]|\b(?:but|sondern|mais|pero|sino|ma|mas|но)\b"  # noqa: RUF001
)
_NEGATORS = frozenset(
    {"not", "non", "never", "no", "nor", "neither", "cannot", "without", "except"}
    | {"hardly", "barely", "scarcely", "kaum"}
    | {"nicht", "kein", "keine", "keinen", "keiner", "nie", "niemals", "weder", "ohne"}
    | {"pas", "jamais", "ni", "aucun", "aucune", "sans", "nunca", "jamás", "tampoco", "sin"}
    | {"non", "mai", "não", "nem", "sem", "не", "ни", "нет", "никогда", "без"}
)
_NOT_NEGATING = re.compile(
    r"\b(?:not only|not just|no doubt|no question|without (?:a )?doubt|no problem"
    r"|don['’]?t worry|do not worry|nicht nur|kein problem|ohne zweifel|pas seulement|sans doute"  # noqa: RUF001
    r"|no solo|sin duda)\b"
)
_SAYING_SO = re.compile(
    r"\b(?:false|wrong|incorrect|untrue|not (?:the case|true|correct|right)) (?:that|to say)\b"
)
_JUST_BEFORE = (
    *("far from", "anything but", "rather than", "instead of", "the opposite of"),
    *("alles andere als", "statt", "loin de", "au lieu de", "lejos de", "en lugar de"),
)
_WORDS_BEFORE = 6
_NEAR = 200
"""Characters around a phrase that can deny it."""
_AFTER = re.compile(
    r"\s*(?:(?:is|was|are|were|ist|war|es|est|é)\s+(?:not|nicht|no|pas|wrong|incorrect|falsch|false)\b"
    r"|(?:is|was|are|were)n['’]?t\b|n['’]est pas\b|не\b|would be (?:wrong|incorrect|false)\b"  # noqa: RUF001
    r"|[\"'”’*)]*\s*[:=?]\s*(?:no|not|false|wrong|nein|falsch|non|faux|falso|нет)\s*(?:[.,;!)]|$)"  # noqa: RUF001
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
    return any(
        not _denied(whole[max(0, start - _NEAR) : start], whole[end : end + _NEAR])
        for start, end in places(text, phrase)
    )


def _denied(before: str, after: str) -> bool:
    clause = _NOT_NEGATING.sub(" ", _BREAK.split(before)[-1])
    words = clause.replace("-", " ").split()[-_WORDS_BEFORE:]
    negated = any(word in _NEGATORS or word.endswith(("n't", "n’t")) for word in words)  # noqa: RUF001
    just_before = before.rstrip().endswith((*_JUST_BEFORE, *_BEFORE_UNSPACED))
    return bool(negated or just_before or _SAYING_SO.search(clause) or _AFTER.match(after))
