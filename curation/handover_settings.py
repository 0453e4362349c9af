"""What stands beside the lines of an export, so that its tool finds them and reads them as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from curation.formats import CONVERSATIONAL_ROW, OPENAI_ROW

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

PLAIN = {
    "messages",
    "role",
    "content",
    "conversations",
    "instruction",
    "input",
    "output",
    "prompt",
    "completion",
}
"""Keys whose values are text on every line."""


def write_settings(folder: Path, form: str, splits: list[str], keys: Collection[str]) -> None:
    """Write the files with which a tool finds and reads the lines.

    Args:
        folder: Where the lines are, a file for each split.
        form: The format.
        splits: Their names.
        keys: All keys of their records and turns.
    """
    if set(keys) - PLAIN:
        (folder / "README.md").write_text(_features(splits, keys), encoding="utf8")
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


def _features(splits: list[str], keys: Collection[str]) -> str:
    """The header with which `datasets` reads turns of any fields as they are, whichever split has them."""
    rows = [key for key in (*OPENAI_ROW, *CONVERSATIONAL_ROW) if key in keys]
    head = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{split}.jsonl"} for split in splits],
            }
        ],
        "dataset_info": [
            {
                "config_name": "default",
                "features": [
                    {"name": "messages", "list": "json"},
                    *({"name": key, "dtype": "json"} for key in dict.fromkeys(rows)),
                ],
            }
        ],
    }
    return f"---\n{json.dumps(head, indent=1)}\n---\n"
