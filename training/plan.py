"""Plan which rows share a sequence and a start, before any tensor is made; no torch is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.alike import Group, group_alike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.encode import Encoded

MAX_TOKENS = 1024
"""Tokens of one pack: attention's mask grows with the square."""


def plan(rows: Sequence[Encoded], max_tokens: int = MAX_TOKENS) -> list[list[Group]]:
    """Return the groups of each sequence: the rows that stand in it, by the prefix that they share.

    Args:
        rows: Encoded rows of any lengths.
        max_tokens: The size of one sequence; a row that is longer by itself gets a sequence of its own.
    """
    plans: list[list[Group]] = []
    held: list[Group] = []
    size = 0
    for prefix, members in group_alike([row.prompt_ids for row in rows]):
        opened = False
        for i in members:
            # The last answer token is predicted, never read: it needs no place.
            length = len(rows[i].ids) - 1
            if held and size + length - prefix * opened > max_tokens:
                plans.append(held)
                held, size, opened = [], 0, False
            if not opened:
                held.append(Group(prefix, []))
            held[-1].members.append(i)
            size += length - prefix * opened
            opened = True
    return [*plans, held] if held else plans


def packed_tokens(rows: Sequence[Encoded], max_tokens: int = MAX_TOKENS) -> int:
    """Return how many tokens the model reads for rows that are laid together."""
    return sum(
        group.prefix + sum(len(rows[i].ids) - 1 - group.prefix for i in group.members)
        for groups in plan(rows, max_tokens)
        for group in groups
    )
