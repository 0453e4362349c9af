"""The journal of batches: one file of notes, appended and synced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from judge.batch_journal import Note
from loop.lines import append, read_lines

if TYPE_CHECKING:
    from pathlib import Path

BATCHES = "batches.jsonl"


class FileJournal:
    """Notes about batches in one file.

    Args:
        path: The file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        fix = "remove the line: a batch that it names is paid for again"
        self._notes = {note.attempt: note for note in read_lines(path, Note, "a note about a batch", fix)}

    def open(self, judge: str) -> list[Note]:
        """The last note of each attempt of a judge that is not over."""
        return [note for note in self._notes.values() if note.judge == judge and not note.over]

    def batches(self) -> set[str]:
        """Ids of all batches that were ever noted."""
        return {note.batch for note in self._notes.values()} - {""}

    def put(self, note: Note) -> None:
        """Append a note and sync it."""
        append(self._path, msgspec.json.encode(note) + b"\n")
        self._notes[note.attempt] = note
