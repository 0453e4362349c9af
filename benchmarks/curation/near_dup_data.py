"""Rows for the near-duplicate benchmark: English of installed packages, with duplicates planted among it.

The sentences are those of docstrings in the standard library and in what `pip install -e '.[train]'` brings.
There are some 100,000 of them, so a million rows of whole sentences would repeat each one dozens of times.
Half of the text is such sentences, half is new ones: walks from word to word in which each word follows the
last one as in a sentence.
"""

from __future__ import annotations

import json
import random
import re
import sysconfig
from pathlib import Path
from typing import Any

PLANTED = {"exact": 0.02, "normalised": 0.02, "near": 0.06, "hard": 0.05}
"""Shares of the rows that are made from another one: `hard` ones are just not similar enough."""

SYSTEMS = ("You are a helpful assistant.", "You are a patient senior engineer who answers in full sentences.")
THRESHOLD = 0.8
WHOLE = 0.5
"""The share of sentences that stand as they are."""

_SENTENCE = re.compile(r"[A-Za-z][A-Za-z0-9 ,;:'()\"`-]*[.!?]")


def sentences() -> list[str]:
    """Different sentences of 6 to 40 words, sorted."""
    found: set[str] = set()
    for root in (sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")):
        for path in Path(root).rglob("*.py"):
            for text in re.findall(
                r'"""(.*?)"""', path.read_text(encoding="utf8", errors="replace"), re.DOTALL
            ):
                for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(text.split())):
                    if 6 <= len(sentence.split()) <= 40 and _SENTENCE.fullmatch(sentence):
                        found.add(sentence)
    return sorted(found)


def shingles(text: str) -> set[tuple[str, ...]]:
    """Word 3-grams, as every tool here counts them."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def similarity(a: str, b: str) -> float:
    """Jaccard similarity of two texts."""
    left, right = shingles(a), shingles(b)
    return len(left & right) / len(left | right)


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """So many rows in random order: `prompt`, `answer`, `system`, and `kind` and `of` where one is planted.

    A planted row differs from its original in the prompt and in the answer, each just similar enough or not.
    """
    rng = random.Random(seed)
    pool = sentences()
    follow = followers(pool)
    vocabulary = sorted({w for s in pool[::50] for w in re.findall(r"[a-z]{4,}", s)})
    made: list[dict[str, Any]] = []
    fresh = count - sum(int(share * count) for share in PLANTED.values())
    for number in range(fresh):
        prompt, answer = (_text(rng, pool, follow, rng.randint(*k)) for k in ((2, 4), (2, 5)))
        made.append({"id": number, "prompt": prompt, "answer": answer, "kind": "fresh", "of": None})
    for kind, share in PLANTED.items():
        for original in rng.sample(made[:fresh], int(share * count)):
            made.append(_planted(rng, original, kind, vocabulary) | {"id": len(made)})
    rng.shuffle(made)
    return [row | {"system": rng.choice(SYSTEMS)} for row in made]


def followers(pool: list[str]) -> dict[str, list[str]]:
    """The words that follow each word, as often as they do; a sentence begins after the empty word."""
    found: dict[str, list[str]] = {}
    for sentence in pool:
        last = ""
        for word in [*sentence.split(), ""]:
            found.setdefault(last, []).append(word)
            last = word
    return found


def _text(rng: random.Random, pool: list[str], follow: dict[str, list[str]], count: int) -> str:
    return " ".join(rng.choice(pool) if rng.random() < WHOLE else _walk(rng, follow) for _ in range(count))


def _walk(rng: random.Random, follow: dict[str, list[str]]) -> str:
    words: list[str] = []
    while len(words) < 40:
        after = follow[words[-1] if words else ""]
        word = after[int(rng.random() * len(after))]
        if not word:
            break
        words.append(word)
    return " ".join(words)


def _planted(
    rng: random.Random, original: dict[str, Any], kind: str, vocabulary: list[str]
) -> dict[str, Any]:
    texts = {}
    for part in ("prompt", "answer"):
        text = original[part]
        if kind == "normalised":
            text = text.upper() if rng.random() < 0.5 else text.replace(" ", "  ", 3) + "\n"
        elif kind in {"near", "hard"}:
            text = _edited(rng, text, vocabulary, hard=kind == "hard")
        texts[part] = text
    return texts | {"kind": kind, "of": original["id"]}


def _edited(rng: random.Random, text: str, vocabulary: list[str], *, hard: bool) -> str:
    """Replace words one by one; a near text stays at the threshold or above, a hard one goes just below."""
    words, last = text.split(), text
    steps = 99 if hard else rng.randint(1, 4)
    for _ in range(steps):
        words[rng.randrange(len(words))] = rng.choice(vocabulary)
        changed = " ".join(words)
        if similarity(text, changed) < THRESHOLD:
            return changed if hard else last
        last = changed
    return last


def write(path: Path, made: list[dict[str, Any]]) -> None:
    """The rows as a JSONL file of chats."""
    with path.open("w", encoding="utf8") as stream:
        for row in made:
            roles = (("system", row["system"]), ("user", row["prompt"]), ("assistant", row["answer"]))
            chat = {"messages": [{"role": role, "content": content} for role, content in roles]}
            stream.write(json.dumps(chat, ensure_ascii=False) + "\n")
