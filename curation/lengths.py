"""What row lengths in tokens cost: rows left out, padding, and what packing saves. Arrays in, figures out."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tokens = NDArray[np.int64]

BINS = 12
WORST = 5


class Spread(msgspec.Struct, frozen=True):
    """Tokens a row; `p95` and `p99` are the smallest lengths that so many percent do not exceed."""

    mean: float
    median: float
    p95: int
    p99: int
    max: int


class Layout(msgspec.Struct, frozen=True):
    """A way to lay rows into batches.

    Attributes:
        way: Its name.
        tokens: How many the model reads in all, padding included.
        padding: Share of padding in them, 0 to 1.
        saved: Share of the tokens of the first way that this one does without; below 0 it reads more.
    """

    way: str
    tokens: int
    padding: float
    saved: float


class Bin(msgspec.Struct, frozen=True):
    """How many rows have `first` to `last` tokens."""

    first: int
    last: int
    rows: int


class Lengths(msgspec.Struct, frozen=True):
    """The report.

    Attributes:
        rows: How many rows there are.
        prompt: Tokens of the prompts.
        answer: Tokens of the answers.
        whole: Tokens of whole rows.
        over: Rows of more than `max_length` tokens; training leaves them out.
        over_share: Their share of all rows, 0 to 1.
        worst: Numbers of the longest of them, from 0, the longest first.
        layouts: What the other rows cost, by the way they are laid into batches.
        histogram: Whole rows by length; the last bin holds what is above the others.
    """

    rows: int
    prompt: Spread
    answer: Spread
    whole: Spread
    over: int
    over_share: float
    worst: tuple[int, ...]
    layouts: tuple[Layout, ...]
    histogram: tuple[Bin, ...]


def measure(
    prompt: Tokens, answer: Tokens, *, max_length: int, batch_size: int, shared: int | None = None
) -> Lengths:
    """Measure rows by their lengths.

    Args:
        prompt: Tokens of each row's prompt (rows,), in the order of the file; at least one row.
        answer: Tokens of each row's answer (rows,).
        max_length: Tokens; rows that have more are left out.
        batch_size: Rows that are padded to the longest of them.
        shared: Tokens that the trainer reads when it computes the common starts of a batch once.
    """
    whole = prompt + answer
    fit = whole[whole <= max_length]
    order = np.argsort(-whole, kind="stable")
    over = int(whole.size - fit.size)
    return Lengths(
        rows=whole.size,
        prompt=spread(prompt),
        answer=spread(answer),
        whole=spread(whole),
        over=over,
        over_share=over / whole.size,
        worst=tuple(order[: min(over, WORST)].tolist()),
        layouts=_layouts(fit, max_length, batch_size, shared),
        histogram=histogram(whole),
    )


def spread(lengths: Tokens) -> Spread:
    """Mean, median and the upper end of lengths (rows,)."""
    p95, p99 = np.quantile(lengths, [0.95, 0.99], method="inverted_cdf")
    return Spread(float(lengths.mean()), float(np.median(lengths)), int(p95), int(p99), int(lengths.max()))


def _layouts(fit: Tokens, max_length: int, batch_size: int, shared: int | None) -> tuple[Layout, ...]:
    sequences, longest = packed(fit, max_length)
    tokens = {
        "padded, in the order of the file": padded(fit, batch_size),
        "padded, sorted by length": padded(np.sort(fit), batch_size),
        f"packed end to end, up to {max_length} tokens": sequences * longest,
    }
    first, real = padded(fit, batch_size), int(fit.sum())
    layouts = [
        Layout(way, n, 1 - real / n if n else 0.0, 1 - n / first if first else 0.0)
        for way, n in tokens.items()
    ]
    if shared is not None:
        saved = 1 - shared / first if first else 0.0
        layouts.append(Layout("packed as regrind trains, common starts once", shared, 0.0, saved))
    return tuple(layouts)


def padded(lengths: Tokens, batch_size: int) -> int:
    """Tokens when every batch of consecutive rows (rows,) is padded to its longest."""
    starts = np.arange(0, lengths.size, batch_size)
    if not starts.size:
        return 0
    rows = np.diff(starts, append=lengths.size)
    return int(np.maximum.reduceat(lengths, starts) @ rows)


def packed(lengths: Tokens, capacity: int) -> tuple[int, int]:
    """Lay rows into sequences, longest first, each where it leaves the least room (best fit decreasing).

    Args:
        lengths: Tokens of each row (rows,), none above `capacity`.
        capacity: Tokens of a sequence.

    Returns:
        How many sequences, and how many tokens the fullest holds.
    """
    free: Counter[int] = Counter()  # sequences by the room they have: all of one room are treated at once
    rooms: list[int] = []
    sizes, counts = np.unique(lengths[lengths > 0], return_counts=True)
    for size, count in zip(sizes[::-1].tolist(), counts[::-1].tolist(), strict=True):
        left = count
        while left:
            at = bisect_left(rooms, size)
            room = rooms[at] if at < len(rooms) else capacity
            each = min(left, room // size)  # the sequence that took one stays the fullest that fits the next
            moved = left // each
            if at < len(rooms):
                moved = min(moved, free[room])
                free[room] -= moved
                if not free[room]:
                    del rooms[at]
            left -= moved * each
            rest = room - each * size
            if not free[rest]:
                insort(rooms, rest)
            free[rest] += moved
    return sum(free.values()), capacity - rooms[0] if rooms else 0


def histogram(lengths: Tokens) -> tuple[Bin, ...]:
    """At most `BINS` bins of one width up to the 99th percentile, and one for what is above.

    Args:
        lengths: Tokens of each row (rows,), at least one.
    """
    low, high = int(lengths.min()), int(lengths.max())
    top = int(np.quantile(lengths, 0.99, method="inverted_cdf"))
    width = math.ceil((top - low + 1) / BINS)
    bins = math.ceil((top - low + 1) / width)
    counts = np.bincount(np.minimum((lengths - low) // width, bins), minlength=bins + 1)
    edges = [low + width * i for i in range(bins + 1)]
    found = [Bin(edges[i], edges[i + 1] - 1, int(counts[i])) for i in range(bins)]
    return (*found, Bin(edges[bins], high, int(counts[bins]))) if counts[bins] else tuple(found)
