"""What a finished run says of itself: what it had, and what the model makes of the validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from training.curves import warnings
from training.evaluate import Measured, measure
from training.model import LoadedModel, dtype_of
from training.together import processes

if TYPE_CHECKING:
    from training.jobfiles import Rows
    from training.settings import TrainSettings


@dataclass(frozen=True)
class Trained:
    """What a run made: the model, the rows it had, and which step's model it is."""

    loaded: LoadedModel
    rows: Rows
    held: Rows
    before: Measured | None
    step: int


def described(settings: TrainSettings, trained: Trained) -> dict[str, Any]:
    """Return what the run had: method, precision, batches, rows."""
    rows, held = trained.rows, trained.held
    return {
        "base": settings.base_model,
        "method": settings.method,
        "precision": "bf16" if dtype_of(settings.precision) == torch.bfloat16 else "fp32",
        "threads": torch.get_num_threads(),
        "processes": processes(),
        "batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "rows": len(rows.encoded),
        "left_out": rows.left_out,
        "validation_rows": len(held.encoded),
        "validation_left_out": held.left_out,
        "answer_tokens": sum(len(row.answer_ids) for row in rows.encoded),
    }


def measured(metrics: list[dict[str, Any]], trained: Trained, settings: TrainSettings) -> dict[str, Any]:
    """Return what the run came to: steps, losses, exact match, warnings.

    Args:
        metrics: The lines of its stream.
        trained: What it made.
        settings: The run's settings.
    """
    losses = [line["loss"] for line in metrics if "loss" in line]
    held = trained.held.encoded
    after = measure(trained.loaded, held, settings.precision, packing=settings.packing)
    return {
        "steps": metrics[-1]["step"],
        "model_of_step": trained.step,
        "train_loss_first": losses[0],
        "train_loss_last": losses[-1],
        "validation_loss_before": trained.before.loss if trained.before else None,
        "validation_loss_after": after.loss if after else None,
        "validation_exact_match": after.exact_match if after else None,
        "end_of_turn_share": after.end_of_turn if after else None,
        "warnings": warnings(metrics, after.end_of_turn if after else None)
        + _warm_up(metrics[-1]["step"], settings),
    }


def _warm_up(steps: int, settings: TrainSettings) -> list[str]:
    if settings.warmup_steps < max(1, steps):
        return []
    return [f"the learning rate rose to the last of {steps} steps: lower train.warmup_steps"]
