"""Load a tokenizer alone: of a model's folder or name, or a bare tokenizer.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import UserError
from training.embedded import find_model, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(name: str, cache: Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer from this machine; no code of its folder is run.

    Args:
        name: A folder, a tokenizer.json, the embedded model's name, or a hub id.
        cache: Where the embedded model is kept.

    Raises:
        UserError: transformers is not installed, or there is no tokenizer that can be read.
    """
    try:
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        quiet()
        place = _place(name, cache)
    except ImportError as fault:
        problem = "a tokenizer needs the packages for training"
        raise UserError(problem, where=name, fix="pip install 'regrind[train]'") from fault
    try:
        if place.is_file():
            return PreTrainedTokenizerFast(tokenizer_file=str(place))
        return AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except Exception as fault:  # each kind of tokenizer is read by a library with faults of its own
        problem = f"the tokenizer cannot be read: {type(fault).__name__}: {fault}"
        fix = "name a folder written by save_pretrained, or a tokenizer.json"
        raise UserError(problem, where=str(place), fix=fix) from fault


def _place(name: str, cache: Path) -> Path:
    """The folder, or the bare file: beside a tokenizer.json may lie the chat template that belongs to it."""
    path = Path(name)
    if path.is_file():
        return path.parent if (path.parent / "tokenizer_config.json").is_file() else path
    if path.is_dir():
        return path
    try:
        return find_model(name, cache)
    except UserError as fault:
        raise UserError(fault.problem, where=name, fix=fault.fix) from fault
