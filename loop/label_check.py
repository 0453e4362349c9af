"""Whether a new row still deserves its parent's answer: asked of a judge."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.rows import prompt_text, split_answer
from judge.budget import Budget
from judge.run import judge_items
from judge.verdict import Item
from loop.judge_run import configured
from loop.judging import judge_of, judges
from loop.lock import only_one
from loop.spool import VERDICTS, FileCache, Memory, spooled
from loop.standing import told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curation.augmentation.augment import Pair
    from curation.augmentation.spending import Spent
    from judge.panel import Panel
    from judge.protocol import Cache, Judge
    from loop.progress import Progress

NOTHING = 1e-9
"""A budget in US dollars that nothing fits into, but what costs nothing; 0 would be no limit."""


class LabelCheck:
    """A `curation.augmentation.augment.Checks.label`.

    A judge is given the child's prompt with the answer that the child would inherit. The reference judge,
    which reads no prompts, is given the child's prompt as the answer and the parent's as the reference: its
    rules say what of the parent's words must still be there.

    Args:
        judge: Who is asked.
        threshold: Score from which the answer is still deserved.
        cache: Verdicts of earlier runs.
        max_cost: US dollars that may be spent, paraphrases included; None is without a limit.
        spent: What was spent; is kept up to date.
        progress: Told as verdicts arrive.
    """

    def __init__(
        self,
        judge: Judge | Panel,
        threshold: float,
        cache: Cache,
        max_cost: float | None,
        spent: Spent,
        progress: Progress,
    ) -> None:
        self._judge, self._threshold, self._cache = judge, threshold, cache
        self._max_cost, self._spent, self._progress = max_cost, spent, progress

    def __call__(self, pairs: Sequence[Pair]) -> list[str | None]:
        """`label`, `label not judged` where the judge abstained, or None, for each pair.

        Raises:
            UserError: From the judge.
        """
        items, tell = self._items(pairs), told(self._progress)
        self._demand_price(items)
        ran = judge_items(items, self._judge, self._cache, progress=tell, budget=self._left())
        self._spent.judged += ran.asked
        self._spent.cost = None if self._spent.cost is None else self._spent.cost + ran.cost
        if ran.undone:
            self._spent.stopped = "budget of cost spent"
        scores = {verdict.item_id: verdict.score for verdict in ran.verdicts}
        return [self._why(scores.get(child["id"])) for _, child in pairs]

    def cost(self, pairs: Sequence[Pair]) -> float | None:
        """US dollars that judging these is expected to cost, by the number of characters; asks nobody."""
        items = self._items(pairs)
        costs = [one.forecast(item).cost for one in judges(self._judge) for item in items]
        return None if None in costs else math.fsum(cost or 0.0 for cost in costs)

    def _demand_price(self, items: list[Item]) -> None:
        costs = (one.forecast(item).most_cost for one in judges(self._judge) for item in items[:1])
        if self._max_cost is not None and None in costs:
            fix = "leave --max-cost out, and let --share limit what is judged"
            raise UserError("the price of this judge is not known", where="--max-cost", fix=fix)

    def _left(self) -> Budget:
        if self._max_cost is None:
            return Budget()
        return Budget(max(NOTHING, self._max_cost - (self._spent.cost or 0.0)))

    def _items(self, pairs: Sequence[Pair]) -> list[Item]:
        if self._judge.identity.kind == "reference":
            return [Item(child["id"], [], _prompt(child), _prompt(parent)) for parent, child in pairs]
        return [Item(child["id"], *_exchange(child)) for _, child in pairs]

    def _why(self, score: float | None) -> str | None:
        if score is None:
            return "label not judged"
        return None if score >= self._threshold else "label"


def _prompt(row: dict[str, Any]) -> str:
    return prompt_text(row["messages"])


def _exchange(row: dict[str, Any]) -> tuple[list[dict[str, str]], str]:
    prompt, answer = split_answer(row["messages"])
    return [{"role": turn["role"], "content": turn["content"] or ""} for turn in prompt], answer


@contextlib.contextmanager
def label_check(
    options: dict[str, Any],
    output: Path,
    max_cost: float | None,
    spent: Spent,
    progress: Progress,
    *,
    dry_run: bool,
) -> Iterator[LabelCheck]:
    """The check by the judge that a command names; verdicts that were paid for are kept beside the output.

    Args:
        options: Fields of `[judge]`, such as its kind and rubric; None where one was not given.
        output: File of the rows.
        max_cost: As for `LabelCheck`.
        spent: Likewise.
        progress: Likewise.
        dry_run: Whether nothing may be written.

    Raises:
        UserError: There is no such judge, or its rubric or key is missing.
    """
    config = configured(None, options, {})
    folder = output.with_name(f".{output.name}.judged")
    judge, threshold = judge_of(config, Path(), folder), config.judge.threshold
    if dry_run or all(one.identity.kind == "reference" for one in judges(judge)):
        yield LabelCheck(judge, threshold, Memory(spooled(folder)), max_cost, spent, progress)
        return
    with only_one(folder / "lock"):
        yield LabelCheck(judge, threshold, FileCache(folder / VERDICTS), max_cost, spent, progress)
