"""The stream of metrics: a JSON line a step and a line a scoring, which a run that goes on continues."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curation.files import write_text, writing

if TYPE_CHECKING:
    from pathlib import Path


class Stream:
    """The metrics of a run, a JSON line a step, with the lines of what is gone on from.

    Args:
        path: The file; its lines are left alone until the run has begun, and says what it goes on from.
        writes: False in all but the first process of a job.
    """

    def __init__(self, path: Path, writes: bool) -> None:
        self._path, self._writes = path, writes

    def keep_up_to(self, step: int) -> None:
        """Keep the lines up to a step: those behind it are written again."""
        if self._writes:
            lines = [json.dumps(line) for line in read_metrics(self._path) if line["step"] <= step]
            write_text(self._path, "".join(line + "\n" for line in lines))

    def write(self, event: dict[str, Any]) -> None:
        """Append what a step, or a scoring, told."""
        if self._writes:
            line = {name: value for name, value in event.items() if name not in ("total", "tokens")}
            with writing(self._path), self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics stream, up to one that a kill tore or that is none of ours."""
    lines: list[dict[str, Any]] = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            line = json.loads(text)
        except ValueError:
            return lines
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            return lines
        lines.append(line)
    return lines
