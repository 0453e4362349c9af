"""Which rows are selected together, how many of each group, and its part of the token budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from curation.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from numpy.typing import NDArray

ALL, UNTAGGED, UNNAMED = "all rows", "rows without a tag", "rows without a quota"
UNLIMITED = 2**62


class Group(NamedTuple):
    """Rows that compete with each other.

    Attributes:
        name: Its tag, or what rows without one are called.
        rows: Row numbers, ascending.
        wanted: How many of them to pick.
        overlap: How many of them have another tag with a quota, too.
        named: Whether a quota, or -k and the share, asks for it.
    """

    name: str
    rows: list[int]
    wanted: int
    overlap: int = 0
    named: bool = True


def by_task(tags: pl.Series, count: int) -> list[Group]:
    """A task is the rows that share their first tag; each keeps its share of `count` rows.

    Args:
        tags: Tags of each row (rows,).
        count: How many to pick in all.
    """
    tasks = _members(tags.list.first())
    quotas = _shares([len(rows) for rows in tasks.values()], count / max(len(tags), 1))
    rest = _free(ALL if len(tasks) == 1 else UNTAGGED, tasks)
    return [
        Group(rest if tag is None else tag, rows, n)
        for (tag, rows), n in zip(tasks.items(), quotas, strict=True)
    ]


def by_quota(tags: pl.Series, quotas: Mapping[str, int], count: int) -> list[Group]:
    """A row belongs to the first of its tags that has a quota; the others share what is left of `count`.

    Args:
        tags: Tags of each row (rows,).
        quotas: How many to pick of the rows with a tag.
        count: How many to pick in all; what the quotas leave of it is picked of the other rows.

    Raises:
        UserError: No row has one of the tags.
    """
    known = set(tags.explode())
    for tag in quotas:
        if tag not in known:
            fix = "name a tag that rows have, such as stage:task after `regrind curate shape --stage task`"
            raise UserError("no row has this tag", where=f"quota {tag}", fix=fix)
    named = tags.list.eval(pl.element().filter(pl.element().is_in(list(quotas)))).list.unique(
        maintain_order=True
    )
    members, several = _members(named.list.first()), (named.list.len() > 1).fill_null(value=False).to_numpy()
    groups = []
    for tag, wanted in quotas.items():
        rows = members.get(tag, [])
        groups.append(Group(tag, rows, wanted, int(several[rows].sum())))
    left = max(0, count - sum(min(g.wanted, len(g.rows)) for g in groups))
    return [*groups, Group(_free(UNNAMED, known), members.get(None, []), left, named=left > 0)]


def budgets(groups: Sequence[Group], cost: NDArray[np.int64], budget: int | None) -> list[int]:
    """Tokens for each group, by the rows that it can give; a group that needs less leaves more to the others.

    Args:
        groups: Groups that have rows, and of which some are wanted.
        cost: Tokens of each row (rows,).
        budget: Tokens of all groups together; None is without a limit.
    """
    if budget is None:
        return [UNLIMITED] * len(groups)
    size = [min(group.wanted, len(group.rows)) for group in groups]
    most = [int(np.sort(cost[g.rows])[::-1][:n].sum()) for g, n in zip(groups, size, strict=True)]
    found, short = list(most), list(range(len(groups)))
    while short:
        total = sum(size[i] for i in short)
        content = [i for i in short if most[i] * total <= budget * size[i]]
        if not content:
            for i in short:
                found[i] = budget * size[i] // total
            break
        budget -= sum(most[i] for i in content)
        short = [i for i in short if i not in content]
    return found


def _free(name: str, taken: Container[str | None]) -> str:
    """A name that no tag has."""
    while name in taken:
        name = f"({name})"
    return name


def _members(names: pl.Series) -> dict[str | None, list[int]]:
    table = pl.DataFrame({"name": names}, schema={"name": pl.String}).with_row_index("row")
    return dict(table.group_by("name", maintain_order=True).agg("row").iter_rows())


def _shares(sizes: Sequence[int], share: float) -> list[int]:
    """Rows to keep of each task: a `share` of all together, dealt out by largest remainder."""
    exact = [share * size for size in sizes]
    quotas = [math.floor(part) for part in exact]
    short = round(share * sum(sizes)) - sum(quotas)
    order = sorted(range(len(sizes)), key=lambda i: quotas[i] - exact[i])
    for i in order[:short]:
        quotas[i] += 1
    return quotas
