"""A cycle that is foretold, run step by step, done anew from a step, and fed with imported traces."""

from __future__ import annotations

import json
import resource
import signal
from typing import TYPE_CHECKING, Any

import pytest

from curation.errors import UserError
from judge.estimate import Estimate, estimate
from loop.cycle import FEEDBACK, SEED, run_cycle
from loop.forecast import forecast
from loop.inputs import inputs_key, inputs_of
from loop.ledger import Ledger
from loop.opening import Asked
from loop.progress import Progress
from loop.store import query, transaction
from loop.workspace import Workspace
from tests.loop.byhand import add_trace
from tests.loop.byhand import build_workspace as bare_workspace
from tests.loop.commands import session
from tests.loop.processes import python
from tests.loop.small import build_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from judge.verdict import Item

QUIET = Progress(quiet=True)
AGAIN = Asked(again=True)


def steps_of(workspace: Workspace, cycle: int) -> list[str]:
    sql = "SELECT name FROM steps WHERE cycle = $id ORDER BY position"
    return query(workspace.view, sql, {"id": cycle})["name"].to_list()


def change(workspace: Workspace, old: str, new: str) -> Workspace:
    path = workspace.root / "regrind.toml"
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf8")
    return Workspace(workspace.root)


def add_imports(workspace: Workspace, count: int) -> None:
    turns = json.loads((workspace.root / "data" / "pool.jsonl").read_text().splitlines()[0])["messages"]
    with transaction(workspace.store) as connection:
        for number in range(count):
            asked = [*turns[:-1], {"role": "user", "content": f"Is it fine to water plant number {number}?"}]
            other = {"messages": json.dumps(asked), "reference": "safe", "origin": "import"}
            add_trace(connection, f"imported-{number}", "safe", None, **other)


@pytest.mark.slow
def test_imported_traces_begin_a_cycle_and_are_learned_from(workspace: Workspace) -> None:
    add_imports(workspace, 3)
    workspace = change(workspace, "[data]", "[data]\nmax_traces = 2")
    assert forecast(workspace)["traces"] == 2
    assert run_cycle(workspace, QUIET).cycle.id == 3
    summary = query(workspace.view, "SELECT summary FROM steps WHERE cycle = 3 AND name = 'collect'")
    assert summary["summary"].to_list() == ["2 imported traces; 1 wait for the next cycle"]
    judged = "SELECT count(*) AS n FROM verdicts WHERE trace LIKE 'imported-%' AND score = 1"
    assert query(workspace.view, judged)["n"][0] == 2
    learned = "SELECT DISTINCT trace FROM membership WHERE trace LIKE 'imported-%' ORDER BY ALL"
    assert query(workspace.view, learned)["trace"].to_list() == ["imported-0", "imported-1"]
    assert run_cycle(workspace, QUIET).cycle.id == 4  # the one that waited
    assert run_cycle(workspace, QUIET).steps == 0


def test_step_by_step_is_the_same_cycle(workspace: Workspace) -> None:
    assert run_cycle(workspace, QUIET, Asked(again=True, only="collect")).steps == 1
    assert run_cycle(workspace, QUIET, Asked(only="collect")).steps == 0
    with pytest.raises(UserError, match="cycle 3 does generate next") as caught:
        run_cycle(workspace, QUIET, Asked(only="judge"))
    assert "cycle step generate" in caught.value.fix
    for name in ("generate", "judge", "correct", "merge", "train"):
        assert run_cycle(workspace, QUIET, Asked(only=name)).steps == 1
    assert query(workspace.view, "SELECT state FROM cycles WHERE id = 3")["state"][0] == "finished"
    assert run_cycle(workspace, QUIET, Asked(only="gate")).steps == 0
    assert steps_of(workspace, 3) == ["collect", "generate", "judge", "correct", "merge", "train"]


def test_a_cycle_is_done_anew_from_a_step(workspace: Workspace) -> None:
    before = query(workspace.view, "SELECT * FROM steps WHERE cycle = 2 AND position < 6").rows()
    changed = change(workspace, "epochs = 6", "epochs = 5")
    ran = run_cycle(changed, QUIET, Asked(from_step="train"))
    assert (ran.cycle.id, ran.steps) == (2, 3)
    assert query(changed.view, "SELECT * FROM steps WHERE cycle = 2 AND position < 6").rows() == before
    replaced = query(changed.view, "SELECT name FROM replaced_steps ORDER BY position")["name"].to_list()
    assert replaced == ["train", "evaluate", "gate"]
    assert query(changed.view, "SELECT max(version) AS v FROM models")["v"][0] == 3
    assert forecast(changed)["changed"] == [
        "train.epochs: 6, now 5"
    ]  # the other steps ran under the old ones
    undone = change(changed, "epochs = 5", "epochs = 6")
    assert run_cycle(undone, QUIET).steps == 0


def test_nothing_changed_spends_none_of_the_gates_budget(workspace: Workspace) -> None:
    counts = "SELECT (SELECT count(*) FROM promotions) AS p, (SELECT max(version) FROM models) AS m"
    before = query(workspace.view, counts).row(0)
    ran = run_cycle(workspace, QUIET, Asked(from_step="merge"))
    assert (ran.cycle.state, ran.steps) == ("finished", 2)
    assert query(workspace.view, counts).row(0) == before
    said = query(workspace.view, "SELECT summary FROM steps WHERE cycle = 2 AND name = 'train'")["summary"][0]
    assert said.startswith("nothing new to learn: v2")


@pytest.mark.slow
def test_a_version_whose_steps_are_given_up_waits_for_no_gate(workspace: Workspace) -> None:
    run_cycle(change(workspace, "epochs = 6", "epochs = 5"), QUIET, Asked(from_step="train"))
    with transaction(workspace.store) as connection:  # as if it had been killed before the gate
        connection.execute("UPDATE models SET status = 'staging' WHERE version = 3")
        connection.execute("DELETE FROM steps WHERE cycle = 2 AND name = 'gate'")
        connection.execute("DELETE FROM promotions WHERE candidate = 3")
        connection.execute("UPDATE cycles SET state = 'running' WHERE id = 2")
    run_cycle(change(workspace, "epochs = 5", "epochs = 4"), QUIET, Asked(from_step="train"))
    states = query(workspace.view, "SELECT version, status FROM models ORDER BY version").rows()
    assert states[2:] == [(2, "rejected"), (3, "archived"), (4, "rejected")]


@pytest.mark.slow
def test_corrections_are_made_anew_and_a_person_s_stay(workspace: Workspace) -> None:
    count = "SELECT count(*) AS n FROM corrections WHERE author = 'reference'"
    made = query(workspace.view, count)["n"][0]
    assert made
    with transaction(workspace.store) as connection:
        connection.execute(
            "INSERT INTO corrections SELECT trace, judge, 'person:ann', output, 'accepted', '', cycle"
            " FROM corrections LIMIT 1"
        )
    changed = change(workspace, "[judge]", "[judge]\nmax_corrections = 1")
    run_cycle(changed, QUIET, Asked(from_step="correct"))
    assert query(changed.view, count)["n"][0] == 1
    person = "SELECT count(*) AS n FROM corrections WHERE author = 'person:ann'"
    assert query(changed.view, person)["n"][0] == 1


@pytest.mark.parametrize("name", ["collect", "generate", "adopt", "nonsense"])
def test_what_cannot_be_done_anew_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(UserError, match="no cycle can be done anew") as caught:
        run_cycle(workspace, QUIET, Asked(from_step=name))
    assert "judge, correct, merge, train" in caught.value.fix


def test_a_promoted_version_is_not_compared_with_itself(workspace: Workspace) -> None:
    with transaction(workspace.store) as connection:
        promoted = json.dumps({"promoted": True, "candidate": 2})
        sql = "UPDATE steps SET outputs = ? WHERE cycle = 2 AND name = 'gate'"
        connection.execute(sql, [promoted])
    with pytest.raises(UserError, match="has promoted v2"):
        run_cycle(workspace, QUIET, Asked(from_step="gate"))


@pytest.mark.slow
def test_what_a_restarted_cycle_had_collected_waits_for_the_next(workspace: Workspace) -> None:
    add_imports(workspace, 3)
    run_cycle(workspace, QUIET, Asked(only="collect"))
    assert run_cycle(workspace, QUIET, Asked(restart=True)).cycle.id == 4
    learned = "SELECT count(DISTINCT trace) AS n FROM membership WHERE trace LIKE 'imported-%'"
    assert query(workspace.view, learned)["n"][0] == 3


@pytest.mark.slow
def test_a_cycle_that_was_finished_once_is_not_thrown_away(workspace: Workspace) -> None:
    ledger = Ledger(workspace.store, workspace.view, "guard")
    cycle = ledger.last()
    assert cycle
    inputs = inputs_of(workspace)
    ledger.reopen(cycle, 6, inputs_key(inputs), inputs)
    with pytest.raises(UserError, match="abandoned, its rows would be lost"):
        run_cycle(workspace, QUIET, Asked(restart=True))
    changed = change(workspace, "epochs = 6", "epochs = 5")
    with pytest.raises(UserError, match="epochs: 6, now 5") as caught:
        run_cycle(changed, QUIET)
    assert "--from STEP" in caught.value.fix
    ran = run_cycle(changed, QUIET, Asked(from_step="train"))
    assert (ran.cycle.state, ran.held) == ("finished", True)


def test_a_held_model_is_told_by_its_gate_alone(workspace: Workspace) -> None:
    again = run_cycle(workspace, QUIET, Asked(only="gate"))
    assert (again.steps, again.held) == (0, True)
    assert not run_cycle(workspace, QUIET, Asked(only="train")).held
    assert not run_cycle(workspace, QUIET).held


@pytest.mark.slow
def test_a_name_that_is_no_step_and_a_step_that_begins_no_cycle(workspace: Workspace, tmp_path: Path) -> None:
    run_cycle(workspace, QUIET, Asked(again=True, only="collect"))
    for name, problem in (("nonsense", "there is no step"), ("adopt", "is a feedback cycle without")):
        with pytest.raises(UserError, match=problem):
            run_cycle(workspace, QUIET, Asked(only=name))
    run_cycle(workspace, QUIET)
    add_imports(workspace, 1)
    assert run_cycle(workspace, QUIET, Asked(only="gate")).cycle.id == 3
    with pytest.raises(UserError, match="no cycle has begun: adopt comes first"):
        run_cycle(build_workspace(tmp_path / "bare"), QUIET, Asked(only="train"))


def test_a_spent_budget_is_told_before_a_cycle_is_opened_again(workspace: Workspace) -> None:
    spent = change(workspace, "rounds = 10", "rounds = 2")
    for asked in (Asked(from_step="train"), AGAIN):
        with pytest.raises(UserError, match="the error budget is spent"):
            run_cycle(spent, QUIET, asked)
    with pytest.raises(UserError, match="the error budget is spent"):
        forecast(spent)
    assert steps_of(spent, 2)[-1] == "gate"


def test_the_forecast_counts_what_is_collected_already(workspace: Workspace) -> None:
    add_imports(workspace, 3)
    before = forecast(workspace)
    run_cycle(workspace, QUIET, Asked(only="collect"))
    after = forecast(workspace)
    assert (before["traces"], before["calls"]) == (after["traces"], after["calls"])
    assert (after["state"], after["cycle"]) == ("interrupted", 3)
    with pytest.raises(UserError, match="changed since cycle 3 began"):
        forecast(change(workspace, "epochs = 6", "epochs = 5"))


def test_the_forecast_asks_about_traces_without_personal_data(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def counted(items: list[Item], *rest: Any) -> Estimate:
        asked.extend(items)
        return estimate(items, *rest)

    with transaction(workspace.store) as connection:
        add_trace(connection, "mail", "write to ann@example.org", None, reference="safe", origin="import")
    monkeypatch.setattr("loop.forecast.estimate", counted)
    forecast(workspace)
    assert "mail" in [item.id for item in asked]
    assert not [item for item in asked if "ann@example.org" in item.output]


def test_a_step_that_was_not_reached_is_not_done_anew(workspace: Workspace) -> None:
    run_cycle(workspace, QUIET, Asked(again=True, only="collect"))
    with pytest.raises(UserError, match="cycle 3 has not done generate yet"):
        run_cycle(workspace, QUIET, Asked(from_step="train"))
    with pytest.raises(UserError, match="no cycle can be done anew"):
        run_cycle(bare_workspace(workspace.root / "bare"), QUIET, Asked(from_step="train"))


def test_the_forecast_of_a_first_and_of_a_later_cycle(workspace: Workspace, tmp_path: Path) -> None:
    first = forecast(build_workspace(tmp_path / "new"))
    assert (first["cycle"], first["kind"], first["steps"]) == (1, "seed", list(SEED))
    assert not (tmp_path / "new" / ".regrind").exists()
    assert forecast(workspace)["state"] == "nothing"
    again = forecast(workspace, again=True)
    assert (again["cycle"], again["state"], again["steps"]) == (3, "new", list(FEEDBACK))
    assert (again["prompts"], again["traces"], again["cost"]) == (24, 0, 0.0)
    changed = change(workspace, "epochs = 6", "epochs = 5")
    assert forecast(changed)["changed"] == ["train.epochs: 6, now 5"]


def test_the_commands(workspace: Workspace) -> None:
    add_imports(workspace, 1)
    dry, resumed, first, wrong, status, history, printed = session(
        ["cycle", "run", "--dry-run", "-w", workspace.root],
        ["cycle", "resume", "-w", workspace.root],
        ["cycle", "step", "collect", "-w", workspace.root],
        ["cycle", "step", "gate", "-w", workspace.root],
        ["cycle", "status", "-w", workspace.root, "--json"],
        ["cycle", "history", "-w", workspace.root],
        ["cycle", "schedule", "--print", "cron", "-w", workspace.root],
    )
    assert "cycle 3 (feedback, new): collect, generate, judge" in dry.out
    assert "24 prompts of the pool, 1 imported traces" in dry.out
    assert (resumed.code, "no cycle was interrupted" in resumed.err) == (1, True)
    assert (first.code, first.out) == (0, "cycle 3: collect is done\n")
    assert (wrong.code, "it is not the turn of 'gate'" in wrong.err) == (1, True)
    assert [step["name"] for step in json.loads(status.out)["steps"]] == ["collect"]
    assert [line.split()[:3] for line in history.out.splitlines()[1:]] == [
        ["1", "seed", "finished"],
        ["2", "feedback", "finished"],
        ["3", "feedback", "running"],
    ]
    assert (printed.code, "no schedule is set" in printed.err) == (1, True)


def no_space() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))


@pytest.mark.slow
# A limit on the size of files stands for a full disk: the writes fail in the same places.
def test_a_cycle_on_a_full_disk_goes_on_when_there_is_room(workspace: Workspace) -> None:
    changed = change(workspace, "epochs = 6", "epochs = 5")
    code = """
import pathlib, sys
from curation.errors import UserError
from loop.cycle import run_cycle
from loop.opening import Asked
from loop.progress import Progress
from loop.workspace import Workspace
try:
    run_cycle(Workspace(pathlib.Path(sys.argv[1])), Progress(quiet=True), Asked(from_step="train"))
except UserError as error:
    print(error.problem)
"""
    out, err = python(code, workspace.root, preexec_fn=no_space).communicate()
    assert "cannot be written" in out, out + err
    ran = run_cycle(changed, QUIET)
    assert steps_of(changed, ran.cycle.id)[-1] == "gate"
    assert not list(workspace.hidden.rglob("*.tmp"))


@pytest.mark.slow
def test_a_clock_that_was_set_back_changes_nothing(workspace: Workspace) -> None:
    with transaction(workspace.store) as connection:
        for table, column in (("cycles", "started"), ("cycles", "finished"), ("snapshots", "created")):
            connection.execute(f"UPDATE {table} SET {column} = {column} + INTERVAL 10 YEAR")
    parent = query(workspace.store, "SELECT id FROM snapshots WHERE cycle = 2")["id"][0]
    assert run_cycle(workspace, QUIET, AGAIN).cycle.id == 3
    merged = query(
        workspace.view, "SELECT outputs->>'parent' AS p FROM steps WHERE cycle = 3 AND name = 'merge'"
    )
    assert merged["p"].to_list() == [parent]
    assert run_cycle(workspace, QUIET).steps == 0
