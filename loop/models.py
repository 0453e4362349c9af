"""Models on disk and in memory: where a version lies, how it is loaded, what it answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from curation.errors import UserError
from curation.rows import plain, short_hash, split_answer
from loop.store import current
from training.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loop.progress import Progress
    from loop.workspace import Workspace
    from training.answer import Answer
    from training.model import LoadedModel


def cache() -> Path:
    """The folder for models that were converted once: `REGRIND_CACHE`, else the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("REGRIND_CACHE") or f"{home}/regrind")


def settings(workspace: Workspace) -> TrainSettings:
    """The training settings of the workspace's configuration."""
    return TrainSettings.from_dict(workspace.config.train)


def base_folder(workspace: Workspace) -> Path:
    """The base model's folder; an embedded model is converted on first use.

    Raises:
        UserError: There is no such model.
    """
    from training.embedded import find_model

    return find_model(base_name(workspace), cache())


def base_name(workspace: Workspace) -> str:
    """The base model as the configuration has it, a folder of the workspace as an absolute path."""
    name = settings(workspace).base_model
    local = workspace.path(name)
    return str(local.resolve()) if local.is_dir() else name


def base_id(workspace: Workspace) -> str:
    """What the base model's files hold, wherever they lie."""
    from training.fingerprint import fingerprint

    return fingerprint(base_folder(workspace))


def setup(workspace: Workspace) -> str:
    """What else than its version decides a model's answers: the base, and how they are generated."""
    how, generated = settings(workspace), msgspec.to_builtins(workspace.config.generate)
    return short_hash([base_id(workspace), how.precision, how.seed, generated])


def demand_adopted_base(workspace: Workspace) -> None:
    """Refuse to go on with another base model than the one that the versions were trained from.

    Raises:
        UserError: It is another one.
    """
    with current(workspace.store, workspace.view) as connection:
        adopted = connection.execute(
            "SELECT base, base_id FROM models WHERE name = ? AND version = 0", [workspace.config.model]
        ).fetchone()
    if adopted and adopted[1] != base_id(workspace):
        fix = f"restore {adopted[0]!r} as it was, or begin anew with another `model` name in regrind.toml"
        problem = f"the base model is not the one that {workspace.config.model} v0 was adopted from"
        raise UserError(problem, where="train.base_model", fix=fix)


def load_version(workspace: Workspace, version: int) -> LoadedModel:
    """Load a version of the workspace's model; version 0 is the base."""
    from training.model import load

    adapter, how = workspace.model(version) if version else None, settings(workspace)
    return load(base_folder(workspace), adapter, how.precision, trust_remote_code=how.trust_remote_code)


def answer(
    workspace: Workspace,
    loaded: LoadedModel,
    conversations: Sequence[Sequence[dict[str, Any]]],
    progress: Progress,
    what: str,
) -> list[Answer]:
    """What a model says to some prompts; the answer that a conversation may end with is not shown to it.

    Args:
        workspace: Its generation and training settings are used.
        loaded: The model.
        conversations: Messages of each item.
        progress: Told as answers arrive.
        what: What is being answered, for the progress line.
    """
    from training.generate import GenerateSettings, generate

    chosen, train = workspace.config.generate, settings(workspace)
    how = GenerateSettings(
        max_new_tokens=chosen.max_new_tokens,
        batch_size=chosen.batch_size,
        temperature=chosen.temperature,
        seed=train.seed,
        precision=train.precision,
    )
    prompts = [plain(split_answer(messages)[0]) for messages in conversations]
    return generate(loaded, prompts, how, lambda done, total: progress.step(done, total, what))
