"""One decoded object to one row, in whichever shape the file has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from curation.columns import Row
from curation.decode import Fault
from curation.rows import meta_text
from curation.shapes import SHAPES, own_keys, recognise, to_turns

if TYPE_CHECKING:
    from collections.abc import Iterable


def majority(records: Iterable[dict[str, Any]]) -> str | None:
    """The shape that most records have; of two the more telling one."""
    shapes = Counter(filter(None, map(recognise, records)))
    order = list(SHAPES)
    return max(shapes, key=lambda shape: (shapes[shape], -order.index(shape))) if shapes else None


def is_another(other: str, shape: str, record: dict[str, Any]) -> bool:
    """Whether a record of a file of one shape is whole in another, and not just incomplete."""
    if set(other.split("/")) <= own_keys(shape):
        return False
    try:
        to_turns(other, record)
    except msgspec.ValidationError:
        return False
    return True


def to_row(record: dict[str, Any], shape: str | None, line: int) -> Row:
    """A decoded object as a row.

    Raises:
        Fault: It does not fit the shape.
    """
    if shape is None:
        names = ", ".join(list(record)[:8]) or "no keys"
        raise Fault(f"not a known shape (it has {names})")
    tags = record.pop("tags", None)
    if tags is None:
        tags = []
    if not _are_strings(tags):
        raise Fault("tags must be an array of strings", path="$.tags")
    parents = record.pop("parents") if _are_strings(record.get("parents")) else []
    try:
        turns = to_turns(shape, record)
    except msgspec.ValidationError as fault:
        reason, _, path = str(fault).partition(" - at ")
        if missing := [key for key in shape.split("/") if key not in record]:
            reason = f"{reason} (the shape of this file is {shape}; {missing[0]} is missing)"
        raise Fault(reason, path=path.strip("`") or "$") from None
    used = own_keys(shape)
    meta = {key: value for key, value in record.items() if key not in used}
    if "messages" in meta:
        raise Fault(f"it has messages beside the keys of its shape, {shape}", path="$.messages")
    try:
        text = meta_text(meta) if meta else "{}"
    except RecursionError:  # writing goes a few levels less deep than reading
        raise Fault("nested too deeply") from None
    return Row(line, turns, tags, parents, text)


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
