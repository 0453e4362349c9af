"""One import: files read in batches into the spool, the spool drained into the store, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loop.arrivals import Drained, drain, keep
from loop.imports.batch import batch, clean
from loop.imports.event import Call, Label, Skipped
from loop.imports.read import MAPPINGS, Reject, read
from loop.store import StoreHeldError, publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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
        unmapped: How many calls have a field that only the payload keeps, by its path.
        drained: What came into the store; None while another process holds it.
        held: Who holds it.
    """

    formats: dict[str, str] = field(default_factory=dict)
    calls: int = 0
    labels: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejects: list[tuple[str, Reject]] = field(default_factory=list)
    unmapped: Counter[str] = field(default_factory=Counter)
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
        files: The files; for Langfuse the one with traces before the one with their observations.
        progress: Told as they are read.
        form: Their format; recognised unless given.
        source: The name that their event ids are unique under; the format's unless given.
        patience: Seconds to wait while another process holds the store.

    Raises:
        UserError: A file cannot be read, or the disk is full.
    """
    done = Imported()
    for path in files:
        for form_, events in _batches(path, form, done, progress):
            calls = [e for e in events if isinstance(e, Call)]
            labels = [e for e in events if isinstance(e, Label)]
            done.unmapped.update(path for call in calls for path in call.unmapped)
            said = [*labels, *(label for call in calls for label in call.labels)]
            done.unmapped.update(path for label in said for path in label.unmapped)
            rows = batch(calls, labels, source or form_, form_, MAPPINGS[form_])
            done.calls, done.labels = done.calls + len(calls), done.labels + rows.labels.height
            if calls or labels:
                keep(workspace.arrivals, rows)
        progress.end(f"{path.name}: {done.formats.get(str(path), 'nothing')}")
    try:
        done.drained = drain(workspace.store, workspace.arrivals, patience=patience)
        publish(workspace.store, workspace.view)
    except StoreHeldError as fault:
        done.held = fault.problem
    return done


def _batches(
    path: Path, form: str | None, done: Imported, progress: Progress
) -> Iterator[tuple[str, list[Event]]]:
    """Events of a file in batches; what is no event is counted."""
    waiting: list[Event] = []
    found = form or ""
    for found, events in read(path, form):
        done.formats[str(path)] = found
        done.rejects += [(str(path), e._replace(text=clean(e.text))) for e in events if isinstance(e, Reject)]
        skipped = [e for e in events if isinstance(e, Skipped)]
        done.skipped.update(e.what for e in skipped)
        done.unmapped.update(path for e in skipped for path in e.unmapped)
        waiting += [e for e in events if isinstance(e, Call | Label)]
        so_far = done.calls + len(waiting)
        progress.step(so_far, so_far, f"events of {path.name}")
        while len(waiting) >= ROWS:
            yield found, waiting[:ROWS]
            waiting = waiting[ROWS:]
    if waiting:
        yield found, waiting
