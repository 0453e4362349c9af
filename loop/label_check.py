"""Whether a new row still deserves its parent's answer: asked of a judge."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.rows import prompt_text, split_answer
from judge.budget import Budget
from judge.messages_api import KEY
from judge.run import judge_items
from judge.verdict import Item, content_key
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
    from judge.verdict import Verdict
    from loop.progress import Progress

SILENT = 3
"""New rows in a row that the judge failed with, after which it is asked no more."""
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
        self._silent, self._works = 0, False

    def __call__(self, pairs: Sequence[Pair]) -> list[str | None]:
        """`label`, `label not judged` where the judge abstained, or None, for each pair.

        Raises:
            UserError: From the judge, or it failed with several in a row.
        """
        items = self._items(pairs)
        self._demand_price(items)
        scores: dict[str, float | None] = {}
        while items:
            most = len(items) if self._works else SILENT
            scores |= self._scores(items[:most])
            items = items[most:]
        return [self._why(scores.get(child["id"])) for _, child in pairs]

    def expect(self, pairs: Sequence[Pair]) -> None:
        """Add to what was spent what judging these is expected to take, within the limit; asks nobody.

        Raises:
            UserError: There is a limit in dollars, and the price is not known.
        """
        items, spent = self._items(pairs), self._spent
        self._demand_price(items)
        for item in items:
            unknown = [one for one in judges(self._judge) if not self._knows(item, one)]
            forecasts = [one.forecast(item) for one in unknown]
            most = (spent.cost or 0.0) + math.fsum(one.most_cost or 0.0 for one in forecasts)
            if self._max_cost is not None and forecasts and most > self._max_cost:
                spent.stopped = "budget of cost spent"
                return
            spent.judged += len(forecasts)
            for one in forecasts:
                spent.cost = None if spent.cost is None or one.cost is None else spent.cost + one.cost

    def _knows(self, item: Item, judge: Judge) -> bool:
        return self._cache.get(content_key(item, judge.identity.id, 0)) is not None

    def _scores(self, items: list[Item]) -> dict[str, float | None]:
        """Scores by child, None where the judge abstained; nothing of those that the budget did not reach."""
        spent, tell = self._spent, told(self._progress)
        ran = judge_items(items, self._judge, self._cache, progress=tell, budget=self._left())
        spent.judged += ran.asked
        spent.cost = None if spent.cost is None or not ran.cost_known else spent.cost + ran.cost
        if ran.undone:
            spent.stopped = "budget of cost spent"
        self._demand_life(ran.verdicts)
        return {verdict.item_id: verdict.score for verdict in ran.verdicts}

    def _demand_life(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            failed = verdict.state == "failed"
            self._silent = self._silent + 1 if failed else 0
            self._works |= not failed
            if self._silent == SILENT:
                problem = f"the judge failed with {SILENT} new rows in a row; the last: {verdict.feedback}"
                fix = "mend the judge, or leave --judge out; verdicts that came are kept"
                raise UserError(problem, where=f"--judge {self._judge.identity.kind}", fix=fix)

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
        UserError: There is no such judge, or its rubric is missing, or its key and it is no dry run.
    """
    config = configured(None, options, {})
    folder = output.with_name(f".{output.name}.judged")
    with _key_to_spare() if dry_run else contextlib.nullcontext():
        judge = judge_of(config, Path(), folder)
    threshold = config.judge.threshold
    if dry_run or all(one.identity.kind == "reference" for one in judges(judge)):
        yield LabelCheck(judge, threshold, Memory(spooled(folder)), max_cost, spent, progress)
        return
    with only_one(folder / "lock"):
        yield LabelCheck(judge, threshold, FileCache(folder / VERDICTS), max_cost, spent, progress)


@contextlib.contextmanager
def _key_to_spare() -> Iterator[None]:
    """A key for a judge that is made and not asked, where there is none."""
    missing = not os.environ.get(KEY, "").strip()
    if missing:
        os.environ[KEY] = "dry-run"
    try:
        yield
    finally:
        if missing:
            del os.environ[KEY]
