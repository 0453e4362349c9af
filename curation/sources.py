"""Where lines come from: plain, gzip and zstd files, standard input, and arrays in place of lines."""

from __future__ import annotations

import contextlib
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.errors import UserError
from curation.items import items_of
from curation.unpack import MARK, unpacked

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

LINE_END = ord("\n")


class Block(NamedTuple):
    """Some whole lines, in the order of the file.

    Attributes:
        first: Number of the first line, from 1; in a JSON array the number of its first item.
        text: The lines; behind each is its end, but not behind the last line of a file without one.
        ends: Where they end (lines,).
        read: Bytes of the file that were read so far, some of them ahead.
        cut: Why the file ends behind the last line although it should go on, or None.
        items: Those of an array, in place of lines.
    """

    first: int
    text: bytes
    ends: NDArray[np.int64]
    read: int
    cut: str | None = None
    items: list[bytes] | None = None

    @property
    def numbers(self) -> range:
        """The numbers of the lines."""
        return range(self.first, self.first + len(self.ends if self.items is None else self.items))

    def lines(self) -> list[bytes]:
        """The lines without their ends."""
        return self.text.removesuffix(b"\n").split(b"\n") if self.items is None else self.items


def blocks(path: Path) -> Iterator[Block]:
    """Read a file of lines; only a JSON array is held in memory as a whole.

    Args:
        path: A file, plain, gzip or zstd by its first bytes; `-` is standard input.

    Yields:
        The lines, in blocks of about 8 MiB.

    Raises:
        UserError: There is no such file, it is empty, it cannot be read, or it is no text.
    """
    cut, read = list[str](), [0]
    with _opened(path) as stream, contextlib.closing(_chunks(stream, path, cut, read)) as chunks:
        first = _first(chunks, path, cut)
        if first.lstrip()[:1] == b"[":
            first = b"".join(chain([first], chunks))
            array = items_of(first)
            if array:
                fault = cut[0] if cut else array.fault
                yield Block(1, b"", np.empty(0, np.int64), read[0], fault, array.items)
                return
        yield from _lines(chain([first], chunks), read, cut)


def _lines(texts: Iterator[bytes], read: list[int], cut: list[str]) -> Iterator[Block]:
    number = 1
    for text in texts:
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == LINE_END)
        if text.endswith(b"\n"):
            yield Block(number, text, ends, read[0])
            number += len(ends)
        else:
            yield Block(number, text, np.append(ends, len(text)), read[0], cut[0] if cut else None)
            return
    if cut:
        yield Block(number, b"", np.zeros(1, np.int64), read[0], cut[0])


def _whole(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines with their ends; only the last one of all may have none."""
    rest: list[bytes | memoryview] = []
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join([*rest, memoryview(chunk)[:end]])
            rest.clear()
        rest.append(memoryview(chunk)[end:])
    last = b"".join(rest)
    if last:
        yield last


def _chunks(
    stream: io.BufferedReader, path: Path, cut: list[str], read: list[int]
) -> Generator[bytes, None, None]:
    """Whole lines of a text; of a file the next ones are read, and unpacked, while the last are worked on.

    Args:
        stream: The file as it lies on the disk; the thread that reads ahead is the only one to touch it.
        path: Its name.
        cut: As for `unpacked`.
        read: Gets the bytes of the file that were read so far.
    """
    chunks = _whole(unpacked(stream, path, cut))

    def fetch() -> bytes:
        chunk = next(chunks, b"")
        read[0] = _told(stream)
        return chunk

    if str(path) == "-" or not path.is_file():  # nobody could interrupt a thread that waits for a pipe
        yield from iter(fetch, b"")
        return
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(fetch)
        while chunk := coming.result():
            coming = ahead.submit(fetch)
            yield chunk


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    if str(path) == "-":
        if sys.stdin is None:
            raise UserError("there is no standard input", where="-", fix="name a file")
        yield io.BufferedReader(sys.stdin.buffer)  # type: ignore[arg-type]
        return
    if path.is_dir():
        raise UserError(
            "this is a folder", where=str(path), fix="name a file, or a folder that `datasets` wrote"
        )
    try:
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError as fault:
        raise UserError("there is no such file", where=str(path), fix="check the path") from fault
    except PermissionError as fault:
        raise UserError("the file may not be read", where=str(path), fix="change its permissions") from fault


def _told(stream: io.BufferedReader) -> int:
    return 0 if stream.closed or not stream.seekable() else stream.tell()


def _first(chunks: Iterator[bytes], path: Path, cut: list[str]) -> bytes:
    """The first bytes that are not blank, without a byte order mark; blank lines before them stay."""
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) >= len(MARK) and held.strip():
            break
    if held.strip():
        return held.removeprefix(MARK)
    if cut:
        raise UserError(cut[0], where=str(path), fix="fetch or pack the file again")
    raise UserError("the file is empty", where=str(path), fix="put one JSON object on each line")
