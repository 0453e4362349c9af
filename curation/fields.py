"""Personal data in JSON: replaced in every string and number, so that what is left is still JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.decode import Fault, strictly
from curation.pii import ALL, PLACEHOLDER, KindName, Span, find

if TYPE_CHECKING:
    from collections.abc import Collection

AROUND = 24


class Hit(NamedTuple):
    """What was replaced: its kind, the path of its field, and the redacted text around it."""

    kind: KindName
    field: str
    excerpt: str


def replace(text: str, kinds: Collection[KindName] = ALL) -> tuple[str, list[Span]]:
    """Replace personal data in a text by placeholders, again and again until there is none.

    One replacement may bring the next to light: what ran into an address stands alone after it. A text
    that was redacted once is therefore never changed again.

    Returns:
        The text, and the places of the new placeholders in it.
    """
    placed: list[Span] = []
    while found := find(text, kinds):
        parts: list[str] = []
        moved: list[Span] = []
        last = length = 0
        for kind, start, end in sorted([*found, *placed], key=lambda s: s.start):
            parts += [text[last:start], f"[{kind}]"]
            length += start - last + len(parts[-1])
            moved.append(Span(kind, length - len(parts[-1]), length))
            last = end
        text, placed = "".join([*parts, text[last:]]), moved
    return text, placed


def in_text(text: str, kinds: Collection[KindName], field: str) -> tuple[str, list[Hit]]:
    """Replace personal data in the text of a field."""
    text, spans = replace(text, kinds)
    return text, [Hit(s.kind, field, _around(text, s)) for s in spans]


def in_json(text: str, kinds: Collection[KindName], field: str) -> tuple[str, list[Hit]]:
    """Replace personal data in the JSON of a field; the name of a value says what it may be.

    Args:
        text: A JSON document.
        kinds: What to look for.
        field: Its path in the row.

    Returns:
        The document, byte for byte the same where nothing was found, and what was replaced.
    """
    all_hits: list[Hit] = []
    while True:
        value, hits = _value(json.loads(text), kinds, "", field)
        if not hits:
            return text, all_hits
        text = json.dumps(value, ensure_ascii=False)
        all_hits += hits


def _value(value: Any, kinds: Collection[KindName], name: str, path: str) -> tuple[Any, list[Hit]]:  # noqa: ANN401
    match value:
        case dict():
            return _object(value, kinds, path)
        case list():
            pairs = [_value(v, kinds, name, f"{path}[{i}]") for i, v in enumerate(value)]
            return [v for v, _ in pairs], [hit for _, hits in pairs for hit in hits]
        case str() if (inner := _nested(value)) is not None:
            new, hits = _value(inner, kinds, name, path)
            return (json.dumps(new, ensure_ascii=False) if hits else value), hits
        case str():
            return _named(value, kinds, name, path)
        case int() | float() if not isinstance(value, bool):
            new, hits = _named(str(value), kinds, name, path)
            return (new if hits else value), hits
    return value, []


def _object(
    value: dict[str, Any], kinds: Collection[KindName], path: str
) -> tuple[dict[str, Any], list[Hit]]:
    new: dict[str, Any] = {}
    all_hits: list[Hit] = []
    for key, entry in value.items():
        name, hits = in_text(key, kinds, path or "$")
        here = f"{path}.{name}" if path else name
        kept, more = _value(entry, kinds, name, here)
        while name in new:  # two addresses as keys have one placeholder; neither value may be lost
            name += "'"
        new[name] = kept
        all_hits += hits + more
    return new, all_hits


def _named(text: str, kinds: Collection[KindName], name: str, path: str) -> tuple[str, list[Hit]]:
    """Replace in a value; beside its name, where the name itself is left alone."""
    before = f"{name}: "
    whole, spans = replace(before + text, kinds)
    if not whole.startswith(before) or any(s.start < len(before) for s in spans):
        return in_text(text, kinds, path)
    return whole.removeprefix(before), [Hit(s.kind, path, _around(whole, s)) for s in spans]


def _nested(text: str) -> Any:  # noqa: ANN401
    """The JSON object or array that a string holds, as the arguments of a tool call do; otherwise None."""
    if not text.lstrip().startswith(("{", "[")) or PLACEHOLDER.match(text.lstrip()):
        return None
    try:
        return strictly(text.encode())
    except Fault:
        return None


def _around(text: str, span: Span) -> str:
    start, end = max(span.start - AROUND, 0), span.end + AROUND
    cut = ("\u2026" if start else "") + text[start:end] + ("\u2026" if end < len(text) else "")
    return " ".join(cut.split())
