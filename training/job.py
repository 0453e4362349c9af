"""Run one training job: a directory with rows and settings in, a model and its measurements out."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from curation.errors import UserError
from training.embedded import find_model
from training.encode import Encoded, encode
from training.evaluate import mean_loss
from training.model import LoadedModel, dtype_of, load_base
from training.settings import TrainSettings
from training.trainer import lora_config, train

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
        UserError: a file, a row or a setting is wrong, or the loss became infinite.
    """
    _clear(jobdir)
    _write_json(jobdir / "state.json", {"state": "running", "step": 0, "total": None})
    threads = torch.get_num_threads()
    try:
        result = _run(jobdir, progress or (lambda _: None), cache or jobdir.parent / "cache")
    except BaseException as error:
        _write_json(
            jobdir / "state.json",
            {**_read_json(jobdir / "state.json"), "state": "failed", "error": str(error)},
        )
        raise
    finally:
        torch.set_num_threads(threads)
    _write_json(
        jobdir / "state.json", {"state": "completed", "step": result["steps"], "total": result["steps"]}
    )
    _write_json(jobdir / "result.json", result)
    return result


def _run(jobdir: Path, progress: Progress, cache: Path) -> dict[str, Any]:
    began = time.perf_counter()
    settings = TrainSettings.from_dict(_read_json(jobdir / "settings.json"))
    snapshot = _snapshot_id(jobdir / "manifest.json")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    loaded = _prepare(find_model(settings.base_model, cache), settings)
    rows, left_out = _encode_file(jobdir / "train.jsonl", loaded, settings)
    held, held_left_out = _encode_file(jobdir / "validation.jsonl", loaded, settings)
    _require_rows(rows, left_out, jobdir, settings)
    before = mean_loss(loaded, held, settings.batch_size, settings.precision)
    losses = _train(jobdir, loaded, rows, settings, progress)
    after = mean_loss(loaded, held, settings.batch_size, settings.precision)
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
        "seconds": round(time.perf_counter() - began, 3),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "accelerate")},
    }


def _prepare(base: Path, settings: TrainSettings) -> LoadedModel:
    if settings.method == "full":
        # fp32 weights: bf16 has too few digits to add small updates to.
        return load_base(base, torch.float32)
    from peft import get_peft_model

    loaded = load_base(base, dtype_of(settings.precision))
    return LoadedModel(
        get_peft_model(loaded.model, lora_config(loaded.model, settings)), loaded.tokenizer, base
    )


def _train(
    jobdir: Path, loaded: LoadedModel, rows: Sequence[Encoded], settings: TrainSettings, progress: Progress
) -> list[float]:
    losses: list[float] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        (jobdir / "metrics.jsonl").open("w", encoding="utf-8") as metrics,
    ):

        def on_step(step: dict[str, float]) -> None:
            losses.append(step["loss"])
            line = {key: step[key] for key in ("step", "epoch", "loss", "learning_rate")}
            metrics.write(json.dumps(line) + "\n")
            metrics.flush()
            _write_json(
                jobdir / "state.json", {"state": "running", "step": step["step"], "total": step["total"]}
            )
            progress(step)

        train(loaded, rows, settings, Path(scratch), on_step)
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
        os.replace(building, jobdir / "model")
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _save_adapter(model: Any, building: Path) -> None:
    # Without the embedding check, which would ask the hub about the base model.
    model.save_pretrained(building, save_embedding_layers=False)
    (building / "README.md").unlink(missing_ok=True)
    config = _read_json(building / "adapter_config.json")
    # PEFT writes a set in the order of this process's string hashes.
    config["target_modules"] = sorted(config["target_modules"])
    _write_json(building / "adapter_config.json", config)


def _encode_file(path: Path, loaded: LoadedModel, settings: TrainSettings) -> tuple[list[Encoded], list[str]]:
    rows: list[Encoded] = []
    left_out: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = json.loads(line)
            encoded = encode(loaded.tokenizer, row["messages"], settings.max_length)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            fix = 'each line is {"id": ..., "messages": [{"role": ..., "content": ...}, ...]}'
            raise UserError(f"not a training row: {error!r}", where=f"{path}:{number}", fix=fix) from error
        except UserError as error:
            raise UserError(error.problem, where=f"{path}:{number}", fix=error.fix) from error
        if encoded is None:
            left_out.append(str(row["id"]))
        else:
            rows.append(encoded)
    return rows, left_out


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise UserError(
            "the file is missing", where=str(path), fix="write it (validation.jsonl may be empty)"
        )
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _require_rows(
    rows: Sequence[Encoded], left_out: Sequence[str], jobdir: Path, settings: TrainSettings
) -> None:
    if not rows:
        raise UserError(
            f"no row to train on ({len(left_out)} are longer than {settings.max_length} tokens)",
            where=str(jobdir / "train.jsonl"),
            fix="raise train.max_length" if left_out else "add rows to the snapshot's train split",
        )


def _snapshot_id(path: Path) -> str:
    try:
        return str(_read_json(path)["id"])
    except KeyError as error:
        raise UserError(
            'the manifest has no "id"', where=str(path), fix="use a snapshot's manifest.json"
        ) from error


def _clear(jobdir: Path) -> None:
    # The result first: while it is there, the rest must be whole.
    for name in ("result.json", "state.json", "metrics.jsonl"):
        (jobdir / name).unlink(missing_ok=True)
    shutil.rmtree(jobdir / "model", ignore_errors=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            "the file is missing", where=str(path), fix="prepare the job with `regrind train run`"
        ) from error
    except json.JSONDecodeError as error:
        raise UserError(f"not JSON: {error}", where=str(path), fix="write the job directory again") from error
    if not isinstance(content, dict):
        raise UserError("not a JSON object", where=str(path), fix="write the job directory again")
    return content


def _write_json(path: Path, content: dict[str, Any]) -> None:
    building = path.with_name(f".{path.name}.tmp")
    building.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(building, path)
