"""Log mining: which conversations of a log are good enough to learn from, by what the log says of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
import polars as pl

from curation.rows import DROPS

if TYPE_CHECKING:
    from collections.abc import Mapping

Missing = Literal["keep", "drop"]
Field = Annotated[str, msgspec.Meta(pattern=r"^[^\"\\\x00-\x1f]+\Z")]
"""A field's name: what a JSON path can hold between double quotes."""
YES, NO = ("true", "yes", "1"), ("false", "no", "0")


class Mine(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Quality rules, and the names of the fields they look at.

    A field is named as it stands in the log line; `feedback.score` is `score` inside `feedback`.

    Attributes:
        min_rating: Smallest rating that stays.
        max_latency: Seconds; the answer came in less.
        min_characters: The answer has more, white space around it not counted.
        keep_edited: Keep answers that were edited by hand.
        missing_rating: What becomes of a row without a rating.
        missing_latency: What becomes of a row without a latency.
        missing_edited: What becomes of a row that does not say whether it was edited.
        rating_field: Field with the rating, a number.
        latency_field: Field with the latency in seconds.
        latency_ms_field: Field with the latency in milliseconds, for rows without the one in seconds.
        edited_field: Field that is true where the answer was edited by hand.
    """

    min_rating: float = 4.0
    max_latency: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    min_characters: Annotated[int, msgspec.Meta(ge=0)] = 50
    keep_edited: bool = False
    missing_rating: Missing = "drop"
    missing_latency: Missing = "keep"
    missing_edited: Missing = "keep"
    rating_field: Field = "rating"
    latency_field: Field = "latency"
    latency_ms_field: Field = "latency_ms"
    edited_field: Field = "edited"


class Mined(NamedTuple):
    """What mining found.

    Attributes:
        rows: The rows that meet every rule (schema ROWS).
        drops: The others, each with the first rule that it breaks (schema DROPS).
        dropped: How many rows went by reason, the most frequent first.
        missing: How many of all rows lack each field: `rating`, `latency`, `edited`.
    """

    rows: pl.DataFrame
    drops: pl.DataFrame
    dropped: dict[str, int]
    missing: dict[str, int]


def mine(rows: pl.DataFrame, settings: Mine) -> Mined:
    """Keep the rows of a log that meet the quality rules.

    Args:
        rows: Rows with schema ROWS; the fields of the log are in `meta`.
        settings: The rules.

    Returns:
        The rows that stay, in their order, and the drops; together they are all rows.
    """
    facts = rows.select(**_facts(settings)).with_columns(**_readings())
    judged = facts.select(reason=pl.coalesce(_reasons(settings)), detail=_detail())
    kept = judged["reason"].is_null()
    gone = pl.concat([rows, judged], how="horizontal").filter(~kept)
    drops = gone.select(
        pl.col("id").alias("row_id"), "source", "line", "reason", "detail", step=pl.lit("mine")
    )
    return Mined(
        rows.filter(kept),
        pl.concat([pl.DataFrame(schema=DROPS), drops], how="diagonal"),
        dict(Counter(drops["reason"]).most_common()),
        {name: facts[name].null_count() for name in ("rating", "latency", "edited")},
    )


def _facts(settings: Mine) -> Mapping[str, pl.Expr]:
    """What the rules look at: the answer, and the fields as the log wrote them (text, or null)."""
    last = pl.col("messages").list.last().struct
    in_seconds, in_ms = _field(settings.latency_field), _field(settings.latency_ms_field)
    return {
        "characters": pl.when(last.field("role") == "assistant")
        .then(last.field("content").str.strip_chars().str.len_chars())
        .otherwise(0),
        "rating": _field(settings.rating_field),
        "latency": pl.coalesce(in_seconds, in_ms),
        "per_second": pl.when(in_seconds.is_null()).then(1000.0).otherwise(1.0),
        "edited": _field(settings.edited_field),
    }


def _readings() -> Mapping[str, pl.Expr]:
    """The fields as values; null where the log says nothing that can be read."""
    edited = pl.col("edited").str.to_lowercase()
    seconds = _number("latency") / pl.col("per_second")
    return {
        "stars": _number("rating"),
        "seconds": pl.when(seconds >= 0).then(seconds),
        "is_edited": pl.when(edited.is_in(YES)).then(True).when(edited.is_in(NO)).then(False),
    }


def _reasons(settings: Mine) -> list[pl.Expr]:
    """The rules in their order: each is its reason where a row breaks it, else null."""
    broken = {
        "no answer": pl.col("characters") == 0,
        f"answer of {settings.min_characters} characters or fewer": pl.col("characters")
        <= settings.min_characters,
        "rating missing": pl.col("rating").is_null() & (settings.missing_rating == "drop"),
        "rating is no number": pl.col("rating").is_not_null() & pl.col("stars").is_null(),
        f"rating below {settings.min_rating:g}": pl.col("stars") < settings.min_rating,
        "latency missing": pl.col("latency").is_null() & (settings.missing_latency == "drop"),
        "latency is no time": pl.col("latency").is_not_null() & pl.col("seconds").is_null(),
        f"latency of {settings.max_latency:g} s or more": pl.col("seconds") >= settings.max_latency,
        "edited missing": pl.col("edited").is_null() & (settings.missing_edited == "drop"),
        "edited is neither true nor false": pl.col("edited").is_not_null() & pl.col("is_edited").is_null(),
        "edited by hand": pl.col("is_edited") & (not settings.keep_edited),
    }
    return [pl.when(rule).then(pl.lit(reason)) for reason, rule in broken.items()]


def _detail() -> pl.Expr:
    said = [pl.col(name).fill_null("missing") for name in ("rating", "latency", "edited")]
    return pl.format("{} characters, rating {}, latency {}, edited {}", "characters", *said)


def _field(name: str) -> pl.Expr:
    """Text of a field of `meta`: under its whole name, or along its dots; null where it is empty too."""
    paths = ([name], name.split("."))
    found = [
        pl.col("meta").str.json_path_match("$" + "".join(f'["{key}"]' for key in path)) for path in paths
    ]
    text = pl.coalesce(found if "." in name else found[:1]).str.strip_chars()
    return pl.when(text != "").then(text)


def _number(name: str) -> pl.Expr:
    number = pl.col(name).cast(pl.Float64, strict=False)
    # "nan" is read as a number too, and one that no rule would find too small
    return pl.when(number.is_finite()).then(number)
