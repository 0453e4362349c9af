"""Who a judge is: all that decides its verdicts beside the item, and the id that follows from it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec import Struct


class Identity(Struct, frozen=True):
    """What must be the same for two scores to be comparable.

    Attributes:
        kind: Kind of judge, such as `anthropic`.
        model: Name of the model, or of what takes its place; empty where there is none.
        rubric: Name of the rubric, or of what takes its place.
        version: Version of the rubric.
        content: The rubric as JSON types.
        prompt: SHA-256 of all that a model is told beside the item; empty where none is.
        settings: Whatever else decides a verdict.
    """

    kind: str
    model: str
    rubric: str
    version: int
    content: dict[str, Any]
    prompt: str = ""
    settings: dict[str, Any] = {}

    @property
    def id(self) -> str:
        """Kind, model, rubric with version, and eight digits of the hash of everything."""
        digest = hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:8]
        named = f"{self.rubric}-v{self.version}"
        return "/".join(part for part in (self.kind, self.model, named, digest) if part)
