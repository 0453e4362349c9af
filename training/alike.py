"""Find which prompts start alike, so that each common start is computed once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_PREFIX = 16
"""Tokens: below this, sharing saves less than it costs to arrange."""


class Group(NamedTuple):
    """Prompts that share their first `prefix` tokens: their numbers."""

    prefix: int
    members: list[int]


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many first tokens all prompts share, or 0 when too few to be worth sharing.

    One token of every prompt stays out of it: the one that predicts the row's own first answer token.
    """
    # The smallest and the largest in dictionary order differ wherever any two do.
    first, last = min(map(list, prompts)), max(map(list, prompts))
    limit = min(len(prompt) for prompt in prompts) - 1
    length = next((i for i in range(limit) if first[i] != last[i]), limit)
    return length if length >= MIN_PREFIX else 0


def group_alike(prompts: Sequence[Sequence[int]]) -> list[Group]:
    """Split prompts into groups so that computing each group's prefix once saves the most tokens.

    In dictionary order, prompts that start alike stand together, so a dynamic programme over places to
    cut that order finds the best groups: a group of n prompts saves n - 1 times its prefix.

    Args:
        prompts: Token ids of each prompt.

    Returns:
        The groups, each with its members in the order given; together they hold every prompt once.
    """
    order = sorted(range(len(prompts)), key=lambda i: list(prompts[i]))
    common = [shared_prefix([prompts[a], prompts[b]]) for a, b in pairwise(order)]
    saved, cut = [0], [0]
    for end in range(1, len(order) + 1):
        best, shared = (saved[end - 1], end - 1), len(prompts[order[end - 1]])
        for start in range(end - 2, -1, -1):
            shared = min(shared, common[start])
            if not shared:
                break
            best = max(best, (saved[start] + (end - start - 1) * shared, start))
        saved.append(best[0])
        cut.append(best[1])
    return sorted(_groups(prompts, order, cut), key=lambda group: group.members)


def _groups(prompts: Sequence[Sequence[int]], order: Sequence[int], cut: Sequence[int]) -> list[Group]:
    groups, end = [], len(order)
    while end:
        members = sorted(order[cut[end] : end])
        prefix = shared_prefix([prompts[i] for i in members]) if len(members) > 1 else 0
        groups.append(Group(prefix, members))
        end = cut[end]
    return groups
