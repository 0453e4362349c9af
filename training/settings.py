"""What a training run can be told: one frozen record, checked when it is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from curation.errors import UserError
from training.checks import check_combinations, check_effect, check_kinds, check_ranges

LoraMethod = Literal["lora", "qlora", "dora", "rslora"]
VirtualMethod = Literal["prompt-tuning", "p-tuning", "prefix-tuning"]
Method = Literal[
    "lora",
    "qlora",
    "dora",
    "rslora",
    "loha",
    "lokr",
    "ia3",
    "vera",
    "prompt-tuning",
    "p-tuning",
    "prefix-tuning",
    "full",
]
Precision = Literal["auto", "fp32", "bf16"]
Scheduler = Literal["linear", "cosine", "constant_with_warmup"]
Optimizer = Literal["adamw_torch_fused", "adamw_torch", "adafactor", "sgd", "adamw_8bit", "paged_adamw_8bit"]
Evaluate = Literal["no", "steps", "epoch"]
Metric = Literal["loss", "exact_match", "score"]
ActivationCache = Literal["run", "kept", "off"]
Attention = Literal["auto", "sdpa", "eager", "flex_attention"]


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training run; wrong values are refused with the field's name.

    Raises:
        UserError: a value is of the wrong kind, outside its range, or goes together with no other.
    """

    base_model: str = "smollm2-135m-instruct"
    """The embedded model's name, a model directory or a hub id: the default needs no network."""
    method: Method = "lora"
    """LoRA forgets less than full fine-tuning and leaves a small adapter instead of a whole model."""
    epochs: float = 3.0
    """Passes over the rows: a hundred short rows are learnt in three."""
    batch_size: int = 10
    """Rows in one forward pass, of all processes together; LoRA learns badly from large batches."""
    gradient_accumulation_steps: int = 1
    """Batches in one optimiser step: raise it, and not the batch, where memory is short."""
    learning_rate: float | None = None
    """Peak rate; left out, 1e-3 for adapters, 1e-4 for full fine-tuning, 1e-2 for virtual tokens: each
    kind wants about ten times the rate of the one before."""
    warmup_steps: float = 0.1
    """Rise to the peak over this many steps, or over this share of all steps when below 1."""
    lr_scheduler: Scheduler = "linear"
    """How the rate goes on after the warm-up: to zero, because the last steps should settle."""
    optim: Optimizer = "adamw_torch_fused"
    """AdamW in one kernel; its 8-bit forms need bitsandbytes, and pay where many weights train."""
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
    num_virtual_tokens: int = 20
    """Trained tokens before every prompt, of prompt, prefix and p-tuning: PEFT's examples use 8 to 20."""
    last_layers: int | None = None
    """Train only this many of the last layers, and run no gradient below them; 0: all. Left out, 10 for
    adapters, which learn a policy there at a third of the cost, and all in full fine-tuning."""
    max_length: int = 512
    """Rows of more tokens than this are left out and counted, never cut."""
    packing: bool = True
    """Lay rows into one sequence, a common start computed once; exact, so off is only slower."""
    activation_cache: ActivationCache = "run"
    """Frozen lower layers run once per row, not once per epoch, where that is exact; "kept": once for all
    runs. That makes retrains cheap, but equal to a cold run up to rounding only: not the default."""
    attention: Attention = "auto"
    """SDPA, or eager where a model has no SDPA; flex_attention (CUDA) never makes the whole mask."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: a third more time, for memory. Off by default."""
    stage: str = ""
    """Only rows with the tag `stage:NAME` are trained on, as `regrind curate shape --stage` gives it."""
    precision: Precision = "auto"
    """bf16 where the hardware multiplies it natively, fp32 elsewhere."""
    eval_strategy: Evaluate = "no"
    """When the validation rows are scored during the run; they always are before and after it."""
    eval_steps: int = 50
    """Steps between two scorings with eval_strategy "steps": about a minute for a small model."""
    metric_for_best_model: Metric = "loss"
    """What early stopping and the best checkpoint go by; "score" is a function handed to `job.run`."""
    load_best_model_at_end: bool = False
    """Keep the model of the best scoring instead of the last one; off, because validation sets are small."""
    early_stopping_patience: int = 0
    """Stop after this many scorings in a row without a gain; 0: run to the end."""
    early_stopping_threshold: float = 0.0
    """A gain is more than this: any, because patience already waits out the noise."""
    logging_steps: int = 1
    """Steps between two lines of metrics: each, because a line costs nothing beside a step."""
    save_steps: int = 50
    """Steps between two checkpoints: what a kill may cost; 0: none."""
    save_total_limit: int = 2
    """Checkpoints that are kept, beside the best: the last, and one before it should it be damaged."""
    trust_remote_code: bool = False
    """Run Python code from the model's folder; off, because a model file should not be a program."""
    seed: int = 0
    """Fixes the adapter's start and the order of the rows."""
    threads: int = 0
    """CPU threads of this run; 0 leaves torch's own choice."""

    def __post_init__(self) -> None:
        annotations = {field.name: str(field.type) for field in fields(self)}
        values = {name: getattr(self, name) for name in annotations}
        check_kinds(values, annotations, _CHOICES)
        check_ranges(values)
        check_combinations(values)
        check_effect(values, {field.name: field.default for field in fields(self)})

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

    @property
    def virtual(self) -> bool:
        """Whether virtual tokens are trained, and nothing inside the model."""
        return self.method in get_args(VirtualMethod)

    @property
    def rate(self) -> float:
        """The peak learning rate: as given, or the method's own."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 1e-4 if self.method == "full" else 1e-2 if self.virtual else 1e-3

    def first_layer(self, layers: int) -> int:
        """Number of the lowest layer that is trained, of a model with so many layers."""
        chosen = self.last_layers
        if chosen is None:
            chosen = 0 if self.method == "full" else 10
        return max(0, layers - (chosen or layers))


_CHOICES = {
    "Method": get_args(Method),
    "Precision": get_args(Precision),
    "Scheduler": get_args(Scheduler),
    "Optimizer": get_args(Optimizer),
    "Evaluate": get_args(Evaluate),
    "Metric": get_args(Metric),
    "ActivationCache": get_args(ActivationCache),
    "Attention": get_args(Attention),
}
