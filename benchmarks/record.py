"""Where a benchmark's result goes, with the versions and the machine it was measured on."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "accelerate",
    "apricot-select",
    "datasets",
    "datasketch",
    "duckdb",
    "msgspec",
    "numba",
    "numpy",
    "peft",
    "polars",
    "pyarrow",
    "rensa",
    "scikit-learn",
    "torch",
    "transformers",
    "trl",
)


def record(name: str, result: dict[str, Any]) -> None:
    """Print a result and store it as `benchmarks/results/<name>.json`."""
    about = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "versions": {p: found for p in PACKAGES if (found := _version(p))},
    }
    text = json.dumps(result | {"measured_on": about}, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf8")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
