"""Run one training job: a directory with rows and settings in, a model and its measurements out."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from curation.errors import UserError
from curation.files import write_text
from training.adapters import adapt
from training.apart import demand_apart
from training.checkpoint import FOLDER as CHECKPOINTS
from training.curves import svg
from training.embedded import find_model
from training.evaluate import measure
from training.jobfiles import (
    STOP,
    Rows,
    clear,
    encode_file,
    identity,
    read_json,
    snapshot_id,
)
from training.memory import is_out_of_memory, release, with_smaller_batches
from training.metrics import Stream, read_metrics
from training.model import LoadedModel, dtype_of, load_base
from training.possible import demand_known_tokens, demand_possible, demand_rows, readable_tokens
from training.result import Trained, described, measured
from training.save import save_model
from training.settings import TrainSettings
from training.state import JobState, claimed
from training.together import first, joined, processes, wait
from training.trainer import Run, train

if TYPE_CHECKING:
    from training.encode import Encoded

Progress = Callable[[dict[str, Any]], None]
Score = Callable[[LoadedModel], float]


def run(
    jobdir: Path,
    progress: Progress | None = None,
    cache: Path | None = None,
    score: Score | None = None,
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train on a job directory's rows; the same directory and thread count give the same model, bit for bit.

    Read: settings.json (a TrainSettings mapping), manifest.json (its "id"), train.jsonl, validation.jsonl.
    Written: state.json, metrics.jsonl and checkpoints/ while running, then curves.svg, model/, and last
    result.json.
    A run that was stopped or killed goes on from its newest checkpoint; a finished one is run anew.

    Args:
        jobdir: The job directory.
        progress: Called after each step with step, total, epoch, loss (nats per token) and learning_rate,
            after each scoring with its scores, and with a "note" when something was changed.
        cache: Where the embedded model is kept; `jobdir/../cache` by default.
        score: Scores the model for `metric_for_best_model = "score"`; higher is better.
        fresh: Begin anew, whatever an earlier run left.

    Returns:
        The content of result.json.

    Raises:
        UserError: the job is running already; a file, a row or a setting is wrong; the loss became infinite
            or not a number; memory ran out with one row at a time; the run was asked to stop.
    """
    with joined(), claimed(jobdir) if first() else contextlib.nullcontext():
        if first():
            clear(jobdir, keep_progress=not fresh and not (jobdir / "result.json").exists())
        wait()
        state = JobState(jobdir, writes=first())
        state.tell("queued")
        job = _Job(jobdir, state, _told(progress), cache or jobdir.parent / "cache", score)
        threads = torch.get_num_threads()
        try:
            result = _run(job)
        except BaseException as error:
            asked = isinstance(error, (StoppedError, KeyboardInterrupt))
            state.tell("stopped" if asked else "failed", error=str(error))
            raise
        finally:
            torch.set_num_threads(threads)
        if first():
            write_text(jobdir / "result.json", json.dumps(result, indent=2, sort_keys=True) + "\n")
            shutil.rmtree(jobdir / CHECKPOINTS, ignore_errors=True)
        state.tell("completed", seconds_left=0.0)
        wait()
        return result


class StoppedError(UserError):
    """Somebody asked the run to stop, and it did, after a checkpoint."""


@dataclass(frozen=True)
class _Job:
    jobdir: Path
    state: JobState
    tell: Progress
    cache: Path
    score: Score | None


def _told(progress: Progress | None) -> Progress:
    return progress if progress and first() else lambda _: None


def _run(job: _Job) -> dict[str, Any]:
    began = time.perf_counter()
    settings = TrainSettings.from_dict(read_json(job.jobdir / "settings.json"))
    snapshot = snapshot_id(job.jobdir / "manifest.json")
    demand_possible(settings, scored=job.score is not None)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    base = find_model(settings.base_model, job.cache)
    settings, trained = _as_memory_allows(job, base, settings)
    metrics = read_metrics(job.jobdir / "metrics.jsonl")
    found = described(settings, trained) | measured(metrics, trained, settings)
    if first():
        write_text(job.jobdir / "curves.svg", svg(metrics))
        save_model(job.jobdir / "model", trained.loaded, settings)
    return {
        "snapshot": snapshot,
        **found,
        "seconds": round(time.perf_counter() - began, 3),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "accelerate")},
    }


def _as_memory_allows(job: _Job, base: Path, settings: TrainSettings) -> tuple[TrainSettings, Trained]:
    """Train; when memory runs out, go on from the last checkpoint with the same steps in smaller batches."""
    while True:
        try:
            return settings, _attempt(job, base, settings)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            smaller = with_smaller_batches(settings, processes())
            if processes() > 1:  # the other processes wait for this one in the middle of a step
                fix = f"set train.batch_size to {smaller.batch_size} and run it again"
                raise UserError("memory ran out", where="train.batch_size", fix=fix) from error
            settings = smaller
        release()
        rows, parts = settings.batch_size, settings.gradient_accumulation_steps
        note = f"memory ran out: going on with batches of {rows}, {parts} to a step"
        job.tell({"note": note})
        job.state.tell("running", note=note)


def _attempt(job: _Job, base: Path, settings: TrainSettings) -> Trained:
    torch.manual_seed(settings.seed)
    loaded = _prepare(base, settings)
    longest = readable_tokens(loaded, settings)
    rows = encode_file(job.jobdir / "train.jsonl", loaded.tokenizer, longest)
    held = encode_file(job.jobdir / "validation.jsonl", loaded.tokenizer, longest)
    demand_rows(rows, held, settings, longest)
    demand_known_tokens(loaded, [*rows.encoded, *held.encoded])
    if settings.packing:
        demand_apart(loaded, rows.encoded, settings.precision)
    before = measure(loaded, held.encoded, settings.precision, packing=settings.packing)
    step = _train(job, loaded, rows, held, settings, identity(job.jobdir, settings, base))
    return Trained(loaded, rows, held, before, step)


def _prepare(base: Path, settings: TrainSettings) -> LoadedModel:
    # Full: fp32 weights, because bf16 has too few digits to add small updates to.
    dtype = torch.float32 if settings.method == "full" else dtype_of(settings.precision)
    loaded = load_base(
        base,
        dtype,
        attention=settings.attention,
        trust=settings.trust_remote_code,
        nf4=settings.method == "qlora",
    )
    return LoadedModel(adapt(loaded.model, settings), loaded.tokenizer, base)


def _train(
    job: _Job, loaded: LoadedModel, rows: Rows, held: Rows, settings: TrainSettings, identity: str
) -> int:
    stream = Stream(job.jobdir / "metrics.jsonl", first())
    with tempfile.TemporaryDirectory() as scratch:

        def record(event: dict[str, Any]) -> None:
            stream.write(event)
            if "loss" in event:
                job.state.step(event)
            else:
                job.state.tell("running", **event)
            job.tell(event)

        run = Run(
            settings=settings,
            rows=rows.encoded,
            ids=rows.ids,
            scratch=Path(scratch),
            on_step=record,
            on_resume=stream.keep_up_to,
            scores=partial(_scores, loaded, held.encoded, settings, job.score),
            checkpoints=job.jobdir / CHECKPOINTS,
            identity=identity,
            activations=job.cache / "activations",
            stopped=(job.jobdir / STOP).exists,
        )
        ended = train(loaded, run)
    if ended.stopped:
        fix = f"`python -m training run {job.jobdir}` goes on from there"
        raise StoppedError(f"the run was stopped after step {ended.step}", where=str(job.jobdir), fix=fix)
    return ended.step


def _scores(
    loaded: LoadedModel, held: Sequence[Encoded], settings: TrainSettings, score: Score | None
) -> dict[str, float]:
    measured = measure(loaded, held, settings.precision, packing=settings.packing)
    assert measured is not None, "scoring without validation rows is refused before"
    found = {"loss": measured.loss, "exact_match": measured.exact_match}
    if score is not None:
        found["score"] = float(score(loaded))
    return found
