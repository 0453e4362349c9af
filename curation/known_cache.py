"""The index of old rows on disk, beside their file or snapshot: a cache, rebuilt when in doubt."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import polars as pl

from curation.arrays import Arrays, Place, file_sum, map_arrays, write_arrays
from curation.dedup import How  # noqa: TC001  (msgspec reads it)
from curation.errors import UserError
from curation.files import new_folder
from curation.known import Known, in_order, index_rows
from curation.mapped_rows import map_rows, write_mapped
from curation.near.growth import Watched
from curation.near.postings import Postings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 2
ABOUT, ARRAYS, ROWS = "about.json", "arrays.bin", "rows.arrow"


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an index is of.

    Attributes:
        files: Name, size, and times of the last changes of content and of anything (ns) of each file.
        how: The settings that the old rows were compared with.
        versions: Version of this layout, and of polars, whose hashes are in it.
        places: Where each array stands.
        sums: Sum of each file of the index.
    """

    files: list[tuple[str, int, int, int]]
    how: How
    versions: tuple[int, str]
    places: dict[str, Place]
    sums: dict[str, int]


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that tells whose folder it is: `About`, and the sum of its bytes."""

    regrind_index: msgspec.Raw
    sum: str


BEGINNING = b'{"regrind_index":'
"""How that file begins, also where the rest of it is damaged."""


class Opened(NamedTuple):
    """An index, and why it was built now; None where it was there."""

    known: Known
    built: str | None


def index_folder(path: Path) -> Path:
    """Where the index of a file or folder is kept."""
    here = path.resolve()
    return here.with_name(f".{here.name}.known")


def taken(path: Path) -> bool:
    """Whether the name of the index of a file or folder is that of something else, which is left alone."""
    folder = index_folder(path)
    try:
        if folder.is_symlink() or not folder.is_dir():
            return folder.is_symlink() or folder.exists()
    except OSError:  # the name is too long to be there
        return False
    if {entry.name for entry in folder.iterdir()} - {ABOUT, ARRAYS, ROWS}:
        return True
    about = folder / ABOUT
    head = about.read_bytes()[: len(BEGINNING)] if about.is_file() else b""
    return not BEGINNING.startswith(head)


def open_known(path: Path, how: How, read: Callable[[], pl.DataFrame], threads: int | None = None) -> Opened:
    """The index of the rows of a file or folder: the one that is kept, or a new one.

    Args:
        path: A file of rows, or a folder that holds such files, as a snapshot does.
        how: What counts as a duplicate.
        read: Reads the rows, where they are needed (schema ROWS).
        threads: At most so many; all there are unless given.

    Raises:
        UserError: As `read` does.
    """
    folder = index_folder(path)
    files = _state(path)
    try:
        return Opened(_load(folder, files, how, threads), None)
    except _Unfit as reason:
        built = str(reason)
    rows = in_order(read())
    known = index_rows(rows, how, threads)
    try:
        _save(path, About(files, how, _versions(), {}, {}), known, rows, threads)
    except UserError as fault:
        built += f", and cannot be kept ({fault.problem})"
    return Opened(known, built)


class _Unfit(Exception):  # noqa: N818  (a reason that travels a few lines, not an error of the program)
    """Why a kept index is of no use."""


def _state(path: Path) -> list[tuple[str, int, int, int]]:
    """Whatever is written to a file changes this, because nobody can set the time of the last change."""
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    stats = [(str(f.relative_to(path)), f.stat()) for f in files if f.exists()]
    return [(name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats]


def _load(folder: Path, files: list[tuple[str, int, int, int]], how: How, threads: int | None) -> Known:
    try:
        if not folder.exists():
            raise _Unfit("there was none yet")
        about = _about((folder / ABOUT).read_bytes())
        if (about.versions, about.files) != (_versions(), files):
            raise _Unfit("the rows, or this program, changed since it was built")
        if about.how != how:
            raise _Unfit("it was built with other settings")
        if about.sums != {name: file_sum(folder / name, threads) for name in (ARRAYS, ROWS)}:
            raise _Unfit("it was damaged")
        return _known(map_arrays(folder / ARRAYS, about.places), map_rows(folder / ROWS))
    except (OSError, KeyError, ValueError, TypeError, msgspec.MsgspecError) as fault:
        raise _Unfit("it was damaged") from fault


def _about(text: bytes) -> About:
    signed = msgspec.json.decode(text, type=Signed)
    if _sum(signed.regrind_index) != signed.sum:
        raise _Unfit("it was damaged")
    return msgspec.json.decode(signed.regrind_index, type=About)


def _sum(about: bytes) -> str:
    return hashlib.sha256(about).hexdigest()


def _known(arrays: Arrays, take: Callable[[NDArray[np.int64]], pl.DataFrame]) -> Known:
    single = {name: array for name, array in arrays.items() if "." not in name}
    postings = Postings(*(arrays[f"postings.{field}"] for field in Postings._fields))  # type: ignore[arg-type]
    watched = Watched(*(arrays[f"watched.{field}"] for field in Watched._fields))  # type: ignore[arg-type]
    return Known(take=take, postings=postings, watched=watched, **single)  # type: ignore[arg-type]


def _save(path: Path, about: About, known: Known, rows: pl.DataFrame, threads: int | None) -> None:
    arrays = {name: value for name, value in known._asdict().items() if isinstance(value, np.ndarray)}
    for name in ("postings", "watched"):
        arrays |= {f"{name}.{field}": array for field, array in getattr(known, name)._asdict().items()}
    folder = index_folder(path)
    if taken(path):
        raise UserError(f"{folder} is something else", where=str(path), fix="give that another name")
    shutil.rmtree(folder, ignore_errors=True)
    with new_folder(folder) as temporary:
        places = write_arrays(arrays, temporary / ARRAYS)
        write_mapped(rows, temporary / ROWS)
        sums = {name: file_sum(temporary / name, threads) for name in (ARRAYS, ROWS)}
        text = msgspec.json.encode(msgspec.structs.replace(about, places=places, sums=sums))
        (temporary / ABOUT).write_bytes(msgspec.json.encode(Signed(msgspec.Raw(text), _sum(text))))


def _versions() -> tuple[int, str]:
    return FORMAT, pl.__version__
