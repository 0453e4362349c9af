"""Checkpoints: whole or not there, of plain numbers only, and refused where they are damaged or foreign."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file

from curation.errors import UserError
from curation.files import new_folder
from training.jobfiles import read_json
from training.tensors import save_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

FOLDER = "checkpoints"
SEAL = "checkpoint.json"
_WEIGHTS, _OPTIMIZER = "weights.safetensors", "optimizer.safetensors"


class Checkpoints:
    """The checkpoints of one job.

    Args:
        folder: Where they lie, one folder each, named by step.
        identity: What the job is made of: a checkpoint of another job is refused.
        limit: How many are kept, beside the best.
        names: Name of each trained weight in the whole model, by the weight's `id`.
    """

    def __init__(self, folder: Path, identity: str, limit: int, names: dict[int, str]) -> None:
        self.folder = folder
        self.identity = identity
        self.limit = limit
        self._names = names

    def path(self, step: int) -> Path:
        """Folder of the checkpoint at a step."""
        return self.folder / f"step-{step:08d}"

    def save(
        self,
        state: Any,  # noqa: ANN401 - the Trainer's state is untyped
        weights: list[torch.nn.Parameter],
        optimizer: Optimizer,
        scheduler: LRScheduler,
    ) -> None:
        """Write a checkpoint of the Trainer's state, then drop the oldest ones above the limit."""
        held = optimizer.state_dict()
        target = self.path(state.global_step)
        # One of the same step is left of a run before: it may be damaged, and nothing is lost with it.
        shutil.rmtree(target, ignore_errors=True)
        with new_folder(target) as building:
            trained = {self._names[id(w)]: w.detach().contiguous() for w in weights}
            save_tensors(trained, building / _WEIGHTS)
            save_tensors(_tensors(held["state"]) | _generators(), building / _OPTIMIZER)
            state.save_to_json(str(building / "trainer_state.json"))
            seal = {
                "identity": self.identity,
                "step": state.global_step,
                "groups": held["param_groups"],
                "scheduler": scheduler.state_dict(),
                "python_random": random.getstate(),
                "numpy_random": _numpy_state(),
                "sha256": {path.name: _digest(path) for path in sorted(building.iterdir())},
            }
            seal["seal"] = _seal_of(seal)
            (building / SEAL).write_text(json.dumps(seal), encoding="utf-8")
        self._rotate(state.best_global_step)

    def newest(self) -> Path | None:
        """Return the checkpoint to go on from, or None where there is none.

        Raises:
            UserError: it is damaged, or of another job.
        """
        found = sorted(self.folder.glob("step-*"))
        if not found:
            return None
        self.demand(found[-1])
        return found[-1]

    def demand(self, checkpoint: Path) -> None:
        """Refuse a checkpoint that is damaged or was written by another job."""
        anew = "run it anew with --fresh"
        remove = f"remove {checkpoint}, to go on from the one before; or {anew}"
        try:
            content = read_json(checkpoint / SEAL)
        except UserError as error:
            raise UserError("this is no checkpoint of ours", where=error.where, fix=remove) from error
        if content.pop("seal", None) != _seal_of(content):
            raise UserError("the checkpoint is damaged", where=str(checkpoint / SEAL), fix=remove)
        for name, digest in content["sha256"].items():
            path = checkpoint / name
            if not path.is_file() or _digest(path) != digest:
                raise UserError("the checkpoint is damaged", where=str(path), fix=remove)
        if content["identity"] != self.identity:
            problem = "the checkpoint is of another job: rows, settings or base model have changed"
            raise UserError(problem, where=str(checkpoint), fix=f"restore them, or {anew}")

    def load_weights(self, checkpoint: Path, weights: list[torch.nn.Parameter]) -> None:
        """Put a checkpoint's weights into the model."""
        held = load_file(checkpoint / _WEIGHTS)
        with torch.no_grad():
            for weight in weights:
                weight.copy_(held[self._names[id(weight)]])

    def load_optimizer(self, checkpoint: Path, optimizer: Optimizer, scheduler: LRScheduler) -> None:
        """Put a checkpoint's optimizer and scheduler back as they were."""
        seal = read_json(checkpoint / SEAL)
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in load_file(checkpoint / _OPTIMIZER).items():
            kind, _, key = name.partition(".")
            if kind.isdigit():
                state.setdefault(int(kind), {})[key] = value
        groups = [group | _pairs(group) for group in seal["groups"]]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
        scheduler.load_state_dict(seal["scheduler"])

    def _rotate(self, best: int | None) -> None:
        for old in sorted(self.folder.glob("step-*"))[: -self.limit]:
            if best is None or old != self.path(best):
                shutil.rmtree(old)


def load_generators(checkpoint: Path) -> None:
    """Put all random numbers back where they were at a checkpoint."""
    seal = read_json(checkpoint / SEAL)
    version, state, gauss = seal["python_random"]
    random.setstate((version, tuple(state), gauss))
    name, keys, position, has_gauss, cached = seal["numpy_random"]
    np.random.set_state((name, np.array(keys, np.uint32), position, has_gauss, cached))
    held = load_file(checkpoint / _OPTIMIZER)
    torch.set_rng_state(held["random.cpu"])
    if "random.cuda" in held and torch.cuda.is_available():
        torch.cuda.set_rng_state(held["random.cuda"])


def _generators() -> dict[str, torch.Tensor]:
    found = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        found["random.cuda"] = torch.cuda.get_rng_state()
    return found


def _numpy_state() -> list[Any]:
    held: Any = np.random.get_state()
    name, keys, position, has_gauss, cached = held
    return [name, keys.tolist(), position, has_gauss, cached]


def _tensors(state: dict[int, dict[str, Any]]) -> dict[str, torch.Tensor]:
    return {
        f"{number}.{key}": value.detach().contiguous()
        if isinstance(value, torch.Tensor)
        else torch.tensor(value)
        for number, held in state.items()
        for key, value in held.items()
    }


def _pairs(group: dict[str, Any]) -> dict[str, Any]:
    """JSON turns a pair into a list, which an optimizer does not take for one."""
    return {key: tuple(value) for key, value in group.items() if key == "betas"}


def _seal_of(content: dict[str, Any]) -> str:
    """A hash of all that the seal says, as JSON gives it back."""
    said = json.dumps(json.loads(json.dumps(content)), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
