"""The pool: prompts that production answers, with the references that some of them have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from curation.errors import UserError
from curation.intake import read_file
from curation.rows import split_answer

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from loop.workspace import Workspace


class PoolItem(NamedTuple):
    """A prompt to answer: its id in the file, its messages, tags, and its reference if there is one."""

    id: str
    messages: list[dict[str, str]]
    tags: list[str]
    reference: str | None


class _Reference(msgspec.Struct):
    id: str | int
    reference: str


def read_pool(workspace: Workspace) -> list[PoolItem]:
    """Read the pool and its references.

    Raises:
        UserError: No pool is configured, a line of it is bad, an id stands twice, or the reference
            judge is to judge a prompt that has no reference.
    """
    config = workspace.config
    if not config.data.pool:
        fix = 'set pool = "data/pool.jsonl", prompts for production to answer, or import traces'
        raise UserError("there is nothing for production to answer", where="regrind.toml: data.pool", fix=fix)
    path = workspace.path(config.data.pool)
    rows, rejects = read_file(path, source=config.data.pool)
    if rejects.height:
        line, reason = rejects.select("line", "reason").row(0)
        raise UserError(
            f"not a prompt: {reason}", where=f"{path}:{line}", fix="correct the line, or remove it"
        )
    references = read_references(workspace.path(config.data.references)) if config.data.references else {}
    items = _items(rows, references, path)
    if config.judge.kind == "reference":
        _demand_references(items, rows, workspace)
    return items


def _items(rows: pl.DataFrame, references: dict[str, str], path: Path) -> list[PoolItem]:
    items: dict[str, PoolItem] = {}
    for row in rows.iter_rows(named=True):
        identity = str(json.loads(row["meta"]).get("id", row["id"]))
        if identity in items:
            fix = "give every prompt an id of its own"
            raise UserError(f"the id {identity!r} stands twice", where=f"{path}:{row['line']}", fix=fix)
        prompt, _ = split_answer(row["messages"])
        items[identity] = PoolItem(identity, prompt, row["tags"], references.get(identity))
    return list(items.values())


def _demand_references(items: list[PoolItem], rows: pl.DataFrame, workspace: Workspace) -> None:
    lines = rows["line"].to_list()
    for item, line in zip(items, lines, strict=True):
        if item.reference is None:
            data = workspace.config.data
            fix = f"add it to {data.references or 'a file named in data.references'}, or use another judge"
            where = f"{workspace.path(data.pool)}:{line}"
            raise UserError(f"the prompt {item.id!r} has no reference for the judge", where=where, fix=fix)


def read_references(path: Path) -> dict[str, str]:
    """References by the id of the prompt.

    Raises:
        UserError: There is no such file, a line is not `{"id", "reference"}`, or an id stands twice.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as fault:
        problem = f"the references cannot be read: {fault.strerror}"
        raise UserError(problem, where=str(path), fix="check data.references in regrind.toml") from fault
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line, type=_Reference)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            fix = 'each line is {"id": "…", "reference": "…"}'
            raise UserError(f"not a reference: {fault}", where=f"{path}:{number}", fix=fix) from fault
        identity = str(entry.id)  # as the pool's own ids are read
        if identity in found:
            problem = f"the id {identity!r} has two references"
            raise UserError(problem, where=f"{path}:{number}", fix="remove one of them")
        found[identity] = entry.reference
    return found
