"""Words that negate, in the languages that training data mostly has; counted, not understood."""

from __future__ import annotations

import re

WORDS = (
    "not no nor never without cannot none nobody nothing neither nowhere "
    "dont doesnt didnt isnt arent wasnt werent cant wont couldnt shouldnt wouldnt havent hasnt hadnt aint "
    "nicht nichts kein keine keinen keinem keiner keines nie niemals niemand weder ohne "
    "pas jamais aucun aucune rien sans nunca jamás jamas nada nadie tampoco ningún ninguna ninguno sin "
    "non mai niente nessuno nessuna senza não nem sem ninguém nenhum nenhuma "
    "niet geen nooit niemand niets zonder не нет ни никогда никто ничего без нельзя"
)
"""English, German, French, Spanish, Italian, Portuguese, Dutch, Russian."""

INSIDE = "不|没|沒|ない|なかった|ません|않|없|못"
"""Chinese, Japanese and Korean, where words are not set apart."""

NEGATION = re.compile(
    rf"\b(?:{'|'.join(sorted(set(WORDS.split()), key=len, reverse=True))})\b|n['\u2019]t\b|{INSIDE}",
    re.IGNORECASE,
)


def negations(text: str) -> int:
    """How often a text negates, by the words above."""
    return len(NEGATION.findall(text))
