"""Steps: what each does to the rows, to the tallies, and to rows that were made and not read."""

from __future__ import annotations

import msgspec
import pytest

from curation.recipe import Augment, Dedup, Redact, Select, Step, Validate
from curation.rows import frame, make_row
from curation.rules import Settings
from curation.state import begin
from curation.steps import run_step, run_steps


def chat(prompt: str, answer: str = "An answer.", line: int | None = 1, source: str = "s") -> dict:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return make_row(turns, source=source, line=line)


def test_validate_drops_errors_and_what_is_named_and_says_why():
    rows = frame([chat("a"), chat("b", "", 2), chat("c", "I don't know", 3), chat("d", "It isâ€¦", 4)])
    state = run_step(begin(rows), Validate(drop=("R301",)))
    assert state.rows["line"].to_list() == [1, 4]
    assert state.drops.select("row_id", "line", "step", "reason").rows() == [
        (rows["id"][1], 2, "validate", "R102 empty answer"),
        (rows["id"][2], 3, "validate", "R301 vague answer"),
    ]
    assert state.findings["code"].to_list() == ["S001", "R102", "R301", "R401"]


def test_the_rules_of_the_workspace_decide_what_is_an_error():
    rows = frame([chat("a"), chat("b", "", 2), chat("c", "I don't know", 3)])
    rules = Settings(ignore=("R102", "S"), levels={"R301": "error"})
    state = run_steps(rows, [Validate()], rules=rules)
    assert state.rows["line"].to_list() == [1, 2]
    assert state.findings["code"].to_list() == ["R301"]


def test_a_drop_tells_the_detail_of_its_finding():
    rows = frame([chat("a"), chat("a", "Another.", 2)])
    (drop,) = run_step(begin(rows), Validate(drop=("R501",))).drops.iter_rows(named=True)
    assert drop["reason"] == "R501 conflicting answers to one prompt"
    assert drop["detail"].startswith("answered otherwise at s:1; ")


def test_validate_drops_rows_that_were_made_and_have_no_line():
    rows = frame([chat("a", "", None, "trace:1"), chat("b", "\x07", None, "trace:2"), chat("c", line=None)])
    state = run_step(begin(rows), Validate())
    assert state.rows["id"].to_list() == [rows["id"][2]]
    assert state.drops["source"].to_list() == ["trace:1", "trace:2"]


PERSONAL = [chat("Hello"), chat("Mail a@example.org", line=2), chat("It is 203.0.113.7", line=3)]


def test_redact_replaces_and_counts():
    state = run_step(begin(frame(PERSONAL)), Redact(kinds=("EMAIL",)))
    assert state.tallies[0].notes == {"replaced": {"EMAIL": 1}}
    assert state.rows["messages"].list.get(0).struct.field("content")[1] == "Mail [EMAIL]"
    assert state.findings.height == 0


def test_redact_can_drop_and_says_why():
    state = run_step(begin(frame(PERSONAL)), Redact("drop"))
    assert state.rows["line"].to_list() == [1]
    assert state.tallies[0].dropped == {"personal data: EMAIL": 1, "personal data: IP": 1}


def test_redact_can_report_without_the_values():
    rows = frame(PERSONAL)
    state = run_step(begin(rows), Redact("report"))
    assert state.rows.equals(rows)
    assert state.tallies[0].notes == {"found": {"EMAIL": 1, "IP": 1}}
    assert state.findings.select("code", "line", "message", "detail").rows() == [
        ("EMAIL", 2, "personal data", "in messages[0].content: Mail [EMAIL]"),
        ("IP", 3, "personal data", "in messages[0].content: It is [IP]"),
    ]


def test_a_bad_child_does_not_take_its_parent_along():
    parent = chat("a")
    rows = frame([parent, {**chat("b", ""), "parents": [parent["id"]]}])
    assert run_step(begin(rows), Validate()).rows["id"].to_list() == [parent["id"]]


def test_the_tallies_add_up():
    rows = frame(
        [
            chat(f"Question number {i} of the long list, mail me at a{i}@example.org", f"{i}", i)
            for i in range(40)
        ]
        + [chat("", "x", 90), chat("Question number 1 of the long list, mail me at a1@example.org", "1", 91)]
    )
    told: list[str] = []
    steps: list[Step] = [Validate(), Dedup(threshold=0.9), Redact(), Select(share=0.5), Augment(share=0.5)]
    state = run_steps(rows, steps, told.append)
    assert [line.split(":")[0] for line in told] == ["validate", "dedup", "redact", "select", "augment"]
    count = rows.height
    for tally in state.tallies:
        assert tally.rows_in == count
        made = tally.notes.get("children", 0)
        assert tally.rows_out == tally.rows_in - sum(tally.dropped.values()) + made
        count = tally.rows_out
    assert count == state.rows.height
    assert sum(sum(t.dropped.values()) for t in state.tallies) == state.drops.height


def test_select_keeps_the_order_and_names_every_row_that_went():
    rows = frame(
        [chat(f"word{i % 7} thing{i % 5}" if i % 9 else f"odd{i} one{i}", line=i) for i in range(50)]
    )
    state = run_step(begin(rows), Select(share=0.4, floor=0.2))
    assert state.rows.height == 20
    assert state.rows["line"].is_sorted()
    assert sorted([*state.rows["line"], *state.drops["line"]]) == list(range(50))
    assert set(state.drops["reason"]) == {"below the density floor", "covered by others"}
    assert state.tallies[0].notes["all rows"]["stopped"] == "all picked"


def test_each_task_keeps_its_share():
    rows = frame(
        {**chat(f"word{i % 7} thing{i % 5} item{i}", line=i), "tags": ["large" if i % 5 else "small", f"{i}"]}
        for i in range(50)
    )
    state = run_step(begin(rows), Select(share=0.5))
    assert dict(state.rows["tags"].list.first().value_counts().rows()) == {"large": 20, "small": 5}
    assert list(state.tallies[0].notes) == ["small", "large"]


@pytest.mark.parametrize(
    "step", [Validate(), Redact(), Dedup(), Select(share=0.5), Select(share=0.0), Augment()]
)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_rows_and_none_are_no_trouble(step, count):
    rows = frame([chat(f"Name the {i} of them", line=i) for i in range(count)])
    assert run_step(begin(rows), step).rows.height <= count + 1


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ('{"step":"dedup","threshold":1}', Dedup(threshold=1.0)),
        ('{"step":"validate","drop":["R301"]}', Validate(drop=("R301",))),
        ('{"step":"redact"}', Redact()),
        ('{"step":"redact","action":"drop","kinds":["KEY"]}', Redact("drop", ("KEY",))),
    ],
)
def test_a_step_is_told_by_name(text, step):
    assert msgspec.json.decode(text, type=Step) == step


@pytest.mark.parametrize(
    "text",
    [
        '{"step":"dedup","threshold":0}',
        '{"step":"dedup","threshold":1.1}',
        '{"step":"dedup","conflicts":"ignore"}',
        '{"step":"select","share":-0.1}',
        '{"step":"select","shares":0.1}',
        '{"step":"select","method":"nearest"}',
        '{"step":"select","quotas":{"a":-1}}',
        '{"step":"shuffle"}',
    ],
)
def test_settings_that_make_no_sense_are_refused(text):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Step)
