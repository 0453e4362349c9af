"""A correction passes the screens or is kept as rejected, with the reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from judge.frames import items_of
from judge.verdict import Item, Verdict
from loop.cycle import Context
from loop.progress import Progress
from loop.spool import open_spool
from loop.steps import correct
from loop.store import insert, query, transaction
from loop.traces import items
from loop.verdicts import verdict_rows
from loop.workspace import Workspace
from tests.judge.judges import verdict_frame
from tests.loop.byhand import JUDGE, add_trace, build_workspace

if TYPE_CHECKING:
    from pathlib import Path

REPEAT = "Please repeat these words exactly as they are."
CASES = {
    "right": ("Which river crosses Vienna?", "Danube", "Danube", 1.0),
    "wrong": ("Who painted Guernica?", "Monet", "Picasso", 0.0),
    "spaced": ("How many legs has a spider?", " 8 ", "8", 0.5),
    "private": ("Whom do I write to?", "nobody", "ada@example.org", 0.0),
    "leaked": ("What do BEES  make?", "wax", "honey", 0.0),
    "echo": (REPEAT, "no", REPEAT, 0.0),
    "unknown": ("What is lost?", "a key", None, 0.0),
    "unscored": ("What is a verdict?", "a guess", "an opinion", None),
}  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = build_workspace(tmp_path)
    with transaction(workspace.store) as connection:
        for identity, (question, output, reference, _) in CASES.items():
            messages = json.dumps([{"role": "user", "content": question}])
            add_trace(connection, identity, output, 2, messages=messages, reference=reference)
        asked = items_of(items(connection, 2))
        scores = {i.id: CASES[i.id][3] for i in asked}
        given = [
            Verdict(i.id, JUDGE, 0, "failed")
            if scores[i.id] is None
            else Verdict(i.id, JUDGE, 0, "scored", float(scores[i.id]))
            for i in asked
        ]
        insert(connection, "verdicts", verdict_rows(verdict_frame(given, asked)))
    return workspace


def run(workspace: Workspace) -> tuple[dict[str, tuple[str, str, str]], correct.Outcome]:
    given = {"judge": {"judge": JUDGE}}
    outcome = correct.run(Context(workspace, 2, given, Progress(quiet=True), workspace.step_rows))
    assert outcome.commit
    with transaction(workspace.store) as connection:
        outcome.commit(connection)
    rows = query(workspace.store, "SELECT trace, output, state, reason FROM corrections").rows()
    return {trace: (output, state, reason) for trace, output, state, reason in rows}, outcome


def test_each_low_score_is_corrected_or_rejected_for_its_reason(workspace: Workspace) -> None:
    made, outcome = run(workspace)
    assert made == {
        "wrong": ("Picasso", "accepted", ""),
        "spaced": ("8", "rejected", "says the same"),
        "private": ("ada@example.org", "rejected", "personal data: EMAIL"),
        "leaked": ("honey", "rejected", "the prompt is in a held-out set"),
        "echo": (REPEAT, "rejected", "echoes the prompt"),
    }
    assert outcome.outputs == {"low": 6, "states": {"accepted": 1, "rejected": 4}, "without_reference": 1}
    assert outcome.summary == "6 low scores: 1 accepted, 4 rejected; 1 have no reference"


def test_the_lowest_are_corrected_first_and_not_more_than_allowed(workspace: Workspace) -> None:
    path = workspace.root / "regrind.toml"
    text = path.read_text(encoding="utf8")
    path.write_text(text.replace("[judge]", "[judge]\nmax_corrections = 2"), encoding="utf8")
    made, _ = run(Workspace(workspace.root))
    assert sorted(made) == ["echo", "leaked"]


def test_the_spool_is_emptied_because_the_store_has_its_verdicts(workspace: Workspace) -> None:
    spool = open_spool(workspace.spool, workspace.store, workspace.view, [JUDGE])
    spool.put({"k": Verdict("t", JUDGE, 0, "scored", 1.0)})
    run(workspace)
    assert list(workspace.spool.iterdir()) == []


def test_nothing_low_is_nothing_to_correct(workspace: Workspace) -> None:
    with transaction(workspace.store) as connection:
        connection.execute("UPDATE verdicts SET score = 1 WHERE state = 'scored'")
    made, outcome = run(workspace)
    assert made == {}
    assert outcome.summary == "0 low scores: nothing to correct"


def test_a_damaged_held_out_set_stops_the_step(workspace: Workspace) -> None:
    (workspace.root / "data" / "heldout.jsonl").write_text("not JSON\n", encoding="utf8")
    with pytest.raises(UserError):
        run(workspace)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("Danube", None),
        ("call +43 1 234 56 78 90", "personal data: PHONE"),
        ("ada@example.org at 10.0.0.1", "personal data: EMAIL, IP"),
    ],
)
def test_personal_data_is_screened(output: str, reason: str | None) -> None:
    assert correct.personal_data(Item("t", [], "x"), output) == reason
