"""Step: the candidate against production on the same held-out items; promoted only when proven better."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from curation.errors import UserError
from loop.evaluation import HeldoutScores, stored_scores
from loop.gate import Decision, Interval, decide, interval, sign_flip
from loop.heldout import read_heldout
from loop.ledger import Outcome
from loop.registry import production, set_production
from loop.store import current, transaction, utc_now

if TYPE_CHECKING:
    import duckdb

    from loop.cycle import Context
    from loop.workspace import Workspace

SLICE = 5
BASE = 0


def run(context: Context) -> Outcome:
    """Decide, and promote or reject the candidate in the same transaction."""
    workspace, config = context.workspace, context.workspace.config
    candidate, name = context.done["train"]["version"], config.model
    with current(workspace.store, workspace.view) as connection:
        incumbent = production(connection, name).version
        targets, regressions, versions = _scores(context, connection, candidate, incumbent)
        spent = decisions_made(connection, name, [item for new, _ in targets for item in new.items])
    differences, slices = pair(targets)
    alpha = config.gate.alpha / config.gate.rounds
    difference, p_value = interval(differences, alpha), sign_flip(differences)
    decision = decide(
        difference,
        p_value,
        alpha=alpha,
        min_effect=config.gate.min_effect,
        regressions=regressions,
        keep=config.gate.regression,
        left=config.gate.rounds - spent,
    )

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        row = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM promotions").fetchone()
        values = [row[0] if row else 1, context.cycle, name, candidate, incumbent, versions, len(differences)]
        values += [*difference, p_value, alpha, "promoted" if decision.promoted else "held", decision.reason]
        values += [json.dumps(slices), json.dumps(regressions), utc_now()]
        connection.execute("INSERT INTO promotions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", values)
        if decision.promoted:
            set_production(connection, name, candidate)
        else:
            sql = "UPDATE models SET status = 'rejected' WHERE name = ? AND version = ?"
            connection.execute(sql, [name, candidate])

    return Outcome(
        _outputs(candidate, incumbent, difference, decision), _summary(candidate, decision), commit
    )


def demand_budget(workspace: Workspace) -> None:
    """Refuse to begin what the gate could not end: training costs, and a spent budget promotes nothing.

    Raises:
        UserError: Every decision that the held-out items allow has been made.
    """
    config = workspace.config
    pairs = zip(config.heldout, read_heldout(workspace), strict=True)
    items = [i for held, frozen in pairs if held.role == "target" for i in frozen.items["id"]]
    with transaction(workspace.store) as connection:
        spent = decisions_made(connection, config.model, items)
    if spent >= config.gate.rounds:
        problem = f"the error budget is spent: the gate has decided {spent} times on these held-out items"
        fix = "put fresh items into the target sets in place of all the old ones"
        raise UserError(problem, where="regrind.toml: gate.rounds", fix=fix)


def decisions_made(connection: duckdb.DuckDBPyConnection, name: str, items: list[str]) -> int:
    """How often the gate has decided on one of these items: each time spends a part of alpha.

    By item, not by version: a set that grew by one is not a new one.
    """
    sql = (
        "SELECT count(*) FROM promotions p WHERE p.model = $name AND EXISTS (FROM evaluations e"
        " WHERE e.model = p.model AND e.version = p.candidate"
        " AND contains(p.heldout_version, e.heldout_version) AND list_contains($items, e.item))"
    )
    row = connection.execute(sql, {"name": name, "items": items}).fetchone()
    return int(row[0]) if row else 0


def decided(workspace: Workspace, version: int) -> bool:
    """Whether the gate has decided on a version, on the held-out sets as they are and at the same level."""
    config = workspace.config
    pairs = zip(config.heldout, read_heldout(workspace), strict=True)
    versions = ", ".join(sorted(frozen.version for held, frozen in pairs if held.role == "target"))
    given = [config.model, version, versions, config.gate.alpha / config.gate.rounds]
    sql = "SELECT 1 FROM promotions WHERE model = ? AND candidate = ? AND heldout_version = ? AND alpha = ?"
    with current(workspace.store, workspace.view) as connection:
        return connection.execute(sql, given).fetchone() is not None


def _scores(
    context: Context, connection: duckdb.DuckDBPyConnection, candidate: int, incumbent: int
) -> tuple[list[tuple[HeldoutScores, HeldoutScores]], dict[str, tuple[float, float]], str]:
    """Scores to pair on the target sets, means on the regression sets, and the versions of the target sets.

    Regression is measured against the base, not against production: a yardstick that moves with every
    promotion would let a capability go by a twentieth a round.
    """
    workspace, judges = context.workspace, context.done["evaluate"]["judges"]
    setup = context.done["evaluate"]["setup"]
    targets: list[tuple[HeldoutScores, HeldoutScores]] = []
    regressions: dict[str, tuple[float, float]] = {}
    versions: list[str] = []
    for held, frozen in zip(workspace.config.heldout, read_heldout(workspace), strict=True):
        rival = incumbent if held.role == "target" else BASE
        new, old = (
            stored_scores(connection, workspace.config.model, v, frozen, judges[held.name], setup)
            for v in (candidate, rival)
        )
        if held.role == "target":
            targets.append((new, old))
            versions.append(frozen.version)
        else:
            regressions[held.name] = (mean(new), mean(old))
    return targets, regressions, ", ".join(sorted(versions))


def _outputs(candidate: int, incumbent: int, difference: Interval, decision: Decision) -> dict[str, object]:
    result = {"candidate": candidate, "incumbent": incumbent, "promoted": decision.promoted}
    return result | {"reason": decision.reason, "difference": list(difference)}


def _summary(candidate: int, decision: Decision) -> str:
    return f"v{candidate} {'promoted' if decision.promoted else 'held'}: {decision.reason}"


def mean(scores: HeldoutScores) -> float:
    """Mean of the scores that there are."""
    known = [s for s in scores.scores if s is not None]
    return sum(known) / len(known) if known else 0.0


def pair(targets: list[tuple[HeldoutScores, HeldoutScores]]) -> tuple[list[float], dict[str, float]]:
    """Differences of the items that both versions have a score for, and their mean by tag.

    Raises:
        UserError: There is no such item.
    """
    differences: list[float] = []
    by_tag: dict[str, list[float]] = defaultdict(list)
    for new, old in targets:
        before = dict(zip(old.items, old.scores, strict=True))
        for item, score, tags in zip(new.items, new.scores, new.tags, strict=True):
            other = before.get(item)
            if score is None or other is None:
                continue
            differences.append(score - other)
            for tag in tags:
                by_tag[tag].append(score - other)
    if not differences:
        fix = 'look at `regrind sql "select state, count(*) from evaluations group by all"`'
        raise UserError("no held-out item has a score from both versions", where="gate", fix=fix)
    slices = {tag: sum(d) / len(d) for tag, d in sorted(by_tag.items()) if len(d) >= SLICE}
    return differences, slices
