"""A snapshot for another tool: a folder with a file for each split, and what that tool needs beside them."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.croissant import croissant
from curation.errors import UserError
from curation.files import new_folder
from curation.formats import FORMATS, Unheld, unheld_fields
from curation.handover_settings import write_settings
from curation.manifest import read_manifest
from curation.stored import read_rows
from curation.strata import SPLITS
from curation.verify import demand_whole

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("parquet", "huggingface")
EVERY = (*FORMATS, *TABLES)
"""Names of all formats."""

LEFT_OUT = "left-out.jsonl"


class Handover(NamedTuple):
    """What was written.

    Attributes:
        rows: Rows by split.
        left_out: The rows that the format has no place for (row, split, reason).
        unheld: In how many rows a field is that the format has no place for, by its name.
    """

    rows: dict[str, int]
    left_out: list[dict[str, str]]
    unheld: dict[str, int]


def hand_over(
    snapshot: Path, target: Path, form: str, *, leave_out: bool = False, licence: str | None = None
) -> Handover:
    """Write a snapshot's rows in a format.

    Beside the files of the splits stands `regrind.json`: the snapshot's id, the format, the id of the row on
    each line, and the fields of rows that the format has no place for.

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
            left_out, unheld = list[dict[str, str]](), dict[str, int]()
        else:
            ids, left_out, unheld = _write_lines(folder, tables, form, leave_out=leave_out)
        about = {"snapshot": snapshot.name, "format": form, "rows": ids, "left_out": len(left_out)}
        about |= {"unheld": unheld}
        (folder / "regrind.json").write_text(json.dumps(about, indent=1), encoding="utf8")
        if form == "huggingface":
            _write_card(folder, snapshot, list(tables), licence)
    return Handover({split: len(rows) for split, rows in ids.items()}, left_out, unheld)


def _write_lines(
    folder: Path, tables: dict[str, pl.DataFrame], form: str, *, leave_out: bool
) -> tuple[dict[str, list[str]], list[dict[str, str]], dict[str, int]]:
    ids: dict[str, list[str]] = {}
    left_out: list[dict[str, str]] = []
    unheld = Counter[str]()
    keys: set[str] = set()
    for split, rows in tables.items():
        ids[split] = []
        with (folder / f"{split}.jsonl").open("w", encoding="utf8") as stream:
            for row in rows.iter_rows(named=True):
                try:
                    record = FORMATS[form](row)
                except Unheld as reason:
                    left_out.append({"row": row["id"], "split": split, "reason": str(reason)})
                    continue
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
                ids[split].append(row["id"])
                unheld.update(unheld_fields(row, form))
                keys |= {*record, *(key for turn in record.get("messages", ()) for key in turn)}
    if left_out and not leave_out:
        fix = f"choose another format, or leave out the {len(left_out)} rows that it cannot hold: --leave-out"
        first = left_out[0]
        raise UserError(f"{form} cannot hold {first['reason']}", where=f"row {first['row']}", fix=fix)
    if left_out:
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in left_out)
        (folder / LEFT_OUT).write_text(text, encoding="utf8")
    splits = [split for split, found in ids.items() if found]
    for split in ids.keys() - splits:  # a file without a line stops the loaders
        (folder / f"{split}.jsonl").unlink()
    write_settings(folder, form, splits, keys)
    return ids, left_out, dict(unheld.most_common())


def _write_tables(
    folder: Path, tables: dict[str, pl.DataFrame], form: str, identity: str, licence: str | None
) -> None:
    if form == "parquet":
        for split, rows in tables.items():
            rows.write_parquet(folder / f"{split}.parquet")
        return
    (folder / "data").mkdir()
    files = {split: f"data/{split}.parquet" for split in tables}
    columns = [
        pl.col("id"),
        _messages(tables),
        *map(pl.col, ("tags", "source", "line", "parents", "family", "meta")),
    ]
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
    head: list[Any] = [
        "---",
        *([f"license: {json.dumps(licence, ensure_ascii=False)}"] if licence else []),
        "configs:",
        "- config_name: default",
    ]
    head += ["  data_files:"]
    for split in splits:
        head += [f"  - split: {split}", f"    path: data/{split}.parquet"]
    card = (snapshot / "README.md").read_text(encoding="utf8")
    (folder / "README.md").write_text("\n".join([*head, "---", "", card]), encoding="utf8")
