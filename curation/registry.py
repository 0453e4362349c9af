"""Registered held-out sets: every version of each is kept, and none is ever changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.errors import UserError
from curation.files import new_file
from curation.heldout import HeldoutSet, freeze
from curation.rows import with_ids

if TYPE_CHECKING:
    from pathlib import Path


class Registered(NamedTuple):
    """A version of a set.

    Attributes:
        number: Which version of this name it is, from 1.
        held: Its items.
        path: Its file.
    """

    number: int
    held: HeldoutSet
    path: Path


def register(root: Path, held: HeldoutSet) -> Registered:
    """Keep a version of a set for good; one that is kept already stays as it is.

    Args:
        root: The folder of all sets.
        held: The set.

    Raises:
        UserError: The folder cannot be written to, or an earlier version is damaged.
    """
    versions = [known for known in registered(root) if known.held.name == held.name]
    for known in versions:
        if known.held.version == held.version:
            return known
    number = 1 + max((known.number for known in versions), default=0)
    path = root / held.name / f"{number}-{held.version}.parquet"
    with new_file(path) as temporary:
        held.items.write_parquet(temporary)
    return Registered(number, held, path)


def registered(root: Path) -> list[Registered]:
    """All versions of all sets, by name, the oldest first.

    Raises:
        UserError: One of them is not as it was registered.
    """
    found = [_read(path) for path in root.glob("*/*.parquet") if not path.name.startswith(".")]
    return sorted(found, key=lambda known: (known.held.name, known.number))


def _read(path: Path) -> Registered:
    number, _, version = path.stem.partition("-")
    try:
        items = pl.read_parquet(path)
        held = freeze(path.parent.name, with_ids(items))
    except (OSError, pl.exceptions.PolarsError) as fault:
        raise UserError(f"this held-out set is damaged: {fault}", where=str(path), fix=_FIX) from fault
    if held.version != version or not number.isdigit():
        raise UserError("this held-out set was changed", where=str(path), fix=_FIX)
    return Registered(int(number), held, path)


_FIX = "restore the file from a backup, or remove it and register its items with `regrind heldout add`"
