"""Run one training job: a directory with rows and settings in, a model and its measurements out."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from curation.errors import UserError
from training.adapters import adapt, demand_quantising
from training.embedded import find_model
from training.evaluate import exact_share, mean_loss
from training.jobfiles import clear, encode_file, read_json, snapshot_id, write_json
from training.model import LoadedModel, dtype_of, load_base
from training.settings import TrainSettings
from training.trainer import train

if TYPE_CHECKING:
    from training.encode import Encoded

Progress = Callable[[dict[str, Any]], None]


def run(jobdir: Path, progress: Progress | None = None, cache: Path | None = None) -> dict[str, Any]:
    """Train on a job directory's rows; the same directory and thread count give the same model, bit for bit.

    Read: settings.json (a TrainSettings mapping), manifest.json (its "id"), train.jsonl, validation.jsonl.
    Written: state.json and metrics.jsonl while running, then model/, and result.json last.

    Args:
        jobdir: The job directory; what an earlier run left in it is replaced.
        progress: Called after each step with step, total, epoch, loss (nats per token) and learning_rate.
        cache: Where the embedded model is kept; `jobdir/../cache` by default.

    Returns:
        The content of result.json.

    Raises:
        UserError: a file, a row or a setting is wrong, or the loss became infinite or not a number.
    """
    clear(jobdir)
    state = {"state": "queued", "step": 0, "total": 0}
    write_json(jobdir / "state.json", state)

    def on_step(step: dict[str, Any]) -> None:
        state.update(state="running", step=step["step"], total=step["total"])
        write_json(jobdir / "state.json", state)
        if progress:
            progress(step)

    threads = torch.get_num_threads()
    try:
        result = _run(jobdir, on_step, cache or jobdir.parent / "cache")
    except BaseException as error:
        write_json(jobdir / "state.json", {**state, "state": "failed", "error": str(error)})
        raise
    finally:
        torch.set_num_threads(threads)
    write_json(jobdir / "state.json", {**state, "state": "completed"})
    write_json(jobdir / "result.json", result)
    return result


def _run(jobdir: Path, on_step: Progress, cache: Path) -> dict[str, Any]:
    began = time.perf_counter()
    settings = TrainSettings.from_dict(read_json(jobdir / "settings.json"))
    snapshot = snapshot_id(jobdir / "manifest.json")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    loaded = _prepare(find_model(settings.base_model, cache), settings)
    rows, left_out = encode_file(jobdir / "train.jsonl", loaded.tokenizer, settings.max_length)
    held, held_left_out = encode_file(jobdir / "validation.jsonl", loaded.tokenizer, settings.max_length)
    _require_rows(rows, left_out, settings)
    before = mean_loss(loaded, held, settings.precision)
    losses = _train(jobdir / "metrics.jsonl", loaded, rows, settings, on_step)
    after = mean_loss(loaded, held, settings.precision)
    matched = exact_share(loaded, held, settings.precision)
    _save(jobdir, loaded, settings)
    return {
        "snapshot": snapshot,
        "base": settings.base_model,
        "method": settings.method,
        "precision": "bf16" if dtype_of(settings.precision) == torch.bfloat16 else "fp32",
        "threads": torch.get_num_threads(),
        "rows": len(rows),
        "left_out": left_out,
        "validation_rows": len(held),
        "validation_left_out": held_left_out,
        "answer_tokens": sum(len(row.answer_ids) for row in rows),
        "steps": len(losses),
        "train_loss_first": losses[0],
        "train_loss_last": losses[-1],
        "validation_loss_before": before,
        "validation_loss_after": after,
        "validation_exact_match": matched,
        "seconds": round(time.perf_counter() - began, 3),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "accelerate")},
    }


def _prepare(base: Path, settings: TrainSettings) -> LoadedModel:
    if settings.method == "qlora":
        demand_quantising()
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


def _require_rows(rows: Sequence[Encoded], left_out: Sequence[str], settings: TrainSettings) -> None:
    if not rows:
        raise UserError(
            f"no row to train on ({len(left_out)} have more than {settings.max_length} tokens)",
            where="train.jsonl",
            fix="raise train.max_length" if left_out else "put rows into the snapshot's train split",
        )


def _train(
    metrics: Path, loaded: LoadedModel, rows: Sequence[Encoded], settings: TrainSettings, on_step: Progress
) -> list[float]:
    losses: list[float] = []
    with tempfile.TemporaryDirectory() as scratch, metrics.open("w", encoding="utf-8") as stream:

        def record(step: dict[str, Any]) -> None:
            losses.append(step["loss"])
            line = {key: step[key] for key in ("step", "epoch", "loss", "learning_rate")}
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            on_step(step)

        train(loaded, rows, settings, Path(scratch), record)
    return losses


def _save(jobdir: Path, loaded: LoadedModel, settings: TrainSettings) -> None:
    building = Path(tempfile.mkdtemp(prefix=".model-", dir=jobdir))
    building.chmod(0o755)
    try:
        if settings.method == "full":
            loaded.model.save_pretrained(building)
            loaded.tokenizer.save_pretrained(building)
        else:
            _save_adapter(loaded.model, building)
        building.replace(jobdir / "model")
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _save_adapter(model: Any, building: Path) -> None:  # noqa: ANN401 - PEFT's wrapper is untyped
    # Without the embedding check, which would ask the hub about the base model.
    model.save_pretrained(building, save_embedding_layers=False)
    (building / "README.md").unlink(missing_ok=True)
    config = read_json(building / "adapter_config.json")
    # PEFT writes a set in the order of this process's string hashes.
    for name in ("target_modules", "feedforward_modules"):
        if config.get(name):
            config[name] = sorted(config[name])
    write_json(building / "adapter_config.json", config)
