"""Where a benchmark's result goes, with the versions and the machine it was measured on."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def peak_memory() -> int:
    """Bytes that this process has held at most; `getrusage` would begin with its parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf8"))
    return int(found[1]) * 1024 if found else 0


def measured(code: str, *arguments: str, under: Sequence[str] = ()) -> Any:  # noqa: ANN401  (what it tells)
    """Run code in a process of its own, which may import this file; the JSON in the last line that it prints.

    Args:
        code: The code; it begins its clock itself.
        arguments: What it finds in `sys.argv`.
        under: A command that is put before the process.
    """
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [*under, sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    return json.loads(done.stdout.splitlines()[-1])


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
