"""The judge's mean score of a model in training, for early stopping and the best checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.rows import split_answer
from judge.run import judge_items
from judge.verdict import Item
from loop.judging import reference_judge
from loop.models import answer, settings
from loop.progress import Progress
from loop.spool import Memory

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace
    from training.model import LoadedModel

Score = Callable[[Any], float]


def score_function(workspace: Workspace, job: Path) -> Score | None:
    """A function that lets a model answer a job's validation rows and judges the answers by their references.

    Args:
        workspace: Its judge's rubric is used.
        job: The job's folder.

    Returns:
        The mean score, 0 to 1; None where the settings do not ask for one.

    Raises:
        UserError: The workspace's judge is no reference judge, which costs nothing to ask.
    """
    how = settings(workspace)
    if how.eval_strategy == "no" or how.metric_for_best_model != "score":
        return None
    if workspace.config.judge.kind != "reference":
        fix = 'use metric_for_best_model = "loss" or "exact_match"'
        problem = "only the reference judge scores during training: it is asked after every few steps"
        raise UserError(problem, where="train.metric_for_best_model", fix=fix)
    judge = reference_judge(workspace.path(workspace.config.judge.rubric))
    lines = (job / "validation.jsonl").read_text(encoding="utf8").splitlines()
    rows = [json.loads(line) for line in lines]
    conversations = [row["messages"] for row in rows]

    def score(loaded: LoadedModel) -> float:
        given = answer(workspace, loaded, conversations, Progress(quiet=True), "")
        items = []
        for row, said in zip(rows, given, strict=True):
            prompt, reference = split_answer(row["messages"])
            items.append(Item(id=row["id"], messages=prompt, output=said.text, reference=reference))
        verdicts = judge_items(items, judge, Memory()).verdicts
        return sum(v.score or 0.0 for v in verdicts) / max(1, len(verdicts))

    return score
