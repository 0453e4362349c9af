"""The spool: verdicts on disk the moment they arrive, so that none is paid for twice."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import msgspec

from curation.errors import UserError
from curation.files import writing
from judge.verdict import Verdict
from loop.store import transaction

if TYPE_CHECKING:
    from pathlib import Path


VERDICTS = "verdicts.jsonl"


class _Entry(msgspec.Struct):
    key: str
    verdict: Verdict


class FileCache:
    """Verdicts by content key in one file, appended and synced one by one.

    Args:
        path: The file; it may not exist yet.
        known: Verdicts that are known from elsewhere.
    """

    def __init__(self, path: Path, known: dict[str, Verdict] | None = None) -> None:
        with writing(path):
            self._path = path
        self._known = (known or {}) | _spooled(path)

    def get(self, key: str) -> Verdict | None:
        """The verdict under a content key, or None."""
        return self._known.get(key)

    def put(self, key: str, verdict: Verdict) -> None:
        """Append a verdict and sync it: when this returns, it survives a crash."""
        line = msgspec.json.encode(_Entry(key, verdict)) + b"\n"
        with writing(self._path):
            _append(self._path, line)
        self._known[key] = verdict

    def clear(self) -> None:
        """Remove the file: its verdicts are kept elsewhere now."""
        self._path.unlink(missing_ok=True)


def _append(path: Path, line: bytes) -> None:
    """Add a whole line or nothing: half of one would spoil the next."""
    with path.open("ab", buffering=0) as stream:
        whole = stream.tell()
        written = False
        try:
            written = stream.write(line) == len(line)
            os.fsync(stream.fileno())
        finally:
            if not written:
                stream.truncate(whole)
    if not written:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def open_spool(folder: Path, store: Path, judge: str) -> FileCache:
    """The spool of a workspace, which also knows what a judge's verdicts in the store are."""
    return FileCache(folder / VERDICTS, _stored(store, judge))


def clear_spool(folder: Path) -> None:
    """Empty the spool of a workspace; call it when the store has its verdicts."""
    (folder / VERDICTS).unlink(missing_ok=True)


def _spooled(path: Path) -> dict[str, Verdict]:
    known: dict[str, Verdict] = {}
    if not path.exists():
        return known
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            entry = msgspec.json.decode(line, type=_Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            fix = "remove the line: its verdict is asked for again"
            raise UserError(
                f"a kept verdict is damaged: {fault}", where=f"{path}:{number}", fix=fix
            ) from fault
        known[entry.key] = entry.verdict
    if torn:
        with path.open("r+b") as stream:  # the last append was cut by a crash: what follows must start a line
            stream.truncate(path.stat().st_size - len(torn))
    return known


def _stored(store: Path, judge: str) -> dict[str, Verdict]:
    columns = "trace, judge, repeat, state, score, criteria, feedback, raw, stop_reason"
    columns += ", input_tokens, output_tokens, cost"
    sql = f"SELECT key, {columns} FROM verdicts WHERE judge = ? AND state <> 'failed'"  # noqa: S608
    with transaction(store) as connection:
        rows = connection.execute(sql, [judge]).fetchall()
    names = columns.split(", ")
    entries = [(row[0], dict(zip(names, row[1:], strict=True))) for row in rows]
    return {key: _verdict(entry) for key, entry in entries}


def _verdict(entry: dict[str, Any]) -> Verdict:
    item, judge = entry.pop("trace"), entry.pop("judge")
    return Verdict(item, judge, **entry | {"criteria": json.loads(entry["criteria"])})
