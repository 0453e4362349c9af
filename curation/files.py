"""Files that are either whole or not there: write to a temporary name, sync, rename."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNWRITABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
}


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Make the folder of `target`; turn the system's refusal to write into an error that names the place."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as fault:
        number = error_number(fault)
        if number in NO_SPACE:
            fix = "free some space, then run the same command again"
            raise UserError("no disk space left", where=str(target), fix=fix) from fault
        if number in UNWRITABLE:
            fix = "choose a folder that you may write to, and a name that no folder has"
            raise UserError("this place cannot be written to", where=str(target), fix=fix) from fault
        raise


def error_number(fault: OSError) -> int | None:
    """The system's number of an error, which polars only has in the text."""
    said = re.search(r"\(os error (\d+)\)", str(fault))
    return int(said[1]) if fault.errno is None and said else fault.errno


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that takes its name when the block ends well.

    Args:
        target: The file that should exist afterwards; an old one is replaced.

    Yields:
        The path to write to.

    Raises:
        UserError: The disk is full or the folder may not be written to.
    """
    if target.is_char_device():  # /dev/null, /dev/stdout: written to as they are
        with writing(target):
            yield target
        return
    target = _regular(target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with writing(target):
        try:
            yield temporary
            sync(temporary)
            temporary.replace(target)
            sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def demand_place(target: Path) -> None:
    """Find out before the work whether `new_file` could write there; leaves nothing behind.

    Raises:
        UserError: It could not.
    """
    with writing(target):
        if not target.is_char_device():
            target = _regular(target)
            temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
            temporary.touch()
            temporary.unlink()


def _regular(target: Path) -> Path:
    """The file behind a name; a pipe, a device or a folder is refused, because a rename would replace it."""
    if str(target) == "-" or not target.name:
        raise UserError("this needs the name of a file", where=str(target), fix="name a file to write to")
    if target.exists() and not target.is_file():
        fix = "name a file, or use -o - where rows are to go to standard output"
        raise UserError("this is no file, and is not replaced by one", where=str(target), fix=fix)
    return target.resolve() if target.is_symlink() else target


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name `target` when the block ends well.

    An existing `target` is kept as it is: folders are named by content or by version,
    so the one that is there was written by the same step before a crash.

    Args:
        target: The folder that should exist afterwards.

    Yields:
        The folder to fill.

    Raises:
        UserError: The disk is full or the place may not be written to.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with writing(target):
        try:
            shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with the same number
            temporary.mkdir()
            yield temporary
            for path in sorted(temporary.rglob("*")):
                sync(path)
            if not target.exists():
                temporary.rename(target)
                sync(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def sync(path: Path) -> None:
    """Make the disk hold what was written to a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(target: Path, text: str) -> None:
    """Write a whole text file or nothing."""
    with new_file(target) as temporary:
        temporary.write_text(text, encoding="utf8")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that a killed process left in `folder`; those of others stay."""
    for path in folder.glob(".*.tmp"):
        number = path.name.split(".")[-2]
        if number.isdigit() and int(number) != os.getpid() and _alive(int(number)):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return True


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def resource(*parts: str) -> Path:
    """Path of a shipped file, from a wheel or from a checkout.

    Args:
        parts: The path below `resources/`.
    """
    here = Path(__file__).resolve().parent
    installed = here / "_resources"
    return (installed if installed.is_dir() else here.parent / "resources").joinpath(*parts)
