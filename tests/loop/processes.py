"""Other processes beside the test's own, and what they left in a store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from loop.store import query

ROOT = Path(__file__).parents[2]


def python(code: str, *args: Path | str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        **options,
    )


def count(path: Path, table: str) -> int:
    return int(query(path, f"SELECT count(*) AS n FROM {table}")["n"][0])
