"""What a rule is: its code and documentation, the settings it obeys, and the function that finds its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

    from curation.rules.table import Table

Level = Literal["error", "warning", "info"]
Kind = Literal["train", "prompts", "evaluation"]
"""What rows are for: to be learned from, to be answered, or to measure answers against."""

ALL: tuple[Kind, ...] = ("train", "prompts", "evaluation")
ANSWERED: tuple[Kind, ...] = ("train", "evaluation")
TRAIN: tuple[Kind, ...] = ("train",)

Chat = tuple[tuple[str, ...], ...]
"""Turns as (role, content) or (role, content, extra)."""

Count = Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which rules are asked, how grave they are, and their limits; a code may be a beginning, as in `R3`.

    Attributes:
        select: Only these rules; all that apply to the kind of rows when empty.
        ignore: Not these, even where they are selected.
        levels: Another level for some rules; the longest code that fits decides.
        max_tokens: Longest row, at 4 bytes of UTF-8 a token; null: the training's max_length, else 16,000.
        max_characters: Longest row in characters.
        min_rows: A file of fewer rows is an error.
        advised_rows: A file of fewer rows gives a warning.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    levels: dict[str, Level] = {}
    max_tokens: Count | None = None
    max_characters: Count = 100_000
    min_rows: Count = 10
    advised_rows: Count = 100


class Rule(NamedTuple):
    """One rule.

    Attributes:
        code: Its name: a letter and three digits, the first digit its family's.
        level: How grave it is unless the settings say otherwise.
        kinds: The kinds of rows that it applies to.
        title: What is wrong, in a few words.
        catches: What exactly is found.
        why: Why that matters.
        fix: What to do.
        example: A row that breaks it,
        around: in a file that has these rows too.
        find: The rows that break it: a frame with `row` (null: the file as a whole) and maybe `detail`.
        across: Whether it compares files that are given together.
    """

    code: str
    level: Level
    kinds: tuple[Kind, ...]
    title: str
    catches: str
    why: str
    fix: str
    example: Chat
    find: Callable[[Table, Settings], pl.DataFrame]
    around: tuple[Chat, ...] = ()
    across: bool = False


def ask(prompt: str, answer: str) -> Chat:
    """A chat of one question and its answer."""
    return (("user", prompt), ("assistant", answer))


def where(frame: pl.DataFrame, *conditions: pl.Expr) -> pl.DataFrame:
    """The rows for which all conditions hold; each looks at what the one before it left: cheap ones first."""
    for condition in conditions:
        frame = frame.filter(condition)
    return frame.select(pl.col("row").unique(maintain_order=True))


def of_file(*details: str) -> pl.DataFrame:
    """Findings on the file as a whole, one a detail."""
    rows = {"row": [None] * len(details), "detail": list(details)}
    return pl.DataFrame(rows, schema={"row": pl.UInt32, "detail": pl.String})
