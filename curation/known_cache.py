"""The index of old rows on disk, beside their file or snapshot: a cache, rebuilt when in doubt."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import polars as pl

from curation.dedup import How  # noqa: TC001  (msgspec reads it)
from curation.errors import UserError
from curation.kept_index import (
    ABOUT,
    ARRAYS,
    BEGINNING,
    ROWS,
    Unfit,
    believed,
    demand_whole,
    described,
    mapped,
    save,
)
from curation.known import Known, in_order, index_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMAT = 3


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an index is of.

    Attributes:
        files: Name, size, and times of the last changes of content and of anything (ns) of each file.
        how: The settings that the old rows were compared with.
        versions: Version of this layout, and of polars, whose hashes are in it.
    """

    files: list[tuple[str, int, int, int]]
    how: How
    versions: tuple[int, str]


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
    except Unfit as reason:
        built = str(reason)
    rows = in_order(read())
    known = index_rows(rows, how, threads)
    try:
        _save(path, About(files, how, _versions()), known, rows, threads)
    except UserError as fault:
        built += f", and cannot be kept ({fault.problem})"
    return Opened(known, built)


def _state(path: Path) -> list[tuple[str, int, int, int]]:
    """Whatever is written to a file changes this, because nobody can set the time of the last change."""
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    stats = [(str(f.relative_to(path)), f.stat()) for f in files if f.exists()]
    return [(name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats]


def _load(folder: Path, files: list[tuple[str, int, int, int]], how: How, threads: int | None) -> Known:
    with believed():
        if not folder.exists():
            raise Unfit("there was none yet")
    kept = described(folder, About)
    if (kept.about.versions, kept.about.files) != (_versions(), files):
        raise Unfit("the rows, or this program, changed since it was built")
    if kept.about.how != how:
        raise Unfit("it was built with other settings")
    demand_whole(kept, threads)
    return mapped(kept, Known)


def _save(path: Path, about: About, known: Known, rows: pl.DataFrame, threads: int | None) -> None:
    folder = index_folder(path)
    if taken(path):
        raise UserError(f"{folder} is something else", where=str(path), fix="give that another name")
    shutil.rmtree(folder, ignore_errors=True)
    save(folder, about, known, rows, threads=threads)


def _versions() -> tuple[int, str]:
    return FORMAT, pl.__version__
