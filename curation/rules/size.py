"""Rules on the file as a whole (S0): its number of rows and the balance of its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.rules.labels import imbalance
from curation.rules.rule import ALL, TRAIN, Rule, Settings, ask, of_file

if TYPE_CHECKING:
    import polars as pl

    from curation.rules.table import Table


def _too_few(table: Table, settings: Settings) -> pl.DataFrame:
    if (count := table.rows.height) >= settings.min_rows:
        return of_file()
    return of_file(f"{count} rows; at least {settings.min_rows} are needed")


def _few(table: Table, settings: Settings) -> pl.DataFrame:
    if not settings.min_rows <= (count := table.rows.height) < settings.advised_rows:
        return of_file()
    return of_file(f"{count} rows; {settings.advised_rows} or more are advised")


def _imbalance(table: Table, _: Settings) -> pl.DataFrame:
    return imbalance(table.rows)


FRANCE = ask("What is the capital of France?", "Paris.")

SIZE: tuple[Rule, ...] = (
    Rule(
        "S001",
        "error",
        ALL,
        title="too few rows",
        catches="Fewer rows than `min_rows` (10).",
        why="Nothing general can be learnt from them or measured on them.",
        fix="add rows",
        example=FRANCE,
        find=_too_few,
    ),
    Rule(
        "S002",
        "warning",
        ALL,
        title="few rows",
        catches="Fewer rows than `advised_rows` (100).",
        why="The model repeats single rows instead of learning the task; a measure has a wide interval.",
        fix="add rows",
        example=FRANCE,
        find=_few,
        around=tuple(ask(f"What is {i} + {i}?", f"It is {2 * i}.") for i in range(20)),
    ),
    Rule(
        "S003",
        "info",
        TRAIN,
        title="labels out of balance",
        catches="A labelling task whose commonest label has ten times the rows of its rarest.",
        why="Always saying the commonest label is then nearly right, and that is what is learnt.",
        fix="add rows with the rare label",
        example=ask("Message: Hello", "unsafe"),
        find=_imbalance,
        around=tuple(ask(f"Message {i}", "unsafe" if i < 3 else "safe") for i in range(60)),
    ),
)
