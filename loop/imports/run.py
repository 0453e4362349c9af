"""One import: files read in batches into the spool, the spool drained into the store, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loop.arrivals import drain, keep
from loop.imports.batch import batch, clean
from loop.imports.event import Call, Label, Run, Skipped
from loop.imports.read import MAPPINGS, Readers, Reject, read
from loop.store import StoreHeldError, publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from loop.entering import Drained
    from loop.imports.event import Event
    from loop.progress import Progress
    from loop.workspace import Workspace

ROWS = 50_000
"""Calls a batch: enough that a commit costs little beside them, few enough for any memory."""


@dataclass
class Imported:
    """What an import came to.

    Attributes:
        formats: The format of each file.
        calls: Calls of a model that were read.
        labels: What was said about them.
        skipped: Objects that are no call, by what they are.
        rejects: What could not be read, with the file's name.
        runs: Whole requests that were read.
        unmapped: How many calls, labels and requests have a field that only the payload keeps, by its path.
        lost: How many skipped objects have a field that nothing keeps, by its path.
        drained: What came into the store; None while another process holds it.
        held: Who holds it.
    """

    formats: dict[str, str] = field(default_factory=dict)
    calls: int = 0
    labels: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejects: list[tuple[str, Reject]] = field(default_factory=list)
    runs: int = 0
    unmapped: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    drained: Drained | None = None
    held: str = ""


def import_files(
    workspace: Workspace,
    files: Sequence[Path],
    progress: Progress,
    *,
    form: str | None = None,
    source: str | None = None,
    patience: float,
) -> Imported:
    """Import files of traces; what is there already, or was deleted, is not imported again.

    Args:
        workspace: Where.
        files: The files, in any order; the input file of an OpenAI batch before its output.
        progress: Told as they are read.
        form: Their format; recognised unless given.
        source: The name that their event ids are unique under; the format's unless given.
        patience: Seconds to wait while another process holds the store.

    Raises:
        UserError: A file cannot be read, or the disk is full.
    """
    done, readers = Imported(), Readers()
    for path in files:
        for form_, events in _batches(read(path, form, readers), path, done, progress):
            _keep(workspace, events, source or form_, form_, done)
        progress.end(f"{path.name}: {done.formats.get(str(path), 'nothing')}")
    for form_, events in _batches(readers.rest(), files[-1], done, progress):
        _keep(workspace, events, source or form_, form_, done)
    try:
        done.drained = drain(workspace.store, workspace.arrivals, patience=patience)
        publish(workspace.store, workspace.view)
    except StoreHeldError as fault:
        done.held = fault.problem
    return done


def _keep(workspace: Workspace, events: list[Event], source: str, form: str, done: Imported) -> None:
    """Count the events of a batch, and put it into the spool."""
    calls = [e for e in events if isinstance(e, Call)]
    labels = [e for e in events if isinstance(e, Label)]
    runs = [e for e in events if isinstance(e, Run)]
    said = [*labels, *(label for call in calls for label in call.labels)]
    for kind in (calls, said, runs):
        done.unmapped.update(clean(path) for event in kind for path in event.unmapped)
    rows = batch(calls, labels, runs, source, form, MAPPINGS[form])
    done.calls, done.labels = done.calls + len(calls), done.labels + rows.labels.height
    done.runs += len(runs)
    keep(workspace.arrivals, rows)


def _batches(
    blocks: Iterator[tuple[str, list[Event | Reject]]], path: Path, done: Imported, progress: Progress
) -> Iterator[tuple[str, list[Event]]]:
    """Events of a file in batches; what is no event is counted."""
    waiting: list[Event] = []
    found = ""
    for found, events in blocks:
        done.formats.setdefault(str(path), found)
        done.rejects += [(str(path), _clean(e)) for e in events if isinstance(e, Reject)]
        skipped = [e for e in events if isinstance(e, Skipped)]
        done.skipped.update(e.what for e in skipped)
        done.lost.update(clean(path) for e in skipped for path in e.unmapped)
        waiting += [e for e in events if isinstance(e, Call | Label | Run)]
        so_far = done.calls + len(waiting)
        progress.step(so_far, so_far, f"events of {path.name}")
        while len(waiting) >= ROWS:
            yield found, waiting[:ROWS]
            waiting = waiting[ROWS:]
    if waiting:
        yield found, waiting


def _clean(reject: Reject) -> Reject:
    return reject._replace(reason=clean(reject.reason), text=clean(reject.text))
