"""What a training run can be told: one frozen record, checked when it is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from curation.errors import UserError

Method = Literal["lora", "full"]
Precision = Literal["auto", "fp32", "bf16"]
Scheduler = Literal["linear", "cosine"]


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training run; wrong values are refused with the field's name.

    Raises:
        UserError: a value is of the wrong kind or outside its range.
    """

    base_model: str = "smollm2-135m-instruct"
    """The embedded model's name, a model directory or a hub id: the default needs no network."""
    method: Method = "lora"
    """LoRA forgets less than full fine-tuning and leaves a small adapter instead of a whole model."""
    epochs: float = 3.0
    """Passes over the rows: a hundred short rows are learnt in three."""
    batch_size: int = 10
    """Rows in one forward pass; LoRA learns badly from large batches."""
    gradient_accumulation_steps: int = 1
    """Batches in one optimiser step: raise it, and not the batch, where memory is short."""
    learning_rate: float = 1e-3
    """Peak rate: LoRA wants about ten times what full fine-tuning does (use 1e-4 there)."""
    warmup_steps: float = 0.1
    """Rise to the peak over this many steps, or over this share of all steps when below 1."""
    lr_scheduler: Scheduler = "linear"
    """How the rate falls to zero after the warm-up."""
    weight_decay: float = 0.0
    """Off: a low rank is restraint enough for a few hundred rows."""
    max_grad_norm: float = 1.0
    """Longer gradients are cut to this length; 0 leaves them alone."""
    lora_rank: int = 16
    """Width of the adapter: enough to learn a policy, and about 1% of a small model's weights."""
    lora_alpha: int = 32
    """The adapter's output is scaled by alpha / rank: twice the rank is the customary start."""
    lora_dropout: float = 0.0
    """Off, so that packed and unpacked rows train alike and a run can be repeated bit for bit."""
    last_layers: int | None = 10
    """Adapt only this many of the last layers (0 or None: all): no gradient runs below them."""
    max_length: int = 512
    """Rows of more tokens than this are left out and counted, never cut."""
    stage: str = ""
    """Only rows with the tag `stage:NAME` are trained on, as `regrind curate shape --stage` gives it."""
    precision: Precision = "auto"
    """bf16 where the hardware multiplies it natively, fp32 elsewhere."""
    seed: int = 0
    """Fixes the adapter's start and the order of the rows."""
    threads: int = 0
    """CPU threads of this run; 0 leaves torch's own choice."""

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_kind(field.name, str(field.type), getattr(self, field.name))
        _check_ranges(self)
        _check_limits(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainSettings:
        """Build settings from a parsed configuration; fields left out keep their defaults.

        Raises:
            UserError: an unknown field, or a value that is refused.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise UserError(
                    f"unknown setting {name!r}", where=f"train.{name}", fix=f"use one of: {', '.join(known)}"
                )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values; `from_dict` turns them back into equal settings."""
        return asdict(self)


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "int | None": (int, type(None)),
}
_CHOICES = {"Method": get_args(Method), "Precision": get_args(Precision), "Scheduler": get_args(Scheduler)}


_LIMITS = {
    "epochs": 10_000,
    "batch_size": 100_000,
    "gradient_accumulation_steps": 100_000,
    "learning_rate": 10,
    "warmup_steps": 10**9,
    "weight_decay": 10,
    "max_grad_norm": 10**9,
    "lora_rank": 10_000,
    "lora_alpha": 10**6,
    "last_layers": 10_000,
    "max_length": 10**8,
    "seed": 2**32 - 1,
    "threads": 1024,
}


def _check_kind(name: str, annotation: str, value: object) -> None:
    if annotation in _CHOICES:
        if value not in _CHOICES[annotation]:
            choices = ", ".join(f'"{choice}"' for choice in _CHOICES[annotation])
            raise UserError(f"{value!r} is not a choice", where=f"train.{name}", fix=f"use one of: {choices}")
    elif isinstance(value, bool) or not isinstance(value, _KINDS[annotation]):
        raise UserError(
            f"{value!r} is not a value of type {annotation}",
            where=f"train.{name}",
            fix=f"give a {annotation}",
        )


def _check_ranges(settings: TrainSettings) -> None:
    above_zero = (
        "epochs",
        "batch_size",
        "gradient_accumulation_steps",
        "learning_rate",
        "lora_rank",
        "lora_alpha",
    )
    for name in above_zero:
        _require(getattr(settings, name) > 0, settings, name, "above 0")
    for name in ("warmup_steps", "weight_decay", "max_grad_norm", "seed", "threads"):
        _require(getattr(settings, name) >= 0, settings, name, "0 or more")
    _require(settings.max_length >= 8, settings, "max_length", "8 or more")
    _require(0 <= settings.lora_dropout < 1, settings, "lora_dropout", "from 0 to below 1")
    _require((settings.last_layers or 0) >= 0, settings, "last_layers", "0 (all layers) or more")
    _require(bool(settings.base_model.strip()), settings, "base_model", "a model's name or directory")


def _check_limits(settings: TrainSettings) -> None:
    """Refuse what can only be a slip: torch would fail on it with an error about itself."""
    for name, limit in _LIMITS.items():
        value = getattr(settings, name)
        _require(value is None or value <= limit, settings, name, f"at most {limit}")


def _require(holds: bool, settings: TrainSettings, name: str, allowed: str) -> None:
    value = getattr(settings, name)
    if not holds or value in (float("inf"), float("-inf")):
        raise UserError(f"{value!r} is out of range", where=f"train.{name}", fix=f"make it {allowed}")
