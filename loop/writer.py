"""Work in a workspace: one at a time, each change committed whole, then published for the readers."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Protocol, TypeVar

from loop.arrivals import drain
from loop.lock import only_one
from loop.store import publish, transaction

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

    from loop.workspace import Workspace

    class Save(Protocol):
        """Saves a change in the workspace that is held; see `save`."""

        def __call__(self, commit: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
            """Commit a change, and give what the commit gave."""


@contextlib.contextmanager
def working(workspace: Workspace) -> Iterator[Save]:
    """Hold a workspace, and yield what saves a change in it.

    Raises:
        UserError: Another process works here; from saving, as `save`.
    """
    with only_one(workspace.lock):
        workspace.tidy()
        yield functools.partial(save, workspace)


def save(workspace: Workspace, commit: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
    """Commit a change together with what waits in the spool of arrivals, and publish the store.

    Args:
        workspace: Where.
        commit: Writes the rows, in one transaction.

    Returns:
        What the commit gives.

    Raises:
        UserError: As `loop.store.transaction`.
    """
    drain(workspace.store, workspace.arrivals)
    with transaction(workspace.store) as connection:
        given = commit(connection)
    publish(workspace.store, workspace.view)
    return given
