"""Refuse a job that this machine, this call or these rows cannot carry, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from curation.errors import UserError
from training.adapters import demand_bitsandbytes
from training.model import context_of
from training.together import processes, sharded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.encode import Encoded
    from training.jobfiles import Rows
    from training.model import LoadedModel
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


def readable_tokens(loaded: LoadedModel, settings: TrainSettings) -> int:
    """Return how many tokens a row may have: as many as the settings allow and the model can read."""
    context = context_of(loaded) or settings.max_length
    return min(settings.max_length, context - (settings.num_virtual_tokens if settings.virtual else 0))


def demand_known_tokens(loaded: LoadedModel, rows: Sequence[Encoded]) -> None:
    """Refuse rows with a token that the model has no embedding for.

    Raises:
        UserError: tokenizer and model are not of one another, or nothing ends an answer.
    """
    if any(row.answer_ids[-1] is None for row in rows):
        problem = "the tokenizer has no token that ends an answer"
        raise UserError(problem, where="train.base_model", fix="set eos_token in tokenizer_config.json")
    highest = max(max(row.ids) for row in rows)
    known = loaded.model.get_input_embeddings().weight.shape[0]
    if highest >= known:
        problem = f"the tokenizer writes token {highest}, and the model knows {known}"
        raise UserError(problem, where="train.base_model", fix="use a folder with the model's own tokenizer")


def demand_rows(rows: Rows, held: Rows, settings: TrainSettings, longest: int) -> None:
    """Refuse a job without rows to train on, or to score where the settings ask for that.

    Raises:
        UserError: with what to change.
    """
    if not rows.encoded:
        raise UserError(
            f"no row to train on ({len(rows.left_out)} have more than {longest} tokens)",
            where="train.jsonl",
            fix="raise train.max_length, or use a base that reads more"
            if rows.left_out
            else "put rows into the snapshot's train split",
        )
    if settings.eval_strategy != "no" and not held.encoded:
        raise UserError(
            "there are no validation rows to score during the run",
            where="train.eval_strategy",
            fix='put rows into the validation split, or set train.eval_strategy to "no"',
        )
