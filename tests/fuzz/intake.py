"""Fuzz the intake: whatever stands between two good lines, both are kept.

`PYTHONPATH=. python tests/fuzz/intake.py -max_total_time=60`

Not a part of the test suite: atheris runs until it is told to stop. CI gives it a bounded time.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["curation"]):
    from curation.bare import messages_of
    from curation.decode import decode, separators
    from curation.errors import UserError
    from curation.intake import read_file
    from curation.records import to_row
    from curation.sources import blocks

PLAIN = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}'
TAGGED = PLAIN.replace(b"}]}", b'}], "id": 1}')
FOLDER = tempfile.TemporaryDirectory()
PATH = Path(FOLDER.name) / "in.jsonl"


def check(data: bytes) -> None:
    """One input: a file of a good line, the data, and a good line."""
    good = TAGGED if data[:1] < b"\x80" else PLAIN
    content = good + b"\n" + data + b"\n" + good
    PATH.write_bytes(content)
    lines = content.split(b"\n")
    rows, rejects = read_file(PATH, shape="messages")
    kept = set(rows["line"])
    assert {1, len(lines)} <= kept, "a good line is lost"
    there = {number for number, line in enumerate(lines, start=1) if line.strip()}
    assert kept | set(rejects["line"]) == there, "a line is neither kept nor rejected"
    assert not kept & set(rejects["line"]), "a line is both"
    with contextlib.suppress(UserError):  # two shapes
        read_file(PATH)
    with contextlib.suppress(UserError):  # no text
        for block in blocks(PATH):
            messages = messages_of(block)
            if messages is not None:
                there = [to_row(decode(line), "messages", 1).turns for line in block.lines()]
                assert [[tuple(t.values()) for t in chat] for chat in messages] == there, "read otherwise"
    for line, count in zip(lines, separators(lines).tolist(), strict=True):
        if line.strip():
            assert _decoded(line, count) == _decoded(line, -1), "the quick look and the slow one differ"


def _decoded(line: bytes, count: int) -> object:
    try:
        return decode(line, count)
    except Exception as fault:
        return type(fault)


def corpus() -> str:
    """A folder with the lines of the shipped seed file, good and bad, to begin from."""
    folder = Path(FOLDER.name) / "corpus"
    folder.mkdir()
    seed = Path(__file__).parents[2] / "resources" / "safety" / "seed.jsonl"
    for number, line in enumerate(seed.read_bytes().split(b"\n")):
        (folder / str(number)).write_bytes(line)
    return str(folder)


if __name__ == "__main__":
    atheris.Setup([*sys.argv, corpus()], check)
    atheris.Fuzz()
