"""The stream of metrics: a JSON line a step and a line a scoring, which a run that goes on continues."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Stream:
    """The metrics of a run, a JSON line a step, with the lines of what is gone on from.

    Args:
        path: The file.
        writes: False in all but the first process of a job.
    """

    def __init__(self, path: Path, writes: bool) -> None:
        self._path, self._writes = path, writes

    def __enter__(self) -> Stream:
        """Begin with no line at all, until the run says what it goes on from."""
        self._kept = read_metrics(self._path)
        self.keep_up_to(0)
        return self

    def __exit__(self, *_: object) -> None: ...

    def keep_up_to(self, step: int) -> None:
        """Keep the lines up to a step: those behind it are written again."""
        if self._writes:
            lines = [json.dumps(line) for line in self._kept if line["step"] <= step]
            self._path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def write(self, event: dict[str, Any]) -> None:
        """Append what a step, or a scoring, told."""
        if self._writes:
            line = {name: value for name, value in event.items() if name not in ("total", "tokens")}
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics stream; one that a kill tore is left out."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
