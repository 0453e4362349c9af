"""Prompts put into a template, row by row, and the stage of training that rows are for."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.children import with_parents_renamed
from curation.errors import UserError
from curation.redact import redact_text
from curation.rows import SHAPED_FROM, frame, meta_text, prompt_text, row_id
from curation.templates import fields_of, fill, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from curation.rows import Message
    from curation.templates import Template

STAGE = "stage:"
"""A row's stage is a tag that begins so: `stage:domain`."""


class Shaped(NamedTuple):
    """Rows in a template.

    Attributes:
        rows: As many as before, in their order (schema ROWS); the ids are those of the new content.
        replaced: How many had a system message of their own, and have the template's now.
        spared: How many are themselves an example of the template, and are not shown it.
    """

    rows: pl.DataFrame
    replaced: int
    spared: int


def shape(rows: pl.DataFrame, template: Template) -> Shaped:
    """Put every row's prompt into a template; what follows its last user turn stays as it is.

    The prompt as it was is kept in `meta`, where the search for held-out prompts looks too.

    Args:
        rows: Rows with schema ROWS, with or without answers.
        template: What to put them into.

    Raises:
        UserError: A row has no user turn, or not every field that the template names.
    """
    names = {*fields_of(template.system), *fields_of(template.prefix), *fields_of(template.user)}
    examples = [(example.get("prompt"), _exchange(example, template)) for example in template.examples]
    shaped = []
    replaced = spared = 0
    for row in rows.iter_rows(named=True):
        fields = _fields(row)
        values = {name: text for name in names if (text := text_of(name, fields)) is not None}
        if fields["prompt"] is None or len(values) < len(names):
            raise _lacking(rows, row, sorted(names - values.keys()), template)
        shown = [turns for prompt, turns in examples if prompt != fields["prompt"]]
        spared += len(shown) < len(examples)
        replaced += bool(template.system) and fields["system"] is not None
        turns = _turns(row["messages"], template, values, [turn for pair in shown for turn in pair])
        shaped.append({**row, "id": row_id(turns), "messages": turns, "meta": _with_origin(row)})
    return Shaped(with_parents_renamed(frame(shaped), rows["id"]), replaced, spared)


def stage(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Rows with the tag `stage:NAME`, which takes the place of an earlier stage.

    Args:
        rows: Rows with schema ROWS.
        name: The stage: general, domain, task or another name.
    """
    others = pl.col("tags").list.filter(~pl.element().str.starts_with(STAGE))
    return rows.with_columns(tags=pl.concat_list(others, pl.lit([STAGE + name])))


def _with_origin(row: Mapping[str, Any]) -> str:
    """The row's `meta` with the prompt as it was: a held-out prompt must be found inside any template."""
    meta = json.loads(row["meta"] or "{}")
    # redacted, because no later step redacts what is in `meta`
    meta.setdefault(SHAPED_FROM, redact_text(prompt_text(row["messages"]))[0])
    return meta_text(meta)


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a template may name; of two with one name, the conversation's own."""
    turns = row["messages"]
    task = next((tag for tag in row["tags"] if not tag.startswith(STAGE)), None)
    own = {
        "prompt": next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), None),
        "system": "\n".join(turn["content"] for turn in _opening(turns)) or None,
    }
    return {"task": task, **json.loads(row["meta"] or "{}"), **own}


def _opening(turns: Iterable[Message]) -> list[Message]:
    """The system messages that a conversation begins with."""
    return list(itertools.takewhile(lambda turn: turn["role"] == "system", turns))


def _exchange(example: Mapping[str, Any], template: Template) -> list[Message]:
    """An example as a user turn, put as the rows are, and its answer."""
    text = template.prefix + template.user
    values = {name: text_of(name, example) or "" for name in [*fields_of(text), "answer"]}
    return [_turn("user", fill(text, values)), _turn("assistant", values["answer"])]


def _turns(
    messages: Iterable[Message], template: Template, values: Mapping[str, str], examples: list[Message]
) -> list[Message]:
    old = list(messages)
    at = max(i for i, turn in enumerate(old) if turn["role"] == "user")
    old[at] = {**old[at], "content": fill(template.prefix + template.user, values)}
    opening = _opening(old)
    system = [_turn("system", fill(template.system, values))] if template.system else opening
    return [*system, *examples, *old[len(opening) :]]


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content, "extra": None}


def _lacking(rows: pl.DataFrame, row: Mapping[str, Any], missing: list[str], template: Template) -> UserError:
    where = f"{row['source']}:{row['line']}"
    if _fields(row)["prompt"] is None:
        return UserError("this row has no user turn", where=where, fix="add one, or remove the row")
    name = missing[0]
    known = sorted(key for key, value in _fields(row).items() if value is not None)
    fix = f"name one of its fields in the template ({', '.join(known)}), or add {name!r} to the row"
    if all(text_of(name, _fields(other)) is None for other in rows.iter_rows(named=True)):
        return UserError(f"no row has the field {name!r} of template {template.name!r}", where=where, fix=fix)
    return UserError(f"this row lacks the field {name!r} of template {template.name!r}", where=where, fix=fix)
