"""What the next cycle would do: its steps, the rows it would look at, and what judging them may cost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from judge.estimate import estimate
from judge.frames import items_of
from loop.cycle import STEPS
from loop.inputs import changes, inputs_key, inputs_of
from loop.judging import configured_judge, judges
from loop.ledger import Ledger
from loop.opening import demand_same
from loop.pool import read_pool
from loop.spool import open_spool
from loop.steps.collect import waiting
from loop.steps.gate import demand_budget
from loop.store import transaction
from loop.traces import as_items

if TYPE_CHECKING:
    from collections.abc import Iterable

    from judge.verdict import Item
    from loop.ledger import Cycle
    from loop.workspace import Workspace

WORD = "word "
"""Stands for a token of an answer that has not been given yet."""


def forecast(workspace: Workspace, *, again: bool = False) -> dict[str, Any]:
    """What `regrind cycle run` would do now; only brings an older store to the newest schema.

    Args:
        workspace: Where.
        again: As for the run.

    Returns:
        `cycle` (its number), `kind`, `state` (new, interrupted or nothing), `changed` (inputs, a line
        each), `steps` still to do, `prompts` of the pool, imported `traces`, and for the judge `calls`,
        `cached`, `input_tokens`, `cost` in US dollars (null when unknown) and `tokens_are`: an upper
        bound, where answers of full length stand for those not given yet.

    Raises:
        UserError: The run would be refused, for the same reason.
    """
    inputs, now = inputs_of(workspace), _state(workspace)
    last = now.cycle
    running = last is not None and last.state == "running"
    kind = "feedback" if last and (last.kind == "feedback" or not running) else "seed"
    idle = last and not running and last.kind == "feedback" and last.key == inputs_key(inputs)
    if last and idle and not again and not now.traces:
        return {"cycle": last.id, "kind": kind, "state": "nothing", "changed": [], "steps": []}
    if last and running and now.done:
        demand_same(workspace, Ledger(workspace.store, workspace.view, workspace.config.model), last, inputs)
    elif kind == "feedback":
        demand_budget(workspace)
    left = [name for name in STEPS[kind] if not (running and name in now.done)]
    found: dict[str, Any] = {"cycle": last.id if last and running else now.number, "kind": kind}
    found |= {"state": "interrupted" if running else "new", "steps": left}
    found["changed"] = changes(now.inputs, inputs)
    return found | _judging(workspace, now) if "judge" in left else found


class _State(NamedTuple):
    """What the store says.

    Attributes:
        cycle: The last cycle.
        number: The next one's.
        inputs: What the last one was made from.
        done: Its finished steps.
        traces: Imported traces, and in a cycle under way those of the cycle.
    """

    cycle: Cycle | None
    number: int
    inputs: dict[str, Any]
    done: set[str]
    traces: list[Item]


def _judging(workspace: Workspace, now: _State) -> dict[str, Any]:
    config = workspace.config
    pool = read_pool(workspace) if config.data.pool and "generate" not in now.done else []
    full = WORD * config.generate.max_new_tokens
    given = _items((i.id, json.dumps(i.messages), full, i.reference) for i in pool)
    judge = configured_judge(workspace)
    known = [one.identity.id for one in judges(judge)]
    cache = open_spool(workspace.spool, workspace.store, workspace.view, known)
    asked = estimate([*now.traces, *given], judge, cache)
    found: dict[str, Any] = {"prompts": len(pool), "traces": len(now.traces), "calls": asked.asked}
    found |= {"cached": asked.cached, "input_tokens": asked.input_tokens, "cost": asked.cost}
    return found | {"tokens_are": asked.tokens_are}


def _state(workspace: Workspace) -> _State:
    if not workspace.store.exists():
        return _State(None, 1, {}, set(), [])
    ledger = Ledger(workspace.store, workspace.view, workspace.config.model)
    cycle = ledger.last()
    done = set(ledger.outputs(cycle)) if cycle and cycle.state == "running" else set()
    chosen = [] if "collect" in done else waiting(workspace)[: workspace.config.data.max_traces]
    with transaction(workspace.store) as connection:
        number = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM cycles").fetchone()
        rows = connection.execute(
            "SELECT id, messages, output, reference FROM traces"
            " WHERE id IN (SELECT unnest(?::VARCHAR[])) OR (cycle = ? AND ?)",
            [chosen, cycle.id if cycle else 0, "collect" in done],
        ).fetchall()
    inputs = ledger.inputs(cycle) if cycle else {}
    return _State(cycle, number[0] if number else 1, inputs, done, _items(rows))


def _items(rows: Iterable[tuple[str, str, str, str | None]]) -> list[Item]:
    """Id, messages as stored, output and reference as the judge step will ask about them."""
    return items_of(as_items(rows))
