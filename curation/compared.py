"""What of a conversation is compared with a held-out item: its prompt, as text and as turns, and its text."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import polars as pl

from curation.redact import redact_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

TURN = "\x1e"
"""What stands between two turns of a text."""

_INVISIBLE = r"[\p{Cf}\u034F\uFE00-\uFE0F]"


class Compared(NamedTuple):
    """Texts of conversations, with placeholders for personal data, so that redaction hides nothing.

    Attributes:
        prompts: The turns of the prompt without the system message, `TURN` between them (conversations,).
        turns: The same turns with their roles, without case, width and white space (conversations,).
        whole: All turns, whoever speaks, with the texts of tool calls and other fields (conversations,).
    """

    prompts: pl.Series
    turns: pl.Series
    whole: pl.Series


def compared(messages: pl.Series) -> Compared:
    """Prepare the column `messages` of rows, all at once."""
    table = pl.DataFrame({"turn": messages}).with_row_index("row").explode("turn")
    table = table.filter(pl.col("turn").is_not_null()).unnest("turn")
    content = plain(table["content"].fill_null(""))
    answer = (pl.col("row") != pl.col("row").shift(-1)).fill_null(value=True) & (
        pl.col("role") == "assistant"
    )
    table = table.with_columns(content, said=content + _fields(table["extra"]))
    asked = table.filter(~answer & (pl.col("role") != "system"))
    folded = pl.Series("content", [_folded(text) for text in asked["content"]], dtype=pl.String)
    turns = asked.with_columns(content=pl.concat_str("role", folded, separator="\x1f"))
    height = len(messages)
    return Compared(
        *(_joined(*part, height) for part in ((asked, "content"), (turns, "content"), (table, "said")))
    )


def plain(texts: pl.Series) -> pl.Series:
    """Texts without characters that nobody sees, such as soft hyphens, and with placeholders."""
    return redact_texts(texts.str.replace_all(_INVISIBLE, ""))


def _fields(extra: pl.Series) -> pl.Series:
    """The texts in the other fields of turns, `TURN` before each (turns,)."""
    there = extra.is_not_null()
    found = [TURN + TURN.join(_strings(text)) for text in extra.filter(there)]
    none = pl.Series([""], dtype=pl.String).new_from_index(0, len(extra))
    return none.scatter(there.arg_true(), plain(pl.Series(found, dtype=pl.String))) if found else none


def _strings(value: object) -> Iterator[str]:
    """The strings in a JSON value, those in a string that is JSON itself among them: so calls are kept."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, str):
        inner = _decoded(value) if value[:1] in {"{", "["} else None
        yield from [value] if inner is None else _strings(inner)


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _joined(turns: pl.DataFrame, column: str, height: int) -> pl.Series:
    """The turns of each conversation as one text (height,)."""
    texts = turns.group_by("row", maintain_order=True).agg(pl.col(column).str.join(TURN))
    rows = pl.DataFrame({"row": pl.Series(range(height), dtype=turns.schema["row"])})
    return rows.join(texts, on="row", how="left", maintain_order="left")[column].fill_null("")


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()
