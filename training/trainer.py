"""The ecosystem's Trainer, fed with packs: resume, accelerate and callbacks stay its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from curation.errors import UserError
from training.frozen import States, lower_states, upper_part
from training.model import LoadedModel, autocast
from training.pack import Pack, answer_loss, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from transformers import PreTrainedModel, TrainerControl, TrainerState

    from training.encode import Encoded
    from training.settings import TrainSettings


class PackedTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose batches are packs, its loss the mean over the effective batch's answer tokens."""

    def __init__(self, precision: str, **arguments: object) -> None:
        super().__init__(**arguments)
        self.precision = precision
        # Ours is a sum divided by the answer tokens of all accumulated batches, so it needs no more scaling.
        self.model_accepts_loss_kwargs = self.loss_is_scaled_for_ga = True

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return this batch's share of the loss in nats per answer token of the effective batch.

        Raises:
            UserError: the loss is not a number any more.
        """
        assert not return_outputs, "evaluation does not go through the Trainer"
        assert num_items_in_batch is not None, "the collator gives labels to count"
        with autocast(self.model, self.precision):
            total = torch.stack([answer_loss(model, Pack(**packed)) for packed in inputs["packs"]]).sum()
        loss: torch.Tensor = total * self.accelerator.num_processes / num_items_in_batch
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss became {loss.item()} at step {self.state.global_step + 1}",
                where="train.learning_rate",
                fix="lower train.learning_rate, or set train.precision to fp32",
            )
        return loss


def collate(indices: Sequence[int], rows: Sequence[Encoded], states: States | None) -> dict[str, Any]:
    """Pack a batch of rows, with the lower layers' states where there are any."""
    packs = pack([rows[i] for i in indices])
    if states:
        packs = [states.give(packed, indices) for packed in packs]
    # `shift_labels` is what the Trainer counts to know how many tokens a step has.
    labels = torch.cat([packed.labels for packed in packs])
    # Plain mappings, because the Trainer rebuilds containers in a way that named tuples do not survive.
    return {"packs": [packed._asdict() for packed in packs], "labels": labels, "shift_labels": labels}


def train(
    loaded: LoadedModel,
    rows: Sequence[Encoded],
    settings: TrainSettings,
    scratch: Path,
    on_step: Callable[[dict[str, float]], None],
) -> None:
    """Train the model in place.

    Args:
        loaded: The model; what is to be trained requires gradients.
        rows: The encoded training rows.
        settings: The run's settings.
        scratch: A directory the Trainer may write into.
        on_step: Called after each optimiser step with step, total, epoch, loss and learning_rate.

    Raises:
        UserError: the loss became infinite or not a number.
    """
    states = lower_states(loaded, rows, settings.precision)
    trainer = PackedTrainer(
        settings.precision,
        model=loaded.model,
        args=_arguments(settings, scratch),
        train_dataset=range(len(rows)),
        data_collator=partial(collate, rows=rows, states=states),
        processing_class=loaded.tokenizer,
        callbacks=[_StepCallback(on_step)],
    )
    trainer.remove_callback(PrinterCallback)
    with upper_part(loaded.model, states):
        trainer.train()


def _arguments(settings: TrainSettings, scratch: Path) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.rate,
        warmup_steps=settings.warmup_steps,
        lr_scheduler_type=settings.lr_scheduler,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    # One process drives one accelerator: DataParallel would split a pack. More of them: `accelerate launch`.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


class _StepCallback(TrainerCallback):  # type: ignore[misc]
    def __init__(self, on_step: Callable[[dict[str, float]], None]) -> None:
        self.on_step = on_step

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: dict[str, float],
        **_: object,
    ) -> None:
        if "loss" in logs:
            self.on_step(
                {
                    "step": state.global_step,
                    "total": state.max_steps,
                    "epoch": round(float(state.epoch), 4),
                    "loss": logs["loss"],
                    "learning_rate": logs["learning_rate"],
                }
            )
