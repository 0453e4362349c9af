"""Read and write the files of a job directory."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.files import writing
from training.encode import Encoded, encode

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

_ROW = '{"id": ..., "messages": [{"role": ..., "content": ...}, ...]}'
_AGAIN = "prepare the job directory again"


def encode_file(
    path: Path, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[list[Encoded], list[str]]:
    """Encode a JSONL file of rows.

    Returns:
        The rows that fit into `max_length` tokens, and the ids of those that do not.

    Raises:
        UserError: the file is missing or a line is not a training row; names the line.
    """
    rows: list[Encoded] = []
    left_out: list[str] = []
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            identity, encoded = str(row["id"]), encode(tokenizer, row["messages"], max_length)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"not a training row: {error!r}", where=f"{path}:{number}", fix=f"write each line as {_ROW}"
            ) from error
        except UserError as error:
            raise UserError(error.problem, where=f"{path}:{number}", fix=error.fix) from error
        if encoded is None:
            left_out.append(identity)
        else:
            rows.append(encoded)
    return rows, left_out


def snapshot_id(path: Path) -> str:
    """Return the id of the snapshot whose manifest this is.

    Raises:
        UserError: the file is missing or has no id.
    """
    identity = read_json(path).get("id")
    if not isinstance(identity, str):
        raise UserError('the manifest has no "id"', where=str(path), fix="use a snapshot's manifest.json")
    return identity


def clear(jobdir: Path) -> None:
    """Remove what an earlier run left."""
    # The result first: while it is there, the rest must be whole.
    for name in ("result.json", "state.json", "metrics.jsonl"):
        (jobdir / name).unlink(missing_ok=True)
    shutil.rmtree(jobdir / "model", ignore_errors=True)
    for unfinished in jobdir.glob(".model-*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: the file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError("the file is missing", where=str(path), fix=_AGAIN) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"not JSON: {error}", where=str(path), fix=_AGAIN) from error
    if not isinstance(content, dict):
        raise UserError("not a JSON object", where=str(path), fix=_AGAIN)
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object whole or not at all."""
    building = path.with_name(f".{path.name}.tmp")
    with writing(path):  # not synced: this is written after every step, and a crash begins the job anew
        building.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        building.replace(path)


def _lines(path: Path) -> list[tuple[int, str]]:
    if not path.is_file():
        raise UserError("the file is missing", where=str(path), fix=_AGAIN)
    lines = path.read_text(encoding="utf-8").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
