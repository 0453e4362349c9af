"""Which rows are selected together, and how many of each group: by quota, or in proportion by task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REST = "others"


class Group(NamedTuple):
    """Rows that compete with each other.

    Attributes:
        name: Its tag; `others` for rows without a quota, empty for rows without a tag.
        rows: Row numbers, ascending.
        wanted: How many of them to pick.
    """

    name: str
    rows: list[int]
    wanted: int


def by_task(tags: pl.Series, count: int) -> list[Group]:
    """A task is the rows that share their first tag; each keeps its share of `count` rows.

    Args:
        tags: Tags of each row (rows,).
        count: How many to pick in all.
    """
    tasks = _members(tags.list.first().fill_null(""))
    quotas = _shares([len(rows) for rows in tasks.values()], count / max(len(tags), 1))
    return [Group(name, rows, n) for (name, rows), n in zip(tasks.items(), quotas, strict=True)]


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
    wanted = pl.element().filter(pl.element().is_in(list(quotas))).first()
    members = _members(tags.list.eval(wanted).list.first().fill_null(REST))
    groups = [Group(tag, members.pop(tag, []), n) for tag, n in quotas.items()]
    left = max(0, count - sum(min(g.wanted, len(g.rows)) for g in groups))
    return [*groups, Group(REST, members.pop(REST, []), left)]


def _members(names: pl.Series) -> dict[str, list[int]]:
    table = pl.DataFrame({"name": names}).with_row_index("row")
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
