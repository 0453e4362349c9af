"""One run of `regrind judge run`: items of a file or traces of the store, judged and kept."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from curation.errors import UserError
from judge.budget import Budget
from judge.run import Estimate, Ran, estimate, judge_items
from loop.config import Config, load_config
from loop.judge_file import read_items, write_verdicts
from loop.judging import KINDS, judge_of, judges
from loop.lock import only_one
from loop.spool import VERDICTS, FileCache, Memory, clear_spool, open_spool, spooled
from loop.standing import told
from loop.store import query
from loop.store.connect import StoreHeldError
from loop.traces import item
from loop.verdicts import store_verdicts
from loop.workspace import Workspace
from loop.writer import save

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from judge.panel import Panel
    from judge.protocol import Cache, Judge
    from judge.verdict import Item, Verdict
    from loop.progress import Progress


class Task(NamedTuple):
    """What is judged, by whom, and where it is kept.

    Attributes:
        items: What to judge.
        config: Settings, with the command's options in them.
        root: What paths of the configuration are relative to.
        kept: Folder of the spool, or of the cache beside an output.
        workspace: Where the store is; None for a plain file.
        output: Where verdicts are written as JSONL; None writes none.
    """

    items: list[Item]
    config: Config
    root: Path
    kept: Path
    workspace: Workspace | None
    output: Path | None

    def make_judge(self) -> Judge | Panel:
        """The judge that the settings name."""
        return judge_of(self.config, self.root, self.kept)


def configured(workspace: Path | None, options: dict[str, Any], service: dict[str, Any]) -> Config:
    """Settings of a workspace, or the defaults, with a command's options in their place.

    Args:
        workspace: Folder with a regrind.toml, or None.
        options: Fields of `[judge]`; None where the option was not given.
        service: Fields of `[judge.service]`, likewise.

    Raises:
        UserError: There is no such judge, or an option is out of range.
    """
    config = load_config(workspace / "regrind.toml") if workspace else Config()
    given = {key: value for key, value in options.items() if value is not None}
    if "rubric" in given and Path(given["rubric"]).exists():
        given["rubric"] = str(Path(given["rubric"]).absolute())  # the command's place, not the workspace's
    kind = given.get("kind", config.judge.kind)
    if ":" in kind:
        given |= {"kind": "plugin", "function": kind}
    elif kind not in (*KINDS, "panel"):
        fix = f"use {', '.join(KINDS)}, panel, or module:function"
        raise UserError(f"there is no judge {kind!r}", where="--judge", fix=fix)
    if "kind" in given and given["kind"] != "panel":
        given["member"] = ()
    changed = {key: value for key, value in service.items() if value is not None}
    raw = msgspec.to_builtins(config.judge) | given
    raw["service"] = raw["service"] | changed
    try:
        return msgspec.structs.replace(config, judge=msgspec.convert(raw, type(config.judge)))
    except msgspec.ValidationError as fault:
        problem, _, place = str(fault).partition(" - at ")
        where = f"--{place.strip('`').rpartition('.')[2].replace('_', '-')}" if place else "--judge"
        raise UserError(problem, where=where, fix="see `regrind judge run --help`") from fault


def file_task(file: Path, config: Config, root: Path, output: Path) -> Task:
    """Items of a JSONL file; verdicts that were paid for are kept in a hidden folder beside the output."""
    return Task(read_items(file), config, root, output.with_name(f".{output.name}.judged"), None, output)


def traces_task(where: str, config: Config, root: Path, output: Path | None) -> Task:
    """Traces of a workspace's store for which a condition in SQL holds.

    Raises:
        UserError: There is no store, the condition is wrong, or it holds for no trace.
    """
    workspace = Workspace(root)
    sql = f"SELECT id, messages, output, reference FROM traces WHERE ({where}\n) ORDER BY id"  # noqa: S608
    rows = query(workspace.view, sql).rows()
    if not rows:
        fix = 'look at them with `regrind sql "select * from traces"`; `--traces true` takes all'
        raise UserError("this condition holds for no trace", where=f"--traces {where}", fix=fix)
    items = [item(*row) for row in rows]
    return Task(items, config, root, workspace.spool, workspace, output)


def dry_run(task: Task) -> Estimate:
    """What a run would take; writes nothing."""
    judge = task.make_judge()
    known: Cache = Memory(spooled(task.kept))
    if task.workspace:
        known = open_spool(task.kept, task.workspace.store, _ids(judge), task.workspace.view)
    return estimate(task.items, judge, known)


def run(task: Task, progress: Progress) -> tuple[str, Ran]:
    """Judge; what has a verdict is kept as it arrives, and written when all is done.

    Returns:
        The judge's id, and what the run gave.

    Raises:
        UserError: From the judge, or another process works here.
    """
    judge = task.make_judge()
    service = task.config.judge.service
    budget = Budget(service.budget, service.token_budget)
    with _cache(task, judge) as cache:
        ran = judge_items(task.items, judge, cache, progress=told(progress), budget=budget)
        progress.end(f"judged by {judge.identity.id}")
        if task.workspace:
            _store(task, task.workspace, judge, ran)
        if task.output:
            write_verdicts(ran.verdicts, task.output)
    return judge.identity.id, ran


@contextlib.contextmanager
def _cache(task: Task, judge: Judge | Panel) -> Iterator[Cache]:
    if task.workspace:
        with only_one(task.workspace.lock):
            yield open_spool(task.kept, task.workspace.store, _ids(judge), task.workspace.view)
    elif all(one.identity.kind == "reference" for one in judges(judge)):
        yield Memory()  # judging again costs nothing
    else:
        with only_one(task.kept / "lock"):
            yield FileCache(task.kept / VERDICTS)


def _store(task: Task, workspace: Workspace, judge: Judge | Panel, ran: Ran) -> None:
    verdicts = ran.verdicts
    asked = _judged(task.items, verdicts)
    try:
        save(
            workspace, lambda connection: store_verdicts(connection, judge, asked, verdicts, workspace.spool)
        )
    except StoreHeldError as fault:
        fix = "close that program, run the same command again: all verdicts are kept, none is asked for again"
        raise UserError(fault.problem, where=fault.where, fix=fix) from fault
    clear_spool(workspace.spool)


def _judged(items: Sequence[Item], verdicts: Sequence[Verdict]) -> list[Item]:
    by_id = {item.id: item for item in items}
    return [by_id[verdict.item_id] for verdict in verdicts]


def _ids(judge: Judge | Panel) -> list[str]:
    return [one.identity.id for one in judges(judge)]
