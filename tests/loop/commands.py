"""Running the command line in real processes, as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
START = [sys.executable, "-c", "from loop.cli import main; main()"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


SESSION = """
import contextlib, io, json, sys
from loop.cli import main

done = []
for args in json.load(sys.stdin):
    sys.argv, code = ["regrind", *args], 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


def regrind(*args: object, cwd: Path | None = None) -> Done:
    done = subprocess.run(
        [*START, *map(str, args)], env=ENVIRONMENT, cwd=cwd, capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def session(*commands: list[object], cwd: Path | None = None) -> list[Done]:
    """Several commands one after the other in one process, which spares the time to load the libraries."""
    given = json.dumps([[str(arg) for arg in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", SESSION],
        input=given,
        env=ENVIRONMENT,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Done(*entry) for entry in json.loads(done.stdout)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
