"""Refuse a job that this machine, this call or these rows cannot carry, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from curation.errors import UserError
from training.adapters import demand_bitsandbytes
from training.together import processes, sharded

if TYPE_CHECKING:
    from training.jobfiles import Rows
    from training.settings import TrainSettings


def demand_possible(settings: TrainSettings, *, scored: bool) -> None:
    """Refuse what this machine, or this call, cannot do.

    Args:
        settings: The run's settings.
        scored: Whether a score function was handed in.

    Raises:
        UserError: with what to change.
    """
    if settings.method == "qlora":
        demand_bitsandbytes("train.method", "qlora", 'use method "lora"')
    if settings.optim.endswith("8bit"):
        demand_bitsandbytes("train.optim", settings.optim, 'use optim "adamw_torch_fused"')
    if settings.attention == "flex_attention" and not torch.cuda.is_available():
        problem = "flex_attention needs CUDA, which is not here"
        raise UserError(problem, where="train.attention", fix='use attention "auto"')
    if settings.batch_size % processes():
        fix = f"make it a multiple of {processes()}"
        problem = f"{processes()} processes cannot share a batch of {settings.batch_size}"
        raise UserError(problem, where="train.batch_size", fix=fix)
    if sharded():
        fix = "use a launcher's plain data parallelism, in which each process holds the whole model"
        problem = "FSDP and DeepSpeed keep the model in parts, which our checkpoints do not hold yet"
        raise UserError(problem, where="accelerate's configuration", fix=fix)
    if settings.virtual and processes() > 1:
        fix = 'run it in one process, or use method "lora"'
        raise UserError(f"{settings.method} trains in one process", where="train.method", fix=fix)
    if settings.metric_for_best_model == "score" and settings.eval_strategy != "no" and not scored:
        fix = 'hand a function to training.job.run, or use "loss" or "exact_match"'
        raise UserError("no score function was handed in", where="train.metric_for_best_model", fix=fix)


def demand_rows(rows: Rows, held: Rows, settings: TrainSettings) -> None:
    """Refuse a job without rows to train on, or to score where the settings ask for that.

    Raises:
        UserError: with what to change.
    """
    if not rows.encoded:
        raise UserError(
            f"no row to train on ({len(rows.left_out)} have more than {settings.max_length} tokens)",
            where="train.jsonl",
            fix="raise train.max_length" if rows.left_out else "put rows into the snapshot's train split",
        )
    if settings.eval_strategy != "no" and not held.encoded:
        raise UserError(
            "there are no validation rows to score during the run",
            where="train.eval_strategy",
            fix='put rows into the validation split, or set train.eval_strategy to "no"',
        )
