"""Replies that were paid for, kept in a file: asked again, they cost nothing."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

import msgspec

from curation.augmentation.chat import Reply
from curation.files import writing

if TYPE_CHECKING:
    from pathlib import Path


class ReplyFile:
    """Replies by key, one JSON line each; a line that is none, as where a crash cut it, is passed over.

    Args:
        path: The file; it is made with the first reply.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replies: dict[str, Reply] = {}
        if path.exists():
            for line in path.read_bytes().split(b"\n"):
                with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                    key, text, read, written = msgspec.json.decode(line, type=tuple[str, str, int, int])
                    self._replies[key] = Reply(text, read, written)

    def get(self, key: str) -> Reply | None:
        """The reply under this key, or None."""
        return self._replies.get(key)

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply; when this returns, it survives the end of the process."""
        with writing(self._path), self._path.open("ab") as stream:
            stream.write(b"\n" + json.dumps([key, *reply]).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._replies[key] = reply
