"""Which judge the configuration names, with its rubric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.errors import UserError
from judge.rubric import Rubric, load_rubric

if TYPE_CHECKING:
    from pathlib import Path

    from judge.protocol import Judge
    from loop.workspace import Workspace

KINDS = ("reference", "anthropic")


def configured_judge(workspace: Workspace) -> Judge:
    """The judge of the traces.

    Raises:
        UserError: The rubric is wrong, or the judge's key is missing.
    """
    chosen = workspace.config.judge
    return make_judge(chosen.kind, load_rubric(workspace.path(chosen.rubric)), chosen.model)


def make_judge(kind: str, rubric: Rubric, model: str) -> Judge:
    """A judge by its kind: `reference` compares, `anthropic` asks Claude.

    Raises:
        UserError: There is no such kind, or the judge's key is missing.
    """
    if kind not in KINDS:
        raise UserError(f"there is no judge {kind!r}", where="--judge", fix=f"use {' or '.join(KINDS)}")
    if kind == "anthropic":
        from judge.anthropic_judge import AnthropicJudge

        return AnthropicJudge(rubric, model=model)
    from judge.reference import ReferenceJudge

    return ReferenceJudge(rubric)


def reference_judge(path: Path) -> Judge:
    """The judge of a held-out set: its items have references, so nobody has to be asked."""
    return make_judge("reference", load_rubric(path), "")
