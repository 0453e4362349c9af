"""A callback that watches the run: lines of metrics, stopping early, stopping when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import TrainerControl, TrainerState, TrainingArguments

    from training.settings import TrainSettings
    from training.trainer import PackedTrainer, Run


class Watch(TrainerCallback):  # type: ignore[misc]
    """Tells a run's metrics, and ends it early.

    Args:
        run: Whose settings say when.
    """

    trainer: PackedTrainer

    def __init__(self, run: Run) -> None:
        self._run = run
        self.stopped = False

    def on_step_end(
        self, _args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """End the run with a checkpoint, when that is asked for."""
        if self._asked():
            self.stopped = control.should_training_stop = True
            control.should_save = self.trainer.checkpoints is not None
        # The last step has a line of metrics, and each that is scored, whatever the steps between two lines.
        last = self.stopped or state.global_step >= state.max_steps
        control.should_log |= last or control.should_evaluate

    def on_epoch_end(
        self, _args: TrainingArguments, _state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Tell a line of metrics before the rows are scored."""
        control.should_log |= control.should_evaluate

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: dict[str, float],
        **_: object,
    ) -> None:
        """Tell a line of metrics."""
        place = {"step": state.global_step, "epoch": round(float(state.epoch or 0), 4)}
        if "loss" in logs:
            kept: dict[str, Any] = {
                name: logs[name] for name in ("loss", "learning_rate", "grad_norm") if name in logs
            }
            self._run.on_step({**place, "total": state.max_steps, **kept, "tokens": self.trainer.tokens})
        elif any(name.startswith("eval_") for name in logs):
            scores = {k.replace("eval_", "validation_"): v for k, v in logs.items() if k.startswith("eval_")}
            self._run.on_step({**place, **scores})

    def on_evaluate(
        self, _args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Keep what was scored where the best is wanted, and end the run when nothing gains any more."""
        settings = self._run.settings
        control.should_save |= settings.load_best_model_at_end
        if no_more_gain(state.log_history, settings):
            control.should_training_stop = True

    def _asked(self) -> bool:
        asked = [self._run.stopped()]
        if self.trainer.accelerator.num_processes > 1:
            # All processes must end after the same step: the first one decides.
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(asked)
        return asked[0]


def no_more_gain(history: Sequence[dict[str, Any]], settings: TrainSettings) -> bool:
    """Say whether a run with such a history of scores is to stop early."""
    metric = f"eval_{settings.metric_for_best_model}"
    sign = 1 if settings.metric_for_best_model == "loss" else -1
    values = [sign * entry[metric] for entry in history if metric in entry]
    waited = without_gain(values, settings.early_stopping_threshold)
    return 0 < settings.early_stopping_patience <= waited


def without_gain(values: Sequence[float], threshold: float) -> int:
    """Return how many values came since one was lower than the best before it by more than a threshold."""
    best, waited = float("inf"), 0
    for value in values:
        waited = 0 if value < best - threshold or best == float("inf") else waited + 1
        best = min(best, value)
    return waited
