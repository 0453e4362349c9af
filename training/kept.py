"""Keep what frozen layers make of rows for the next run: a retrain then computes only its new rows."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

from curation.files import new_file
from training.fingerprint import fingerprint
from training.tensors import save_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.encode import Encoded
    from training.frozen import States
    from training.model import LoadedModel


def restore(folder: Path, key: str, states: States, rows: Sequence[Encoded]) -> list[int]:
    """Fill in the states of all rows that an earlier run has met.

    Args:
        folder: Where states are kept, a file for each key.
        key: From `key_of`.
        states: What is to be filled.
        rows: Its rows.

    Returns:
        The numbers of the rows that are not known.
    """
    path = folder / f"{key}.safetensors"
    try:
        with safe_open(path, "pt") as held:
            known: dict[str, list[int]] = json.loads(held.metadata()["rows"])
            table = held.get_tensor("table")
    except (FileNotFoundError, SafetensorError):  # not there, or torn: it is only a saving
        return list(range(len(rows)))
    missing = []
    states.table[: states.shared] = table[: states.shared]
    for number, row in enumerate(rows):
        place = known.get(_name(row))
        if place is None:
            missing.append(number)
        else:
            states.own(number)[:] = table[place[0] : place[0] + place[1]]
    return missing


def keep(folder: Path, key: str, states: States, rows: Sequence[Encoded]) -> None:
    """Write the states of these rows, in place of those of the run before."""
    places: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        start = int(states.starts[number]) + states.shared
        places[_name(row)] = [start, len(states.own(number))]
    with new_file(folder / f"{key}.safetensors") as building:
        save_tensors({"table": states.table}, building, {"rows": json.dumps(places)})


def key_of(loaded: LoadedModel, states: States, rows: Sequence[Encoded], precision: str) -> str:
    """Name what else than a row decides its states: base, layers, arithmetic, common start."""
    shared = rows[0].prompt_ids[: states.shared]
    parts = [fingerprint(loaded.base), states.layers, str(states.table.dtype), precision, shared]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _name(row: Encoded) -> str:
    return hashlib.sha256(torch.tensor(row.ids).numpy().tobytes()).hexdigest()[:16]
