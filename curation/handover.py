"""A snapshot for another tool: a folder with a file for each split, and what that tool needs beside them."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.croissant import croissant
from curation.errors import UserError
from curation.features import Features, front_matter
from curation.files import new_folder
from curation.formats import FORMATS, Unheld, about
from curation.manifest import read_manifest
from curation.rows import canonical
from curation.stored import read_rows
from curation.strata import SPLITS
from curation.verify import demand_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TABLES = ("parquet", "huggingface")
EVERY = (*FORMATS, *TABLES)
"""Names of all formats."""

LEFT_OUT = "left-out.jsonl"

ABOUT = "about"
"""The column of what a row says beside its messages: JSON as text, so that all rows have one type."""

STRICT = ("openai",)
"""Formats whose tool takes no other columns than its own."""

LOADED = """
`load_dataset` of the library `datasets` loads this folder; the head of this file tells it what the columns
hold. To load the files by name, give it `features=load_dataset_builder(FOLDER).info.features`.
"""


class Handover(NamedTuple):
    """What was written.

    Attributes:
        rows: Rows by split.
        left_out: Rows that the format has no place for (row, split, reason).
        lost: Fields that it has no place for, and how many of the rows have them.
    """

    rows: dict[str, int]
    left_out: list[dict[str, str]]
    lost: dict[str, int]


def hand_over(
    snapshot: Path, target: Path, form: str, *, leave_out: bool = False, licence: str | None = None
) -> Handover:
    """Write a snapshot's rows in a format.

    Beside the files of the splits stands `regrind.json`: the snapshot's id, the format, the id of the row on
    each line, and the fields that are in no line; and a `README.md` by which `datasets` loads the folder.

    Args:
        snapshot: Folder of the snapshot.
        target: Folder to write; there must be none.
        form: A name of `EVERY`.
        leave_out: Leave out rows that the format cannot hold, and list them in `left-out.jsonl`.
        licence: For the data card and the Croissant metadata of `huggingface`.

    Raises:
        UserError: The snapshot is damaged, the folder exists, or the format cannot hold a row.
    """
    if target.exists():
        raise UserError("this exists already", where=str(target), fix="name a folder that does not exist")
    demand_whole(snapshot)
    tables = {split: read_rows(snapshot, split).drop("split") for split in SPLITS}
    tables = {split: rows for split, rows in tables.items() if rows.height}
    with new_folder(target) as folder:
        if form in TABLES:
            ids = {split: rows["id"].to_list() for split, rows in tables.items()}
            _write_tables(folder, tables, form, read_manifest(snapshot).id, licence)
            left_out: list[dict[str, str]] = []
            lost: dict[str, int] = {}
        else:
            ids, left_out, lost = _write_lines(folder, tables, form, leave_out=leave_out, licence=licence)
        said = {"snapshot": snapshot.name, "format": form, "rows": ids, "left_out": len(left_out)}
        text = json.dumps(said | {"lost": lost}, indent=1)
        (folder / "regrind.json").write_text(text, encoding="utf8")
        if form == "huggingface":
            _write_card(folder, snapshot, list(tables), licence)
    return Handover({split: len(rows) for split, rows in ids.items()}, left_out, lost)


def _write_lines(
    folder: Path, tables: dict[str, pl.DataFrame], form: str, *, leave_out: bool, licence: str | None
) -> tuple[dict[str, list[str]], list[dict[str, str]], dict[str, int]]:
    ids: dict[str, list[str]] = {}
    features, lost = Features(), Counter[str]()
    left_out: list[dict[str, str]] = []
    for split, rows in tables.items():
        ids[split] = []
        with (folder / f"{split}.jsonl").open("w", encoding="utf8") as stream:
            for row in rows.iter_rows(named=True):
                try:
                    record, unheld = _record(form, row)
                except Unheld as reason:
                    left_out.append({"row": row["id"], "split": split, "reason": str(reason)})
                    continue
                lost.update(unheld)
                features.see(record)
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
                ids[split].append(row["id"])
    if left_out and not leave_out:
        fix = f"choose another format, or leave out the {len(left_out)} rows that it cannot hold: --leave-out"
        first = left_out[0]
        raise UserError(f"{form} cannot hold {first['reason']}", where=f"row {first['row']}", fix=fix)
    if left_out:
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in left_out)
        (folder / LEFT_OUT).write_text(text, encoding="utf8")
    files = {split: f"{split}.jsonl" for split, found in ids.items() if found}
    for split in ids.keys() - files.keys():
        (folder / f"{split}.jsonl").unlink()
    _write_settings(folder, form, list(files))
    head = front_matter(files, features.told(), licence)
    (folder / "README.md").write_text(head + LOADED, encoding="utf8")
    return ids, left_out, dict(sorted(lost.items()))


def _record(form: str, row: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The line of a row, and the names of its fields that are not in it.

    Raises:
        Unheld: The format has no place for its turns.
    """
    record, said = FORMATS[form](row), about(row)
    if form in STRICT:
        return record, said.keys() - record.keys() - {"id"}
    return record | {ABOUT: canonical(said)}, set()


def _write_settings(folder: Path, form: str, splits: list[str]) -> None:
    """The lines of settings with which the tool finds the files."""
    if form == "llama-factory":
        tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user"}
        tags |= {"assistant_tag": "assistant", "system_tag": "system"}
        shape = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
        info = {split: {"file_name": f"{split}.jsonl"} | shape for split in splits}
        (folder / "dataset_info.json").write_text(json.dumps(info, indent=2), encoding="utf8")
    if form == "axolotl":
        lines = []
        for key, split in (("datasets", "train"), ("test_datasets", "validation")):
            if split in splits:
                lines += [
                    f"{key}:",
                    f"  - path: {split}.jsonl",
                    "    ds_type: json",
                    "    type: chat_template",
                ]
                lines += ["    field_messages: messages", *(["    split: train"] if split != "train" else [])]
        (folder / "axolotl.yml").write_text("\n".join(lines) + "\n", encoding="utf8")


def _write_tables(
    folder: Path, tables: dict[str, pl.DataFrame], form: str, identity: str, licence: str | None
) -> None:
    if form == "parquet":
        for split, rows in tables.items():
            rows.write_parquet(folder / f"{split}.parquet")
        return
    (folder / "data").mkdir()
    files = {split: f"data/{split}.parquet" for split in tables}
    columns = [pl.col("id"), _messages(tables), *map(pl.col, ("tags", "source", "line", "parents", "meta"))]
    for split, rows in tables.items():
        rows.select(columns).write_parquet(folder / files[split])
    text = json.dumps(croissant(folder, files, identity, licence), indent=2)
    (folder / "croissant.json").write_text(text, encoding="utf8")


def _messages(tables: dict[str, pl.DataFrame]) -> pl.Expr:
    """The turns, with the JSON of their other fields only where a turn has some."""
    turns = pl.col("messages")
    extra = turns.list.eval(pl.element().struct.field("extra").is_not_null()).list.any()
    if any(rows.select(extra.any()).item() for rows in tables.values()):
        return turns
    return turns.list.eval(pl.struct(pl.element().struct.field("role", "content")))


def _write_card(folder: Path, snapshot: Path, splits: list[str], licence: str | None) -> None:
    head = front_matter({split: f"data/{split}.parquet" for split in splits}, licence=licence)
    card = (snapshot / "README.md").read_text(encoding="utf8")
    (folder / "README.md").write_text(f"{head}\n{card}", encoding="utf8")
