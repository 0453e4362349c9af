"""Shaped rows: where everything stands, what stays as it was, and stages that survive every step."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import UserError
from curation.export import write_rows
from curation.heldout import Checks, freeze, without_heldout
from curation.intake import read_file
from curation.prompts import shape, stage
from curation.recipe import Augment, Dedup, Redact, Select, Step, Validate
from curation.rows import ROWS, frame, make_row, row_id
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.steps import run_steps
from curation.stored import read_rows
from curation.templates import Template
from tests.curation.test_templates import texts


def turns(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content, "extra": None} for role, content in pairs]


def row(*pairs: tuple[str, str], tags: tuple[str, ...] = (), line: int = 1, **meta: Any) -> dict[str, Any]:
    return make_row(turns(*pairs), tags=tags, source="in.jsonl", line=line, meta=json.dumps(meta))


def put(template: Template, *rows: dict[str, Any]) -> list[list[tuple[str, str]]]:
    shaped = shape(frame(rows), template).rows
    assert shaped.schema == ROWS
    assert shaped["id"].to_list() == [row_id(m) for m in shaped["messages"].to_list()]
    return [[(m["role"], m["content"]) for m in messages] for messages in shaped["messages"].to_list()]


FULL = Template(
    "full",
    user="{prompt} ({topic})",
    prefix="[{task}] ",
    system="Answer about {feedback.score}.",
    examples=({"prompt": "Hi {prompt}", "topic": "none", "task": "greet", "answer": "Hello {{"},),
)


def test_everything_has_its_place():
    given_ = row(("user", "a"), ("assistant", "b"), tags=("stage:x", "sum"), topic="t", feedback={"score": 5})
    assert put(FULL, given_) == [
        [
            ("system", "Answer about 5."),
            ("user", "[greet] Hi {prompt} (none)"),
            ("assistant", "Hello {{"),
            ("user", "[sum] a (t)"),
            ("assistant", "b"),
        ]
    ]


def test_only_the_last_user_turn_is_put_into_the_template():
    talk = [("system", "S"), ("user", "1"), ("assistant", "2"), ("user", "3"), ("assistant", "4")]
    template = Template("t", prefix="> ", examples=({"prompt": "p", "answer": "a"},))
    expected = [talk[0], ("user", "> p"), ("assistant", "a"), *talk[1:3], ("user", "> 3"), talk[4]]
    assert put(template, row(*talk)) == [expected]
    assert put(template, row(*talk[:-1])) == [expected[:-1]]


def test_a_system_message_in_the_middle_stays_there():
    talk = [("user", "1"), ("assistant", "2"), ("system", "S"), ("user", "3"), ("assistant", "4")]
    assert put(Template("t"), row(*talk)) == [talk]
    assert put(Template("t", system="T"), row(*talk)) == [[("system", "T"), *talk]]


def test_a_replaced_system_message_is_counted_and_is_a_field():
    rows = [row(("system", "Be brief."), ("user", "a"), ("assistant", "b")), row(("user", "c"), line=2)]
    shaped = shape(frame(rows), Template("t", system="You help."))
    assert shaped.replaced == 1
    assert put(Template("t", system="You help. {system}"), rows[0])[0][0] == ("system", "You help. Be brief.")


def test_a_row_is_not_shown_its_own_answer():
    template = Template("t", examples=({"prompt": "a", "answer": "b"}, {"prompt": "c", "answer": "d"}))
    rows = [row(("user", "a"), ("assistant", "b")), row(("user", "e"), ("assistant", "f"))]
    assert [len(messages) for messages in put(template, *rows)] == [4, 6]
    assert shape(frame(rows), template).spared == 1


def test_other_columns_and_the_fields_of_a_turn_stay():
    old = row(("user", "a"), ("assistant", "b"), tags=("x",), topic="t")
    old["messages"][0]["extra"] = '{"name":"Ada"}'
    (new,) = shape(frame([old]), Template("t", prefix="> ")).rows.to_dicts()
    changed = ("id", "messages", "meta")
    assert {k: v for k, v in new.items() if k not in changed} == {
        k: v for k, v in old.items() if k not in changed
    }
    assert json.loads(new["meta"]) == {"topic": "t", "shaped_from": "a"}
    assert new["messages"][0] == {"role": "user", "content": "> a", "extra": '{"name":"Ada"}'}


def test_a_held_out_prompt_is_found_inside_a_template_and_a_row_inside_a_held_out_one():
    prompts = [f"Which of the {i} rivers flows north?" for i in range(12)]
    rows = frame([row(("user", text), ("assistant", "b"), line=i) for i, text in enumerate(prompts)])
    template = Template(
        "t", user="Question: {prompt}", examples=({"prompt": "Hi?", "answer": "Hello there."},)
    )
    shaped, held = shape(rows, template).rows, rows[:5]
    twice = shape(shaped, Template("u", prefix="Please. ")).rows
    for training, items in ((shaped, held), (twice, held), (rows, shape(held, template).rows), (rows, held)):
        stay, drops = without_heldout(training, [freeze("h", items)], Checks(threshold=0.95))
        assert stay["line"].to_list() == list(range(5, 12))
        assert drops["line"].to_list() == list(range(5))


def test_the_prompt_as_it_was_is_kept_without_personal_data():
    given_ = row(("system", "S"), ("user", "mail ada@example.org"), ("assistant", "b"), topic="t")
    first = shape(frame([given_]), Template("t", prefix="> ")).rows
    again = shape(first, Template("u", prefix="> ")).rows
    for rows in (first, again):
        assert json.loads(rows["meta"][0]) == {"topic": "t", "shaped_from": "mail [EMAIL]"}


def test_no_rows_give_no_rows():
    assert put(FULL) == []


@given(texts, texts, texts)
def test_row_text_is_data_wherever_it_comes_from(prompt, topic, answer):
    template = Template("t", user="{prompt}|{topic}|{prompt}", prefix="[{task}]", system="{topic}")
    given_ = row(("user", prompt), ("assistant", answer), tags=(prompt,), topic=topic)
    assert put(template, given_) == [
        [("system", topic), ("user", f"[{prompt}]{prompt}|{topic}|{prompt}"), ("assistant", answer)]
    ]


def test_a_row_that_lacks_a_field_is_named_with_template_and_field():
    rows = [row(("user", "a"), topic="t"), row(("user", "b"), line=7, topic=None)]
    with pytest.raises(UserError, match="this row lacks the field 'topic' of template 'ask'") as caught:
        shape(frame(rows), Template("ask", user="{topic}"))
    assert caught.value.where == "in.jsonl:7"
    assert "(prompt)" in caught.value.fix


def test_a_field_that_no_row_has_is_a_slip_in_the_template():
    rows = [row(("user", "a"), topic="t"), row(("user", "b"), line=2, topic="u")]
    for name in ("subject", "prompt.__class__", "topic.upper"):
        with pytest.raises(UserError, match=f"no row has the field '{name}' of template 'ask'") as caught:
            shape(frame(rows), Template("ask", user="{" + name + "}"))
        assert "(prompt, topic)" in caught.value.fix


def test_a_row_without_a_user_turn_is_named():
    with pytest.raises(UserError, match="no user turn") as caught:
        shape(frame([row(("assistant", "a"), line=3, prompt="x")]), Template("t"))
    assert caught.value.where == "in.jsonl:3"


def test_a_row_has_one_stage():
    rows = stage(frame([row(("user", "a"), tags=("x", "stage:general")), row(("user", "b"))]), "domain")
    assert rows["tags"].to_list() == [["x", "stage:domain"], ["stage:domain"]]
    assert stage(frame([]), "task").schema == ROWS


@given(st.lists(st.lists(st.sampled_from(["a", "stage:a", "stage:b", "stages"]), max_size=4), max_size=4))
def test_a_stage_takes_no_other_tag_along(tags):
    rows = frame([row(("user", "x"), tags=tuple(t), line=i) for i, t in enumerate(tags)])
    expected = [[t for t in own if not t.startswith("stage:")] + ["stage:new"] for own in tags]
    assert stage(rows, "new")["tags"].to_list() == expected


def test_the_stage_survives_every_step_a_file_and_a_snapshot(tmp_path):
    texts = [f"Question {i} about thing{i} and other{i * 7}, mail a{i}@example.org" for i in range(40)]
    rows = [row(("user", text), ("assistant", f"{i}."), line=i) for i, text in enumerate(texts)]
    rows += [rows[0], row(("user", ""), ("assistant", "x"), line=99)]
    steps: list[Step] = [Validate(), Redact(), Dedup(), Select(share=0.9), Augment(share=0.5)]
    state = run_steps(stage(frame(rows), "domain"), steps)
    assert [t.rows_in != t.rows_out or t.step == "redact" for t in state.tallies] == [True] * len(steps)
    write_rows(state.rows, tmp_path / "out.jsonl")
    ratios = {"train": 0.8, "validation": 0.2, "test": 0.0}
    manifest = write_snapshot(tmp_path / "snapshots", state, recipe={}, split=Split(**ratios), heldout=[])
    results = [state.rows, shape(state.rows, Template("t", prefix="> ")).rows]
    results += [read_file(tmp_path / "out.jsonl").rows, read_rows(tmp_path / "snapshots" / manifest.id)]
    for found in results:
        assert found.height == state.rows.height
        assert all("stage:domain" in tags for tags in found["tags"].to_list())
