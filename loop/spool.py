"""The spool: verdicts on disk the moment they arrive, so that none is paid for twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from curation.files import new_file, writing
from judge.verdict import Verdict
from loop.lines import append, read_lines
from loop.store import current, query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


VERDICTS = "verdicts.jsonl"


class _Entry(msgspec.Struct):
    key: str
    verdict: Verdict


class FileCache:
    """Verdicts by content key in one file, appended and synced as they arrive.

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

    def put(self, verdicts: Mapping[str, Verdict]) -> None:
        """Append verdicts and sync them: when this returns, they survive a crash."""
        if not verdicts:
            return
        lines = b"".join(msgspec.json.encode(_Entry(key, v)) + b"\n" for key, v in verdicts.items())
        append(self._path, lines)
        self._known.update(verdicts)


class Memory(dict[str, Verdict]):
    """Verdicts by content key that are kept nowhere: for a judge that costs nothing."""

    def put(self, verdicts: Mapping[str, Verdict]) -> None:
        """Keep them as long as this lives."""
        self.update(verdicts)


def open_spool(folder: Path, store: Path, copy: Path, judges: Sequence[str]) -> FileCache:
    """The spool of a workspace, which also knows what the verdicts of some judges in the store are.

    Args:
        folder: The spool.
        store: The DuckDB file.
        copy: The published copy, read instead while another process holds the store. Nothing is missed:
            the spool is cleared only when its verdicts are in the copy, too.
        judges: Ids of the judges.

    Raises:
        UserError: A line of the spool is damaged, or the store is held and there is no copy.
    """
    return FileCache(folder / VERDICTS, _stored(store, copy, judges))


def spooled(folder: Path) -> dict[str, Verdict]:
    """What is in the spool of a workspace, by content key.

    Raises:
        UserError: A line of it is damaged.
    """
    return _spooled(folder / VERDICTS)


def known_verdicts(folder: Path, view: Path, judges: Sequence[str]) -> Memory:
    """What the spool of a workspace and the published copy of its store know; writes nothing."""
    return Memory(_verdicts(query(view, _SQL, [list(judges)]).rows()) | spooled(folder))


def clear_spool(folder: Path) -> None:
    """Empty the spool of a workspace; call it when the store has its verdicts."""
    (folder / VERDICTS).unlink(missing_ok=True)


def forget(folder: Path, traces: set[str]) -> int:
    """Take the verdicts on some traces out of the spool, and say how many there were."""
    kept = _spooled(folder / VERDICTS)
    stay = {key: verdict for key, verdict in kept.items() if verdict.item_id not in traces}
    if len(stay) < len(kept):
        lines = [msgspec.json.encode(_Entry(key, verdict)) + b"\n" for key, verdict in stay.items()]
        with new_file(folder / VERDICTS) as temporary:
            temporary.write_bytes(b"".join(lines))
    return len(kept) - len(stay)


def _spooled(path: Path) -> dict[str, Verdict]:
    fix = "remove the line: its verdict is asked for again"
    return {entry.key: entry.verdict for entry in read_lines(path, _Entry, "a kept verdict", fix)}


def _stored(store: Path, copy: Path, judges: Sequence[str]) -> dict[str, Verdict]:
    with current(store, copy) as connection:
        return _verdicts(connection.execute(_SQL, [list(judges)]).fetchall())


def _verdicts(rows: Iterable[Sequence[Any]]) -> dict[str, Verdict]:
    entries = [(row[0], dict(zip(_COLUMNS, row[1:], strict=True))) for row in rows]
    return {key: _verdict(entry) for key, entry in entries}


def _verdict(entry: dict[str, Any]) -> Verdict:
    item, judge = entry.pop("trace"), entry.pop("judge")
    return Verdict(item, judge, **entry | {"criteria": json.loads(entry["criteria"])})


_COLUMNS = (
    *("trace", "judge", "repeat", "state", "score", "criteria", "feedback", "raw", "stop_reason"),
    *("input_tokens", "output_tokens", "cached_tokens", "cost", "time"),
)
_SQL = f"SELECT key, {', '.join(_COLUMNS)} FROM verdicts WHERE list_contains(?, judge) AND state <> 'failed'"  # noqa: S608
