"""What a batch judge must remember between runs: which batches it made, for which items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence


class Note(Struct, frozen=True):
    """One batch.

    Attributes:
        attempt: Random name of the create: the last note of an attempt counts.
        judge: Id of the judge.
        keys: Ids of the items, in their order.
        created: Seconds since 1970 just before the create was sent.
        batch: The service's id for it; empty while that is not known.
        over: Whether its results are kept, or it will never have any.
    """

    attempt: str
    judge: str
    keys: list[str]
    created: float
    batch: str = ""
    over: bool = False


class Journal(Protocol):
    """Where notes are kept."""

    def open(self, judge: str) -> Sequence[Note]:
        """The last note of each attempt of a judge that is not over."""
        ...

    def batches(self) -> set[str]:
        """Ids of all batches that were ever noted."""
        ...

    def put(self, note: Note) -> None:
        """Keep a note; when this returns, it survives the end of the process."""
        ...
