"""Synonyms word by word from a thesaurus: for robustness sets, not for training data."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from curation.augmentation.guards import outside_quotes, protected
from curation.errors import UserError

if TYPE_CHECKING:
    import random
    from pathlib import Path

Thesaurus = dict[str, tuple[str, ...]]
"""Synonyms of a word, in the order of the file."""

SYNONYM = "synonym"
WORDS = 2
"""Words of a text that are replaced at most."""
SHORTEST = 4


def read_thesaurus(path: Path) -> Thesaurus:
    """Read a thesaurus in the form of MyThes, which LibreOffice and Debian's `mythes-en-us` use.

    Its first line names the encoding; then each entry is `word|n` and n lines `(kind)|synonym|synonym…`.
    Entries and synonyms of several words are passed over, as are those with a remark such as
    `(generic term)`, which are no synonyms.

    Raises:
        UserError: It cannot be read, or is no such file.
    """
    fix = "give a file such as th_en_US_v2.dat of Debian's package mythes-en-us"
    try:
        encoding, _, content = path.read_bytes().partition(b"\n")
        lines = content.decode(codecs.lookup(encoding.decode("ascii").strip()).name).splitlines()
    except OSError as fault:
        problem = f"the thesaurus cannot be read: {fault.strerror}"
        raise UserError(problem, where=str(path), fix=fix) from fault
    except (LookupError, UnicodeDecodeError) as fault:
        problem = f"line 1 names no encoding that the file has: {fault}"
        raise UserError(problem, where=str(path), fix=fix) from fault
    found: Thesaurus = {}
    at = 0
    while at < len(lines):
        word, _, count = lines[at].partition("|")
        if not count.isdecimal():
            raise UserError(f"{lines[at][:40]!r} is not word|n", where=f"{path}:{at + 2}", fix=fix)
        senses = lines[at + 1 : at + 1 + int(count)]
        if len(senses) < int(count):
            problem = f"the file ends within the entry {word!r}"
            raise UserError(problem, where=f"{path}:{at + 2}", fix=fix)
        if synonyms := _single(word, senses):
            found[word] = synonyms
        at += 1 + int(count)
    if not found:
        raise UserError("no word of the thesaurus has a synonym", where=str(path), fix=fix)
    return found


def _single(word: str, senses: list[str]) -> tuple[str, ...]:
    others = (other for sense in senses for other in sense.split("|")[1:])
    return tuple(dict.fromkeys(o for o in others if o != word and o.isalpha() and o.islower()))


def synonyms(text: str, thesaurus: Thesaurus, rng: random.Random) -> str:
    """A text with two words at most, never the first one, each replaced by a synonym; of whatever sense."""
    pieces = re.split(r"(\W+)", text)
    free = [i for i in outside_quotes(pieces) if i and pieces[i] in thesaurus and _is_free(pieces[i])]
    for i in rng.sample(free, min(len(free), WORDS)):
        pieces[i] = rng.choice(thesaurus[pieces[i]])
    return "".join(pieces)


def _is_free(word: str) -> bool:
    return len(word) >= SHORTEST and word.islower() and not protected(word)
