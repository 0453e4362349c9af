"""An index on disk: what it is of, its arrays and its rows; a cache, believed only if it is whole."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from curation.arrays import Arrays, Place, file_sum, map_arrays, write_arrays
from curation.files import new_folder
from curation.mapped_rows import map_rows, write_mapped
from curation.near.growth import Watched
from curation.near.postings import Postings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    import polars as pl

ABOUT, ARRAYS, ROWS = "about.json", "arrays.bin", "rows.arrow"
BEGINNING = b'{"regrind_index":'
"""How the file that tells whose folder it is begins, also where the rest of it is damaged."""

PARTS: dict[str, type[Postings] | type[Watched]] = {"postings": Postings, "watched": Watched}
"""What every index has beside its own arrays."""

A = TypeVar("A", bound=msgspec.Struct)
R = TypeVar("R")


class Unfit(Exception):  # noqa: N818  (a reason that travels a few lines, not an error of the program)
    """Why an index that is kept is of no use."""


class Kept(NamedTuple, Generic[A]):
    """An index that is on disk.

    Attributes:
        folder: Where.
        about: What it is of.
        places: Where each array stands.
        sums: Sum of each of its files.
    """

    folder: Path
    about: A
    places: dict[str, Place]
    sums: dict[str, int]


class _Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an index is of, where each of its arrays stands, and the sum of each of its files."""

    about: msgspec.Raw
    places: dict[str, Place]
    sums: dict[str, int]


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file `ABOUT`: `_Files`, and the sum of its bytes."""

    regrind_index: msgspec.Raw
    sum: str


@contextlib.contextmanager
def believed() -> Iterator[None]:
    """Whatever goes wrong with what was read means that it is damaged."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, msgspec.MsgspecError) as fault:
        raise Unfit("it was damaged") from fault


def described(folder: Path, kind: type[A]) -> Kept[A]:
    """What an index says that it is; its other files are not looked at.

    Raises:
        Unfit: It cannot be read, or says something else than was written.
    """
    with believed():
        signed = msgspec.json.decode((folder / ABOUT).read_bytes(), type=_Signed)
        if _sum(signed.regrind_index) != signed.sum:
            raise Unfit("it was damaged")
        files = msgspec.json.decode(signed.regrind_index, type=_Files)
        return Kept(folder, msgspec.json.decode(files.about, type=kind), files.places, files.sums)


def demand_whole(kept: Kept[Any], threads: int | None = None) -> None:
    """Refuse an index whose files are not as they were written.

    Raises:
        Unfit: One of them is another one, or is not there.
    """
    with believed():
        if kept.sums != _sums(kept.folder, threads):
            raise Unfit("it was damaged")


def mapped(kept: Kept[Any], make: Callable[..., R], **given: np.ndarray[Any, Any]) -> R:
    """Map an index into memory.

    Args:
        kept: The index.
        make: The record that `save` was given.
        given: Arrays of it that were left out.

    Raises:
        Unfit: It was damaged.
    """
    with believed():
        arrays = map_arrays(kept.folder / ARRAYS, kept.places)
        own = {name: array for name, array in arrays.items() if "." not in name}
        parts = {}
        for name, kind in PARTS.items():
            parts[name] = kind(*(arrays[f"{name}.{field}"] for field in kind._fields))  # type: ignore[arg-type]
        return make(take=map_rows(kept.folder / ROWS), **parts, **own, **given)


def save(
    folder: Path,
    about: msgspec.Struct,
    record: Any,  # noqa: ANN401  (a record of arrays, with those of `PARTS`)
    rows: pl.DataFrame,
    *,
    leave_out: Collection[str] = (),
    threads: int | None = None,
) -> None:
    """Write an index; nothing of that name is there.

    Args:
        folder: Where.
        about: What it is of.
        record: Its arrays.
        rows: Its rows (schema ROWS).
        leave_out: Arrays that are not written.
        threads: At most so many; all there are unless given.

    Raises:
        UserError: The disk is full, or may not be written to.
    """
    arrays: Arrays = {
        name: value
        for name, value in record._asdict().items()
        if isinstance(value, np.ndarray) and name not in leave_out
    }
    for name in PARTS:
        arrays |= {f"{name}.{field}": array for field, array in getattr(record, name)._asdict().items()}
    with new_folder(folder) as temporary:
        places = write_arrays(arrays, temporary / ARRAYS)
        write_mapped(rows, temporary / ROWS)
        files = _Files(msgspec.Raw(msgspec.json.encode(about)), places, _sums(temporary, threads))
        text = msgspec.json.encode(files)
        (temporary / ABOUT).write_bytes(msgspec.json.encode(_Signed(msgspec.Raw(text), _sum(text))))


def _sums(folder: Path, threads: int | None) -> dict[str, int]:
    return {name: file_sum(folder / name, threads) for name in (ARRAYS, ROWS)}


def _sum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
