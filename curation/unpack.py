"""Bytes of a text out of a plain, gzip or zstd file, up to the place where the file is damaged."""

from __future__ import annotations

import contextlib
import zlib
from typing import TYPE_CHECKING, Any

from curation.errors import UserError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 8 * 2**20
"""Bytes read at a time: a few thousand rows, whatever the size of the file."""

PIECE = 2**14
"""Bytes unpacked at a time: where a packed file is damaged, what the last call gave is lost."""

GZIP, ZSTD, PARQUET, MARK = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1", b"\xef\xbb\xbf"


def unpacked(stream: io.BufferedReader, path: Path, cut: list[str]) -> Iterator[bytes]:
    """The bytes of a text, whatever it is packed in.

    Args:
        stream: The file as it lies on the disk.
        path: Its name, for the error.
        cut: Gets the reason where the text ends too early: what came before is given all the same.

    Raises:
        UserError: The file is UTF-16.
    """
    head = stream.peek(4)[:4]
    if head.startswith(GZIP):
        return _gathered(_gunzipped(stream, cut))
    if head.startswith(ZSTD):
        return _gathered(_unzstd(stream, cut))
    if head.startswith(PARQUET):
        raise UserError("a table cannot be read from standard input", where=str(path), fix="name the file")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise not_text(path)
    return iter(lambda: stream.read(BLOCK), b"")


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Small pieces as blocks."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BLOCK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _gunzipped(stream: io.BufferedReader, cut: list[str]) -> Iterator[bytes]:
    worker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    before, chunk = worker.copy(), b""
    try:
        while chunk := stream.read(PIECE):
            while chunk:
                before = worker.copy()
                yield worker.decompress(chunk, PIECE)
                chunk = worker.unconsumed_tail
                if worker.eof:  # a gzip file may be several, one behind the other
                    chunk = worker.unused_data.lstrip(b"\0")
                    worker = zlib.decompressobj(zlib.MAX_WBITS | 16) if chunk else worker
    except zlib.error as fault:
        cut.append(f"the gzip file is damaged here ({fault})")
        yield _to_the_fault(before, chunk)
        return
    if not worker.eof:
        cut.append("the gzip file is cut here: it was not written to its end")


def _to_the_fault(worker: Any, chunk: bytes) -> bytes:  # noqa: ANN401  (zlib does not name its type)
    """What a damaged piece gives before it fails: fed byte by byte, the last of which may be a checksum's."""
    found = b""
    with contextlib.suppress(zlib.error):
        for byte in chunk:
            found += worker.decompress(bytes([byte]))
    return found


def _unzstd(stream: io.BufferedReader, cut: list[str]) -> Iterator[bytes]:
    import pyarrow as pa

    source = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    try:
        while chunk := source.read(PIECE):
            yield chunk
    except OSError as fault:
        cut.append(f"the zstd file is cut or damaged here ({fault})")


def not_text(path: Path) -> UserError:
    """The error for a file in which no text can be found."""
    fix = "save it as UTF-8 text, one JSON object on each line"
    return UserError("this is not UTF-8 text (a binary or UTF-16 file)", where=str(path), fix=fix)
