"""What the columns of exported lines hold: told to `datasets`, which else takes the first lines for all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STRING = "string"
TURNS = (("role", "content"), ("from", "value"))
"""Keys of turns that hold nothing but text."""


class Features:
    """The columns of lines that were seen; one type for all splits, whichever has the rare fields."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[str | tuple[str, ...]]] = {}

    def see(self, record: Mapping[str, Any]) -> None:
        """Take a line into account."""
        for name, value in record.items():
            self._kinds.setdefault(name, set()).update(_kinds(value))

    def told(self) -> list[dict[str, Any]]:
        """The columns as the front matter of a dataset card names them."""
        return [{"name": name} | _feature(kinds) for name, kinds in self._kinds.items()]


def _kinds(value: object) -> Iterable[str | tuple[str, ...]]:
    if isinstance(value, str):
        return [STRING]
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return {tuple(entry) for entry in value}
    return ["json"]


def _feature(kinds: set[str | tuple[str, ...]]) -> dict[str, Any]:
    if kinds == {STRING}:
        return {"dtype": STRING}
    for keys in TURNS:
        if kinds == {keys}:
            return {"list": [{"name": key, "dtype": STRING} for key in keys]}
    if all(isinstance(kind, tuple) for kind in kinds):
        return {"list": "json"}  # no column of nulls for what only some turns have
    return {"dtype": "json"}


def front_matter(
    files: Mapping[str, str], features: Sequence[Mapping[str, Any]] = (), licence: str | None = None
) -> str:
    """The head of a dataset card.

    Args:
        files: Paths by split.
        features: What the columns hold, where the files do not say so themselves.
        licence: The licence, where one is given.
    """
    places = [{"split": split, "path": path} for split, path in files.items()]
    head: dict[str, Any] = {"license": licence} if licence else {}
    head |= {"configs": [{"config_name": "default", "data_files": places}]}
    if features:
        head["dataset_info"] = {"features": features}
    # JSON is YAML, whatever the names hold
    return f"---\n{json.dumps(head, indent=2, ensure_ascii=False)}\n---\n"
