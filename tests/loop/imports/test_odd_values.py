"""One odd value costs its line at most; a text stays a text, a thought is no answer, no time is not 1970."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from loop.imports.event import Call, Label, Run, Skipped
from loop.imports.read import Readers, Reject, read
from tests.loop.byhand import write_lines
from tests.loop.imports.samples import (
    ASKED,
    END,
    EVALUATION,
    OBSERVATION,
    OPENAI,
    PHOENIX,
    PLAIN,
    SAID,
    attributes,
    logs,
    span,
)

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"id": "good", "prompt": "x", "output": "y"}


def read_all(path: Path, *objects: dict[str, Any], form: str | None = None) -> list[Any]:
    readers = Readers()
    found = [e for _, events in read(write_lines(path, list(objects)), form, readers) for e in events]
    return found + [event for _, events in readers.rest() for event in events]


def deep(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"email": "max@example.org"}
    for _ in range(levels):
        inner = {"k": inner}
    return inner


@pytest.mark.parametrize("field", ["prompt_tokens", "rating", "latency", "time"])
def test_a_number_that_nothing_holds_costs_no_other_line(tmp_path: Path, field: str) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(
        f'{{"id": "1", "prompt": "a", "output": "b", "{field}": 1{"0" * 400}}}\n{json.dumps(GOOD)}\n'
    )
    ((_, found),) = read(path)
    assert [e.event for e in found if isinstance(e, Call)][-1] == "good"
    (first, _) = found
    if isinstance(first, Call):
        assert first.unmapped == [field]
    else:
        assert isinstance(first, Reject)


def test_what_is_nested_too_deeply_is_rejected(tmp_path: Path) -> None:
    found = read_all(tmp_path / "f.jsonl", GOOD | {"x": deep(600)}, GOOD | {"x": deep(50)})
    assert [type(e) for e in found] == [Reject, Call]
    assert found[0].reason == "nested too deeply"


def test_texts_that_are_no_text_are_left_to_the_payload(tmp_path: Path) -> None:
    record = json.loads(json.dumps(OPENAI))
    record["response"]["choices"][0]["finish_reason"] = {"type": "stop"}
    (call,) = read_all(tmp_path / "f.jsonl", record)
    assert (call.finish_reason, call.unmapped) == (None, ["response.choices[0].finish_reason"])
    found = span(attributes(gen_ai__system="a", gen_ai__prompt="q", gen_ai__completion="a"))
    found["resourceSpans"][0]["resource"]["attributes"] = attributes(service__name=3)
    (call,) = read_all(tmp_path / "f.jsonl", found)
    assert call.workload == "3"


def test_one_bad_span_costs_no_other_span(tmp_path: Path) -> None:
    good = span(attributes(gen_ai__system="a", gen_ai__prompt="q", gen_ai__completion="a"))
    spans = good["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans.insert(0, spans[0] | {"startTimeUnixNano": "soon"})
    reject, call = read_all(tmp_path / "f.jsonl", good)
    assert (type(reject), type(call)) == (Reject, Call)
    assert "'soon' is no time" in reject.reason


@pytest.mark.parametrize("form", [None, "jsonl"])
def test_a_control_byte_costs_its_line(tmp_path: Path, form: str | None) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(
        json.dumps(GOOD).encode() + b'\n{"id": "2", "prompt": "a\x00", "output": "b"}\n\x00\x00\n'
    )
    ((_, found),) = read(path, form)
    assert [type(e) for e in found] == [Call, Reject, Reject]


@pytest.mark.parametrize("text", ["[1, 2, 3]", '{"content": "x"}', '["x", "y"]', "{}", '[{"role": "user"}]'])
def test_a_text_that_is_json_is_a_text(tmp_path: Path, text: str) -> None:
    plain, observed, traced = read_all(tmp_path / "a.jsonl", GOOD | {"prompt": text, "output": text}) + [
        event
        for form, record in (
            ("langfuse", OBSERVATION | {"input": ASKED, "output": text}),
            ("otlp", span(attributes(gen_ai__system="a", gen_ai__prompt="q", gen_ai__completion=text))),
        )
        for event in read_all(tmp_path / "b.jsonl", record, form=form)
    ]
    assert plain.messages == [{"role": "user", "content": text}]
    assert (plain.output, observed.output, traced.output) == (text, text, text)
    assert (plain.unmapped, observed.unmapped, traced.unmapped) == ([], [], [])


def test_an_answer_that_is_a_list_stays_one_and_turns_before_the_answer_are_listed(tmp_path: Path) -> None:
    turns = [{"role": "tool", "content": "8"}, {"role": "assistant", "content": SAID}]
    words, last = read_all(
        tmp_path / "f.jsonl", OBSERVATION | {"output": ["x", "y"]}, OBSERVATION | {"output": turns}
    )
    assert (words.output, last.output, last.unmapped) == ('["x", "y"]', SAID, ["output[0]"])


def test_thoughts_are_no_answer(tmp_path: Path) -> None:
    def answered(*parts: dict[str, Any]) -> Call:
        answer = json.dumps([{"role": "assistant", "parts": list(parts)}])
        asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": ASKED}]}])
        record = span(
            attributes(gen_ai__system="a", gen_ai__input__messages=asked, gen_ai__output__messages=answer)
        )
        (call,) = read_all(tmp_path / "f.jsonl", record)
        assert isinstance(call, Call)
        assert "SECRET THOUGHT" in json.dumps(call.payload)
        return call

    thought = {"type": "reasoning", "content": "SECRET THOUGHT"}
    tool = {"type": "tool_call", "id": "1", "name": "f", "arguments": {}}
    spoken = answered(thought, {"type": "text", "content": SAID})
    assert (spoken.output, spoken.unmapped) == (SAID, ["answer.reasoning"])
    called = answered(thought, tool)
    assert (json.loads(called.output), called.unmapped) == ({"tool_calls": [tool]}, ["answer.reasoning"])
    assert answered(thought).output == ""


def test_a_refusal_is_what_was_said(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": ASKED},
        {"role": "assistant", "content": None, "refusal": "I cannot."},
    ]
    (call,) = read_all(tmp_path / "f.jsonl", PLAIN | {"messages": turns})
    assert (call.output, call.unmapped) == ("I cannot.", [])


@pytest.mark.parametrize("time", ["", 0, "0", None, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+02:00"])
def test_a_time_that_is_not_set_is_none(tmp_path: Path, time: Any) -> None:
    (call,) = read_all(tmp_path / "f.jsonl", GOOD | {"time": time})
    assert call.time is None


def test_a_date_without_dashes_is_a_date(tmp_path: Path) -> None:
    (call,) = read_all(tmp_path / "f.jsonl", GOOD | {"time": "20240105"})
    assert call.time.isoformat() == "2024-01-05T00:00:00"


def test_spans_and_events_without_a_time_are_not_of_1970(tmp_path: Path) -> None:
    found = attributes(gen_ai__system="a", gen_ai__prompt="q", gen_ai__completion="a")
    said = [{"name": "gen_ai.evaluation.result", "attributes": EVALUATION}]
    call, label = read_all(tmp_path / "f.jsonl", span(found, said, startTimeUnixNano="0"))
    assert (call.time, call.latency, label.time) == (None, None, None)
    _, label = read_all(tmp_path / "f.jsonl", span(found, said))
    assert label.time.year == 2025
    record = logs(
        EVALUATION,
        eventName="gen_ai.evaluation.result",
        traceId="1",
        spanId="2",
        timeUnixNano="0",
        observedTimeUnixNano=str(END),
    )
    (label,) = read_all(tmp_path / "f.jsonl", record)
    assert label.time.year == 2025


@pytest.mark.parametrize(
    ("rating", "score", "label"),
    [("4", 4.0, None), ("up", 1.0, "up"), (True, 1.0, "True"), ("good", None, "good"), (0.5, 0.5, None)],
)
def test_ratings_are_numbers_or_words(
    tmp_path: Path, rating: Any, score: float | None, label: str | None
) -> None:
    (call,) = read_all(tmp_path / "f.jsonl", GOOD | {"rating": rating})
    assert [(said.score, said.label) for said in call.labels] == [(score, label)]


OWN = [
    {"id": "1", "sessionId": "x", "timestamp": "2025-01-01", "messages": PLAIN["messages"]},
    {"id": "1", "trace_id": "x", "timestamp": "2025-01-01", "prompt": "a", "output": "b"},
    {"trace_id": "x", "timestamp": "2025-01-01", "prompt": "a", "output": "b"},
    {"id": "1", "sessionId": "x", "timestamp": "2025-01-01", "input": "a", "output": "b"},
]


@pytest.mark.parametrize("line", OWN)
def test_lines_of_ones_own_are_not_taken_for_langfuse(tmp_path: Path, line: dict[str, Any]) -> None:
    ((form, found),) = read(write_lines(tmp_path / "f.jsonl", [line]))
    assert form == "jsonl"
    (call,) = found
    assert isinstance(call, Call)
    assert (call.time is not None, call.unmapped) == (
        True,
        ["trace_id"] if len(line) == 5 and "trace_id" in line else [],
    )


def test_fields_of_langfuse_that_are_json_in_a_blob(tmp_path: Path) -> None:
    texts = {
        name: json.dumps(OBSERVATION[name]) for name in ("usage_details", "cost_details", "model_parameters")
    }
    (call,) = read_all(tmp_path / "f.jsonl", OBSERVATION | texts | {"name": "chat", "value": 3})
    assert (call.prompt_tokens, call.cost, call.sampling) == (12, 0.003, {"temperature": 0.5})
    assert call.unmapped == ["name", "value"]


def test_a_score_of_a_session_is_told(tmp_path: Path) -> None:
    score = {"id": "s", "sessionId": "c-7", "name": "mood", "value": 1, "dataType": "NUMERIC"}
    (skipped,) = read_all(tmp_path / "f.jsonl", score)
    assert skipped == Skipped("score that is about no call and no trace", ("id", "name", "session_id"))


def test_annotations_of_phoenix_beside_the_span_and_parameters_as_an_object(tmp_path: Path) -> None:
    record = json.loads(json.dumps(PHOENIX))
    del record["attributes"]["annotations"]
    record["attributes"]["llm"]["invocation_parameters"] = {"temperature": 0.5}
    result = {"score": 0.9, "label": "good", "explanation": "a river"}
    record["annotations"] = [{"name": "correctness", "annotator_kind": "HUMAN", "result": result}]
    (call,) = read_all(tmp_path / "f.jsonl", record)
    assert call.sampling == {"temperature": 0.5}
    assert [(s.name, s.author, s.score, s.label, s.comment) for s in call.labels] == [
        ("correctness", "human", 0.9, "good", "a river")
    ]
    assert call.unmapped == []


def test_a_trace_of_langfuse_is_a_request_with_all_that_it_says(tmp_path: Path) -> None:
    trace = {"id": "t1", "timestamp": "2025-01-02T03:04:05Z", "userId": "u", "projectId": "p", "release": "7"}
    (run,) = read_all(tmp_path / "f.jsonl", trace)
    assert isinstance(run, Run)
    assert (run.event, run.user_id, run.payload, run.unmapped) == ("t1", "u", trace, ["trace.release"])


def test_labels_that_come_by_themselves_keep_what_they_came_as(tmp_path: Path) -> None:
    record = logs(EVALUATION, eventName="gen_ai.evaluation.result", traceId="1", spanId="2", severityText="X")
    (label,) = read_all(tmp_path / "f.jsonl", record)
    assert isinstance(label, Label)
    assert (label.payload["severityText"], label.unmapped, label.run) == ("X", ["log.severityText"], "1")
