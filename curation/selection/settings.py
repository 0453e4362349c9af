"""What a selection may be told, as the step `select` and as options of `regrind curate select`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Method = Literal["kcenter", "facility", "random"]
Texts = Literal["prompt", "all"]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Select(msgspec.Struct, tag_field="step", tag="select", forbid_unknown_fields=True, frozen=True):
    """Keep the `share` of each task's rows that covers the others best; a task is one first tag.

    `k` rows instead of a share, `quotas` by tag instead of task, at most `budget_tokens`. The share `floor`
    of rows that resemble the others least is not picked. Answers count too where `on` is all. Gains are
    multiplied by the number in the field `quality`; picking ends where the next gain is under `min_gain`.
    `random` knows neither floor nor gains.
    """

    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    k: Count | None = None
    method: Method = "kcenter"
    on: Texts = "prompt"
    floor: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.05
    quality: str = ""
    budget_tokens: Count | None = None
    quotas: dict[str, Count] = {}
    min_gain: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.method == "random" and (self.quality or self.min_gain):
            raise ValueError("random picks by chance: it has no gain that quality or min_gain could change")
        if self.k is not None and self.share != 1:
            raise ValueError("k and share both say how many rows to keep: name one")
        asked = sum(self.quotas.values())
        if self.k is not None and asked > self.k:
            raise ValueError(f"the quotas ask for {asked} rows together, and k is {self.k}")

    @property
    def limits_nothing(self) -> bool:
        """Whether all rows stay, whatever they are."""
        told = self.k is not None or self.budget_tokens is not None or self.quotas or self.min_gain
        return self.share == 1 and not told
