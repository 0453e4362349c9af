"""One run of `regrind judge run`: items of a file or traces of the store, judged and kept."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from curation.errors import UserError
from curation.files import demand_place
from judge.budget import Budget
from judge.estimate import Estimate, estimate
from judge.frames import Judged, items_of, judge_frame
from loop.config import Config, load_config
from loop.judge_file import read_items, write_verdicts
from loop.judging import KINDS, judge_of, judges
from loop.lock import only_one
from loop.spool import VERDICTS, FileCache, Memory, clear_spool, known_verdicts, open_spool, spooled
from loop.standing import told
from loop.store import StoreHeldError, query
from loop.traces import as_items
from loop.verdicts import store_verdicts
from loop.workspace import Workspace
from loop.writer import save

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import polars as pl

    from judge.panel import Panel
    from judge.protocol import Cache, Judge
    from judge.verdict import State
    from loop.progress import Progress


class Task(NamedTuple):
    """What is judged, by whom, and where it is kept.

    Attributes:
        items: What to judge (schema `judge.frames.ITEMS`).
        config: Settings, with the command's options in them.
        root: What paths of the configuration are relative to.
        kept: Folder of the spool, or of the cache beside a file.
        workspace: Where the store is; None for a plain file.
        output: Where verdicts are written as JSONL; None writes none.
        again: States in which a verdict that is known is asked for anew.
    """

    items: pl.DataFrame
    config: Config
    root: Path
    kept: Path
    workspace: Workspace | None
    output: Path | None
    again: Collection[State] = ()

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
    if given.get("kind", config.judge.kind) != config.judge.kind:  # what was said of another judge
        given = {"model": "", "url": "", "member": (), **given}
    changed = {key: value for key, value in service.items() if value is not None}
    raw = msgspec.to_builtins(config.judge) | given
    raw["service"] = raw["service"] | changed
    try:
        return msgspec.structs.replace(config, judge=msgspec.convert(raw, type(config.judge)))
    except msgspec.ValidationError as fault:
        problem, _, place = str(fault).partition(" - at ")
        where = f"--{place.strip('`').rpartition('.')[2].replace('_', '-')}" if place else "--judge"
        raise UserError(problem, where=where, fix="see `regrind judge run --help`") from fault


def file_task(file: Path, config: Config, root: Path, output: Path, again: Collection[State] = ()) -> Task:
    """Items of a JSONL file; verdicts that were paid for are kept in a hidden folder beside it.

    So another place for the output finds them again. Where nothing can be written beside the file, or it is
    a pipe, they are kept beside the output.
    """
    items, place = read_items(file), file.resolve()
    kept = place.with_name(f".{place.name}.judged")
    if not place.is_file() or not os.access(kept if kept.exists() else kept.parent, os.W_OK):
        kept = (Path() if output.is_char_device() else output.parent) / f".{file.name}.judged"
    return Task(items, config, root, kept, None, output, again)


def traces_task(
    where: str, config: Config, root: Path, output: Path | None, again: Collection[State] = ()
) -> Task:
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
    return Task(as_items(rows), config, root, workspace.spool, workspace, output, again)


def dry_run(task: Task) -> Estimate:
    """What a run would take; writes nothing."""
    judge = task.make_judge()
    known: Cache = Memory(spooled(task.kept))
    if task.workspace:
        known = known_verdicts(task.kept, task.workspace.view, _ids(judge))
    return estimate(items_of(task.items), judge, known, again=task.again)


def run(task: Task, progress: Progress) -> tuple[str, int, Judged]:
    """Judge; what has a verdict is kept as it arrives, and written when all is done.

    Returns:
        The judge's id, how many judges were asked, and what the run gave.

    Raises:
        UserError: From the judge, or another process works here.
    """
    if task.output:
        demand_place(task.output)
    judge = task.make_judge()
    service = task.config.judge.service
    budget = Budget(service.budget, service.token_budget)
    with _cache(task, judge) as cache:
        found = judge_frame(
            task.items, judge, cache, again=task.again, progress=told(progress), budget=budget
        )
        progress.end(f"judged by {judge.identity.id}")
        if task.workspace:
            _store(task.workspace, judge, found.verdicts)
        if task.output:
            write_verdicts(found.verdicts, task.output)
    return judge.identity.id, len(judges(judge)), found


@contextlib.contextmanager
def _cache(task: Task, judge: Judge | Panel) -> Iterator[Cache]:
    if task.workspace:
        with only_one(task.workspace.lock):
            yield open_spool(task.kept, task.workspace.store, task.workspace.view, _ids(judge))
    elif all(one.identity.kind == "reference" for one in judges(judge)):
        yield Memory()  # judging again costs nothing
    else:
        fix = "wait for it to end: what it pays for is not paid for again"
        with only_one(task.kept / "lock", "on this file", fix):
            yield FileCache(task.kept / VERDICTS)


def _store(workspace: Workspace, judge: Judge | Panel, verdicts: pl.DataFrame) -> None:
    try:
        save(workspace, lambda connection: store_verdicts(connection, judge, verdicts, workspace.spool))
    except StoreHeldError as fault:
        fix = "close that program, run the same command again: all verdicts are kept, none is asked for again"
        raise UserError(fault.problem, where=fault.where, fix=fix) from fault
    clear_spool(workspace.spool)


def _ids(judge: Judge | Panel) -> list[str]:
    return [one.identity.id for one in judges(judge)]
