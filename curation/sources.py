"""Where lines come from: plain, gzip and zstd files, standard input, and arrays in place of lines."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from curation.errors import UserError
from curation.shapes import recognise
from curation.unpack import MARK, unpacked

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


_BETWEEN = re.compile(r"[ \t\r\n,]*")
_BEGINNING = re.compile(r"[,\n\]}]\s*\{")


class Block(NamedTuple):
    """Some whole lines, in the order of the file.

    Attributes:
        first: Number of the first line, from 1; in a JSON array the number of its first item.
        lines: The lines without their ends.
        read: Bytes of the file that were read so far, some of them ahead.
        cut: Why the file ends behind the last line although it should go on, or None.
    """

    first: int
    lines: list[bytes]
    read: int
    cut: str | None = None


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
            data = b"".join(chain([first], chunks))
            array = _array(data)
            first = b"" if array else data
            if array:
                yield array._replace(read=read[0], cut=cut[0] if cut else array.cut)
                cut.clear()
        yield from _lines(chain([first], chunks), read, cut)


def _lines(chunks: Iterator[bytes], read: list[int], cut: list[str]) -> Iterator[Block]:
    number = 1
    rest: list[bytes] = []
    for chunk in chunks:
        lines = chunk.split(b"\n")
        rest.append(lines[0])
        if len(lines) > 1:
            lines[0], rest = b"".join(rest), [lines.pop()]
            yield Block(number, lines, read[0])
            number += len(lines)
    last = b"".join(rest)
    if last or cut:
        yield Block(number, [last], read[0], cut[0] if cut else None)


def _chunks(
    stream: io.BufferedReader, path: Path, cut: list[str], read: list[int]
) -> Generator[bytes, None, None]:
    """The bytes of a text; of a file the next ones are read, and unpacked, while the last are worked on.

    Args:
        stream: The file as it lies on the disk; the thread that reads ahead is the only one to touch it.
        path: Its name.
        cut: As for `unpacked`.
        read: Gets the bytes of the file that were read so far.
    """
    chunks = unpacked(stream, path, cut)

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


def _array(data: bytes) -> Block | None:
    """The items of a JSON array, each as its own bytes; None where the data are no array."""
    try:
        items = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return _broken_array(data)
    return Block(1, [bytes(item) for item in items], 0)


def _broken_array(data: bytes) -> Block | None:
    """The items of an array in which some are broken; what stands between two good ones is an item, too."""
    text, decoder = data.decode("utf8", "surrogateescape"), json.JSONDecoder()
    place, items, shapes = _behind(text, text.index("[") + 1), list[bytes](), set[str]()
    while place < len(text):
        if text[place] == "]" and (not shapes or not text[place + 1 :].strip()):
            break
        try:
            item, end = decoder.raw_decode(text, place)
            shapes |= {shape for shape in [_shape(item)] if shape}
        except (ValueError, RecursionError):
            end = _next_item(text, place, decoder, shapes)
        items.append(text[place:end].rstrip(" \t\r\n,").encode("utf8", "surrogateescape"))
        place = _behind(text, end)
    if not shapes or text[place + 1 :].strip():
        return None  # lines, of which the first begins with a bracket
    return Block(1, items, 0, _fault_between(items) if text[place:] else "the array is broken here")


def _fault_between(items: list[bytes]) -> str | None:
    """What is wrong with an array that has an end, where nothing is wrong with its items."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        msgspec.json.decode(b"[" + b",".join(items) + b"]")
        return "between the items of the array a comma is missing, or there is one too many"
    return None


def _next_item(text: str, place: int, decoder: json.JSONDecoder, shapes: set[str]) -> int:
    """Where the next object begins that has the shape of the good ones; the end of the text if none does."""
    for match in _BEGINNING.finditer(text, place + 1):
        with contextlib.suppress(ValueError, RecursionError):
            shape = _shape(decoder.raw_decode(text, match.end() - 1)[0])
            if shape and (not shapes or shape in shapes):
                return match.end() - 1
    return len(text)


def _shape(item: object) -> str | None:
    return recognise(item) if isinstance(item, dict) else None


def _behind(text: str, place: int) -> int:
    between = _BETWEEN.match(text, place)
    return between.end() if between else place
