"""What augmentation may be told, as the step `augment` and as options of `regrind curate augment`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Operation = Literal["typo", "case", "spacing", "punctuation", "contraction"]
ALL: tuple[Operation, ...] = ("typo", "case", "spacing", "punctuation", "contraction")


class Augment(msgspec.Struct, tag_field="step", tag="augment", forbid_unknown_fields=True, frozen=True):
    """Add noisy copies of a `share` of the rows, for robustness; no row has more than `per_parent`."""

    share: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.1
    operations: Annotated[tuple[Operation, ...], msgspec.Meta(min_length=1)] = ALL
    per_parent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


Style = Literal["close", "free", "casual", "formal", "short", "long"]


class Paraphrase(msgspec.Struct, frozen=True):
    """Paraphrases of a `share` of the rows, the `styles` by turns; no row has more than `per_parent`."""

    share: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.1
    styles: Annotated[tuple[Style, ...], msgspec.Meta(min_length=1)] = ("close", "free", "casual", "formal")
    per_parent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
