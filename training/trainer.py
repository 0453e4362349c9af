"""The ecosystem's Trainer, fed with packs: optimisers, accelerate and callbacks stay its own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers import PrinterCallback, Trainer, TrainerState, TrainingArguments

from curation.errors import UserError
from training.batches import Collator, Numbers, RowOrder
from training.checkpoint import Checkpoints, load_generators
from training.frozen import Whole, lower_states, upper_part
from training.model import LoadedModel, autocast, device
from training.pack import Pack, answer_loss
from training.plan import MAX_TOKENS
from training.together import processes
from training.watch import Watch, no_more_gain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

    from training.encode import Encoded
    from training.settings import TrainSettings

    Told = Callable[[dict[str, Any]], None]
    Scores = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Run:
    """What one training run goes by.

    Attributes:
        settings: The run's settings.
        rows: The encoded training rows.
        ids: Name of each row, for messages.
        scratch: A directory the Trainer may write into.
        on_step: Called after each step that is logged with step, total, epoch, loss, learning_rate,
            grad_norm and tokens, and after each scoring with step, epoch and the scores.
        on_resume: Called as training begins, with the step that it goes on from.
        scores: Scores the validation rows; only called with an `eval_strategy`.
        checkpoints: Folder of the checkpoints; None: none are written.
        identity: What the job is made of: its own checkpoints alone are gone on from.
        activations: Folder where states of frozen layers are kept for the next run.
        stopped: Whether somebody asked the run to stop.
    """

    settings: TrainSettings
    rows: Sequence[Encoded]
    ids: Sequence[str]
    scratch: Path
    on_step: Told
    on_resume: Callable[[int], None] = lambda _: None
    scores: Scores = field(default=dict)
    checkpoints: Path | None = None
    identity: str = ""
    activations: Path | None = None
    stopped: Callable[[], bool] = bool


class PackedTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose batches are packs, its loss the mean over the effective batch's answer tokens."""

    def __init__(self, run: Run, checkpoints: Checkpoints | None, **arguments: object) -> None:
        super().__init__(**arguments)
        self.run = run
        self.tokens = 0
        self.whole: Whole = contextlib.nullcontext
        self.checkpoints = checkpoints
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
            UserError: the loss is not a number any more; names the step and the rows.
        """
        assert not return_outputs, "evaluation does not go through the Trainer"
        assert num_items_in_batch is not None, "the collator gives labels to count"
        with autocast(self.model, self.run.settings.precision):
            total = torch.stack([answer_loss(model, Pack(**packed)) for packed in inputs["packs"]]).sum()
        loss: torch.Tensor = total * self.accelerator.num_processes / num_items_in_batch
        if not inputs["rows"]:
            return loss * 0
        if not torch.isfinite(loss):
            self._refuse_loss(loss.item(), inputs["rows"])
        self.tokens += inputs["tokens"]
        return loss

    def evaluate(self, *_: object, **__: object) -> dict[str, float]:
        """Score the validation rows with the whole model, and tell the callbacks."""
        with self.whole():
            found = self.run.scores()
        scores = {f"eval_{name}": value for name, value in found.items()}
        self.log(scores)
        self.callback_handler.on_evaluate(self.args, self.state, self.control, scores)
        return scores

    def _refuse_loss(self, loss: float, rows: Sequence[int]) -> None:
        names = ", ".join(self.run.ids[i] for i in rows[:20]) + (", …" if len(rows) > 20 else "")
        raise UserError(
            f"the loss became {loss} at step {self.state.global_step + 1}, on the rows {names}",
            where="train.learning_rate",
            fix="lower train.learning_rate, set train.precision to fp32, or look into these rows",
        )

    def _get_train_sampler(self, train_dataset: object = None) -> RowOrder:  # noqa: ARG002
        settings = self.run.settings
        return RowOrder(len(self.run.rows), settings.batch_size, settings.seed)

    def _save_checkpoint(self, model: object, trial: object) -> None:  # noqa: ARG002
        assert self.checkpoints is not None, "no checkpoint is asked for without a place for it"
        if self.args.should_save:
            self.checkpoints.save(self.state, self._trained(), self.optimizer, self.lr_scheduler)
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: object = None) -> None:  # noqa: ARG002
        self.load_weights(self._place(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None and self.checkpoints is not None:
            self.checkpoints.load_optimizer(self._place(checkpoint), self.optimizer, self.lr_scheduler)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            load_generators(self._place(checkpoint))

    def load_weights(self, checkpoint: Path) -> None:
        """Put a checkpoint's weights into the model."""
        assert self.checkpoints is not None
        self.checkpoints.load_weights(checkpoint, self._trained())

    def _place(self, checkpoint: str) -> Path:
        assert self.checkpoints is not None
        return self.checkpoints.folder / Path(checkpoint).name

    def _trained(self) -> list[torch.nn.Parameter]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]


class Ended(NamedTuple):
    """How a run ended: the step whose model this is, and whether it was asked to stop."""

    step: int
    stopped: bool


def train(loaded: LoadedModel, run: Run) -> Ended:
    """Train the model in place, from the run's newest checkpoint where there is one.

    Args:
        loaded: The model; what is to be trained requires gradients.
        run: What to train on, and how.

    Returns:
        The step whose model this is: the last one, or the best where that is asked for.

    Raises:
        UserError: the loss became infinite or not a number; a checkpoint is damaged.
    """
    settings = run.settings
    kept = run.activations if settings.activation_cache == "kept" else None
    states = lower_states(loaded, run.rows, settings, kept)
    max_tokens = MAX_TOKENS if settings.packing else 0
    checkpoints = _checkpoints(loaded.model, run)
    newest = checkpoints.newest() if checkpoints else None
    watch = Watch(run)
    trainer = PackedTrainer(
        run,
        checkpoints,
        model=loaded.model,
        args=_arguments(run),
        train_dataset=Numbers(len(run.rows)),
        eval_dataset=Numbers(1),
        data_collator=Collator(run.rows, states, max_tokens),
        processing_class=loaded.tokenizer,
        callbacks=[watch],
    )
    watch.trainer = trainer
    trainer.remove_callback(PrinterCallback)
    run.on_resume(int(newest.name.removeprefix("step-")) if newest else 0)
    with upper_part(loaded.model, states) as trainer.whole:
        if newest and _stopped_early(newest, settings):
            trainer.state = TrainerState.load_from_json(str(newest / "trainer_state.json"))
            trainer.load_weights(newest)
        else:
            trainer.train(resume_from_checkpoint=str(newest) if newest else None)
        step = int(trainer.state.global_step)
        if settings.load_best_model_at_end and checkpoints and trainer.state.best_global_step:
            step = int(trainer.state.best_global_step)
            trainer.load_weights(checkpoints.path(step))
    return Ended(step, watch.stopped)


def _stopped_early(checkpoint: Path, settings: TrainSettings) -> bool:
    """Whether a run ended at this checkpoint, and was killed before it had written its result."""
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return no_more_gain(state.log_history, settings)


def _checkpoints(model: PreTrainedModel, run: Run) -> Checkpoints | None:
    if run.checkpoints is None:
        return None
    # Named before the model is cut above its frozen layers, which would number them anew.
    names = {id(weight): name for name, weight in model.named_parameters() if weight.requires_grad}
    return Checkpoints(run.checkpoints, run.identity, run.settings.save_total_limit, names)


def _arguments(run: Run) -> TrainingArguments:
    settings = run.settings
    keeps = run.checkpoints is not None and (settings.save_steps > 0 or settings.load_best_model_at_end)
    arguments = TrainingArguments(
        output_dir=str(run.scratch),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size // processes(),
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.rate,
        warmup_steps=settings.warmup_steps,
        lr_scheduler_type=settings.lr_scheduler,
        optim=settings.optim,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        logging_steps=settings.logging_steps,
        logging_nan_inf_filter=False,
        eval_strategy=settings.eval_strategy,
        eval_steps=settings.eval_steps,
        metric_for_best_model=settings.metric_for_best_model if settings.eval_strategy != "no" else None,
        greater_is_better=settings.metric_for_best_model != "loss",
        save_strategy="steps" if keeps else "no",
        save_steps=settings.save_steps or 10**9,
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if settings.gradient_checkpointing else None,
        use_cpu=device().type == "cpu",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_broadcast_buffers=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    # One process drives one accelerator: DataParallel would split a pack. More of them: `accelerate launch`.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
