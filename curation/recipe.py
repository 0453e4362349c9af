"""The `[[curate.step]]` list: what each step may be told, and the recipe that the list is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from curation.augmentation.settings import Augment
from curation.dedup import Compare, How, Mode, Policy
from curation.pii import ALL, KindName
from curation.selection.settings import Select

if TYPE_CHECKING:
    from collections.abc import Sequence

Similarity = Annotated[float, msgspec.Meta(gt=0, le=1)]
Action = Literal["redact", "report", "drop"]


class Validate(msgspec.Struct, tag_field="step", tag="validate", forbid_unknown_fields=True, frozen=True):
    """Check every row; rows that break a rule at level error, or one named in `drop`, go."""

    drop: tuple[str, ...] = ()


class Redact(msgspec.Struct, tag_field="step", tag="redact", forbid_unknown_fields=True, frozen=True):
    """Find personal data and secrets: `redact` puts placeholders, `drop` rows out, `report` is a finding."""

    action: Action = "redact"
    kinds: Annotated[tuple[KindName, ...], msgspec.Meta(min_length=1)] = ALL


class Dedup(msgspec.Struct, tag_field="step", tag="dedup", forbid_unknown_fields=True, frozen=True):
    """Drop exact, normalised and near duplicates; `conflicts` says what becomes of contradicting rows."""

    threshold: Similarity = 0.8
    conflicts: Policy = "report"
    on: Compare = "prompt"
    mode: Mode = "anchored"

    @property
    def how(self) -> How:
        """The same for `curation.dedup`."""
        return How(self.threshold, on=self.on, conflicts=self.conflicts, mode=self.mode)


class Merge(msgspec.Struct, tag_field="step", tag="merge", forbid_unknown_fields=True, frozen=True):
    """Grow from the earlier snapshot: accepted corrections and high-scoring traces come to its rows.

    A cycle does this with or without the step; `regrind curate run` does it where the step is in the list.

    Attributes:
        corrections: At most so many corrections, those of the lowest scores first.
        traces: At most so many traces that scored high, those of the highest scores first.
    """

    corrections: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    traces: Annotated[int, msgspec.Meta(ge=0)] = 10_000


Step = Validate | Redact | Dedup | Select | Augment | Merge

VERSIONS = {"validate": 1, "redact": 1, "dedup": 1, "select": 1, "augment": 1, "merge": 1}
"""Raised when a step's meaning changes: the same settings then make another snapshot."""


def recipe_of(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps as a recipe tells them: name, version and settings of each."""
    told = [msgspec.to_builtins(step) for step in steps]
    return [step | {"version": VERSIONS[step["step"]]} for step in told]
