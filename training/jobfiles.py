"""Read and write the files of a job directory."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import UserError
from curation.files import writing
from training.encode import Encoded, encode
from training.fingerprint import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from training.settings import TrainSettings

STATE, STOP = "state.json", "stop"
_ROW = '{"id": ..., "messages": [{"role": ..., "content": ...}, ...]}'
_INCIDENTAL = (
    "base_model",
    "batch_size",
    "gradient_accumulation_steps",
    "logging_steps",
    "save_steps",
    "save_total_limit",
    "stage",
    "threads",
)
_AGAIN = "prepare the job directory again"


class Rows(NamedTuple):
    """The rows of a file: encoded, the id of each, and the ids of those that are too long."""

    encoded: list[Encoded]
    ids: list[str]
    left_out: list[str]


def encode_file(path: Path, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Rows:
    """Encode a JSONL file of rows; those of more than `max_length` tokens are left out and named.

    Raises:
        UserError: the file is missing or a line is not a training row; names the line.
    """
    rows = Rows([], [], [])
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            name, encoded = str(row["id"]), encode(tokenizer, row["messages"], max_length)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"not a training row: {error!r}", where=f"{path}:{number}", fix=f"write each line as {_ROW}"
            ) from error
        except UserError as error:
            raise UserError(error.problem, where=f"{path}:{number}", fix=error.fix) from error
        if encoded is None:
            rows.left_out.append(name)
        else:
            rows.encoded.append(encoded)
            rows.ids.append(name)
    return rows


def identity(jobdir: Path, settings: TrainSettings, base: Path) -> str:
    """Return 16 hexadecimal digits for all that decides a job's checkpoints: rows, settings and base model.

    How many rows a step has counts, not how they are split; nor where the base lies, or the threads.
    """
    found = hashlib.sha256(fingerprint(base).encode())
    for name in ("train.jsonl", "validation.jsonl"):
        found.update((jobdir / name).read_bytes() + b"\0")
    chosen = {name: value for name, value in settings.to_dict().items() if name not in _INCIDENTAL}
    chosen["rows_per_step"] = settings.batch_size * settings.gradient_accumulation_steps
    found.update(json.dumps(chosen, sort_keys=True).encode())
    return found.hexdigest()[:16]


def snapshot_id(path: Path) -> str:
    """Return the id of the snapshot whose manifest this is.

    Raises:
        UserError: the file is missing or has no id.
    """
    identity = read_json(path).get("id")
    if not isinstance(identity, str):
        raise UserError('the manifest has no "id"', where=str(path), fix="use a snapshot's manifest.json")
    return identity


def clear(jobdir: Path, *, keep_progress: bool) -> None:
    """Remove what an earlier run left.

    Args:
        jobdir: The job directory.
        keep_progress: Leave checkpoints and metrics, to go on from.
    """
    # The result first: while it is there, the rest must be whole.
    for name in ("result.json", "curves.svg", STATE, STOP):
        (jobdir / name).unlink(missing_ok=True)
    folders = [jobdir / "model", *jobdir.glob(".model*"), *jobdir.glob("checkpoints/.*")]
    if not keep_progress:
        (jobdir / "metrics.jsonl").unlink(missing_ok=True)
        folders.append(jobdir / "checkpoints")
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


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
    content = path.read_bytes()
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"not UTF-8: {error}", where=f"{path}:{line}", fix=_AGAIN) from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
