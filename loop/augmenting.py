"""One run of `regrind curate augment`: which rows are proposed, who checks them, and what it all took."""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.augmentation.augment import Augmented, Checks, augment
from curation.augmentation.paraphrase import BATCH, Source, forecast, most_children, paraphrase
from curation.augmentation.place import AUGMENTED
from curation.augmentation.reply_file import ReplyFile
from curation.augmentation.settings import Augment, Paraphrase
from curation.augmentation.spending import Budget, Spent
from curation.augmentation.thesaurus import read_thesaurus
from curation.errors import UserError
from curation.export import write_rows
from curation.heldout import freeze
from loop.chat import ClaudeChat
from loop.label_check import LabelCheck, label_check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from curation.augmentation.augment import Pair
    from loop.progress import Progress

Report = dict[str, Any]


class Ways(NamedTuple):
    """How new rows are made and checked.

    Attributes:
        step: Noise or paraphrases: how many, how, and the seed.
        thesaurus: Synonyms from this file instead of noise.
        model: Who paraphrases.
        judge: Fields of `[judge]` for the check of the label; None is without one.
    """

    step: Augment | Paraphrase
    thesaurus: Path | None
    model: str
    judge: dict[str, Any] | None


class Run(NamedTuple):
    """Rows, and what is done with them.

    Attributes:
        rows: Rows with schema ROWS.
        output: File to write; what was paid for is kept beside it.
        ways: How new rows are made and checked.
        heldout: Rows of the held-out sets by name.
        budget: What may be spent.
        progress: Told how far it is.
    """

    rows: pl.DataFrame
    output: Path
    ways: Ways
    heldout: Mapping[str, pl.DataFrame]
    budget: Budget
    progress: Progress


def run(task: Run) -> Report:
    """Write the rows and their children; what came out and what it took.

    Raises:
        UserError: From the model or the judge, the thesaurus is none, or a limit needs an unknown price.
    """
    spent = Spent()
    try:
        with _label(task, spent, dry_run=False) as check:
            checks = _checks(task, spent)
            done = _children(task, checks._replace(label=check) if check else checks, spent)
    except UserError:
        _tell_cost(task, spent)
        raise
    write_rows(pl.concat([task.rows, done.children]), task.output)
    return _report(task, done, spent.stopped) | _took(task, spent)


def dry_run(task: Run) -> Report:
    """What a run would take if nothing is refused; writes nothing and asks nobody.

    Raises:
        UserError: As `run`.
    """
    expected, step = Spent(), task.ways.step
    with _label(task, expected, dry_run=True) as check:
        if isinstance(step, Paraphrase):
            forecast(task.rows, step, _source(task, expected))
            report = {"rows": task.rows.height, "wanted": most_children(task.rows, step)}
            pairs = _as_paraphrases(
                task.rows, min(report["wanted"], BATCH * (expected.calls + expected.kept))
            )
        else:
            done = _children(task, _checks(task, expected), expected)
            report = _report(task, done, "")
            pairs = _with_parents(task.rows, done.children)
        if check:
            check.expect(pairs)
    return report | _took(task, expected)


def _took(task: Run, spent: Spent) -> Report:
    if isinstance(task.ways.step, Paraphrase):
        return asdict(spent)
    return {"judged": spent.judged, "cost": spent.cost, "stopped": spent.stopped} if task.ways.judge else {}


def _tell_cost(task: Run, spent: Spent) -> None:
    """What a run took that ends with an error."""
    if spent.calls or spent.judged:
        cost = "not known" if spent.cost is None else f"${spent.cost:.4f}"
        tokens = f"{spent.input_tokens} tokens read, {spent.output_tokens} written"
        task.progress.say(f"  {spent.calls} messages ({tokens}), {spent.judged} verdicts; cost: {cost}")


def _with_parents(rows: pl.DataFrame, children: pl.DataFrame) -> list[Pair]:
    parents = {row["id"]: row for row in rows.iter_rows(named=True)} if children.height else {}
    return [(parents[child["parents"][0]], child) for child in children.iter_rows(named=True)]


def _as_paraphrases(rows: pl.DataFrame, wanted: int) -> list[Pair]:
    """As many as wanted, each parent in the place of a paraphrase: they are about as long."""
    parents = rows.filter(~pl.col("tags").list.contains(AUGMENTED)).head(wanted)
    return [(row, row) for row in islice(cycle(parents.iter_rows(named=True)), wanted)]


def _label(task: Run, spent: Spent, *, dry_run: bool) -> AbstractContextManager[LabelCheck | None]:
    if task.ways.judge is None:
        return contextlib.nullcontext()
    return label_check(task.ways.judge, task.output, task.budget.cost, spent, task.progress, dry_run=dry_run)


def _checks(task: Run, spent: Spent) -> Checks:
    heldout = [freeze(name, rows) for name, rows in task.heldout.items()]
    return Checks(heldout=heldout, ended=lambda: bool(spent.stopped))


def _children(task: Run, checks: Checks, spent: Spent) -> Augmented:
    step, thesaurus = task.ways.step, task.ways.thesaurus
    if isinstance(step, Augment):
        return augment(task.rows, step, checks, read_thesaurus(thesaurus) if thesaurus else None)
    done = paraphrase(task.rows, step, _source(task, spent), checks)
    if spent.unread and spent.unread == spent.calls + spent.kept:
        fix = "look at what the model answers (--max-calls 1), or name another --model"
        problem = f"no message of {spent.unread} brought a paraphrase"
        raise UserError(problem, where=f"--model {task.ways.model}", fix=fix)
    return done


def _source(task: Run, spent: Spent) -> Source:
    """The model, with its replies so far, that tells how far it is and what went wrong."""
    model, progress = task.ways.model, task.progress
    chat = ClaudeChat(model, lambda problem: progress.say(f"  {problem}"))
    if task.budget.cost is not None and chat.cost(0, 0) is None:
        fix = "use --max-calls instead, or name a model of the price list"
        raise UserError(f"the price of {model} is not known", where="--max-cost", fix=fix)
    replies = ReplyFile(task.output.with_name(f".{task.output.name}.replies"))
    expected = math.ceil(task.ways.step.share * task.rows.height / BATCH)

    def tell(calls: int) -> None:
        progress.step(calls, max(expected, calls + 1), f"messages to {model}")

    return Source(chat, replies, task.budget, spent, tell)


def _report(task: Run, done: Augmented, stopped: str) -> Report:
    made = {"rows": task.rows.height, "wanted": done.wanted, "children": done.children.height}
    unknown = (
        task.ways.thesaurus
        and done.wanted
        and not done.children.height
        and not done.refused.keys() - {"copy"}
    )
    why = {"fewer": stopped or done.why_fewer} if done.why_fewer else {}
    why |= {"fewer": "the thesaurus knows no word of these rows that may be replaced"} if unknown else {}
    return made | {"refused": done.refused} | why
