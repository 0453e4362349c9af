"""Every format gives the same call, twice nothing new, and no field is lost without a word."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from loop.imports.event import Call, Label, Run, Skipped
from loop.imports.read import Readers, Reject, read
from tests.loop.byhand import write_lines
from tests.loop.imports.samples import ASKED, OTLP, PLAIN, PROMPT, SAID, SAMPLES, SYSTEM, logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def events(path: Path, objects: list[dict[str, Any]], form: str | None = None) -> list[Any]:
    write_lines(path, objects)
    return in_files(form, path)


def in_files(form: str | None, *paths: Path) -> list[Any]:
    """Events of some files of one import."""
    readers = Readers()
    found = [event for path in paths for _, events in read(path, form, readers) for event in events]
    return found + [event for _, events in readers.rest() for event in events]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_gives_the_same_call(tmp_path: Path, name: str) -> None:
    form, objects = SAMPLES[name]
    found = events(tmp_path / "f.jsonl", objects)
    assert [kind for kind, _ in read(tmp_path / "f.jsonl")] == [form]
    assert [e for e in found if isinstance(e, Reject)] == []
    (call,) = [e for e in found if isinstance(e, Call)]
    assert [(t["role"], t["content"]) for t in call.messages] == [("system", SYSTEM), ("user", ASKED)]
    about = next((e for e in found if isinstance(e, Run)), call)
    assert (call.output, call.model, about.user_id, about.conversation_id) == (SAID, "m-1", "u-17", "c-7")
    assert (call.prompt_tokens, call.output_tokens, call.sampling) == (12, 2, {"temperature": 0.5})
    assert call.time is not None
    assert call.time.isoformat() == (
        "2025-11-24T16:00:01.500000" if name == "otlp log records" else "2025-11-24T16:00:00"
    )
    assert call.latency == (None if name == "otlp log records" else 1.5)
    labels = [e for e in found if isinstance(e, Label)] + call.labels
    (label,) = labels
    assert label.score == 0.9
    assert label.event == call.event or label.run == call.run
    assert call.unmapped == []


def objects_inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a sample but typed values of attributes, which have a form of their own."""
    if isinstance(value, dict):
        if any(key.endswith("Value") for key in value):
            return
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from objects_inside(inner)


CONTAINERS = {"resourceSpans", "scopeSpans", "scopeLogs", "resourceLogs"}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_field_that_nobody_knows_is_kept_or_listed(tmp_path: Path, name: str) -> None:
    form, objects = SAMPLES[name]
    for number in range(len(list(objects_inside(objects)))):
        changed = copy.deepcopy(objects)
        target = list(objects_inside(changed))[number]
        if (
            CONTAINERS & target.keys()
            or {"key", "value"} == target.keys()
            or "logRecords" in target
            or "spans" in target
        ):
            continue  # a frame of OTLP around what counts
        if set(target) <= {"attributes"}:
            target["attributes"] = [
                *target.get("attributes", []),
                {"key": "zz", "value": {"stringValue": "new"}},
            ]
        else:
            target["zz"] = "new"
        found = events(tmp_path / "f.jsonl", changed, form)
        told = [p for e in found if isinstance(e, Call | Label | Run | Skipped) for p in e.unmapped]
        told += [p for e in found if isinstance(e, Call) for label in e.labels for p in label.unmapped]
        held = [json.dumps([e.messages, e.sampling]) for e in found if isinstance(e, Call)]
        assert any("zz" in text for text in told + held), (target, told)


def test_every_answer_but_the_first_and_what_stands_beside_it_is_listed(tmp_path: Path) -> None:
    record = copy.deepcopy(SAMPLES["openai"][1][0])
    choice = record["response"]["choices"][0]
    choice["message"]["tool_calls"] = [{"id": "1"}]
    record["response"]["choices"].append(choice)
    (call,) = events(tmp_path / "f.jsonl", [record])
    assert call.unmapped == ["answer.tool_calls", "response.choices[1]"]


def test_an_answer_of_tool_calls_alone_is_their_json(tmp_path: Path) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    turns = [*PROMPT, {"role": "assistant", "content": None, "tool_calls": calls}]
    (call,) = events(tmp_path / "f.jsonl", [PLAIN | {"messages": turns}])
    assert json.loads(call.output) == {"tool_calls": calls}


def test_tool_turns_of_a_prompt_are_kept(tmp_path: Path) -> None:
    used = {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}
    turns = [*PROMPT, used, {"role": "tool", "content": "8", "tool_call_id": "1"}]
    (call,) = events(tmp_path / "f.jsonl", [PLAIN | {"messages": turns, "output": SAID}])
    assert call.messages[2:] == turns[2:]


def test_a_span_that_is_no_call_is_counted(tmp_path: Path) -> None:
    tool = copy.deepcopy(OTLP)
    tool["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = []
    tool["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["events"] = []
    other = logs([], eventName="something.else")
    assert events(tmp_path / "f.jsonl", [tool, other]) == [
        Skipped("span that is no model call"),
        Skipped("log record that is no model call"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ('{"id": 1}', "neither messages nor a prompt"),
        ('{"prompt": "a", "output": "b", "time": "soon"}', "'soon' is no time"),
        ('{"messages": [[1]], "output": "b"}', "messages are a list of turns"),
        ("[1]", "array"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(f"{json.dumps(PLAIN)}\n\n{line}\n")
    ((_, (call, reject)),) = read(path)
    assert isinstance(call, Call)
    assert isinstance(reject, Reject)
    assert reject.line == 3
    assert reason in reject.reason


@pytest.mark.parametrize("form", ["otlp", "openinference", "langfuse", "openai", "flywheel"])
@pytest.mark.parametrize(
    "wrong", [{"choices": 3}, {"resourceSpans": 3, "request": 1, "response": []}, {"id": {}}]
)
def test_nonsense_is_rejected_or_skipped(tmp_path: Path, form: str, wrong: dict[str, Any]) -> None:
    found = events(tmp_path / "f.jsonl", [wrong], form)
    assert not [e for e in found if isinstance(e, Call | Label)]


def test_one_object_over_many_lines(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text(json.dumps(OTLP, indent=2))
    ((form, found),) = read(path)
    assert (form, len([e for e in found if isinstance(e, Call)])) == ("otlp", 1)


@pytest.mark.parametrize("framed", [False, True])
def test_protobuf_gives_what_json_gives(tmp_path: Path, framed: bool) -> None:
    pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    from google.protobuf.json_format import Parse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    as_proto = copy.deepcopy(OTLP)
    message = Parse(json.dumps(as_proto), ExportTraceServiceRequest())
    inner = message.resource_spans[0].scope_spans[0].spans[0]
    inner.trace_id, inner.span_id = (
        bytes.fromhex("5b8efff798038103d269b633813fc60c"),
        bytes.fromhex("eee19b7ec3c1b174"),
    )
    data = message.SerializeToString()
    path = tmp_path / "spans.binpb"
    path.write_bytes((len(data).to_bytes(4, "big") + data) * 2 if framed else data)
    (expected,) = [e for e in events(tmp_path / "f.jsonl", [OTLP]) if isinstance(e, Call)]
    calls = [e for _, found in read(path) for e in found if isinstance(e, Call)]
    assert len(calls) == (2 if framed else 1)
    for call in calls:
        assert (call.event, call.messages, call.output) == (
            expected.event,
            expected.messages,
            expected.output,
        )
        assert (call.time, call.latency, call.labels) == (expected.time, expected.latency, expected.labels)
    if framed:
        for lost in (1, len(data), len(data) + 2):  # in the last message, and in its length
            path.write_bytes((len(data).to_bytes(4, "big") + data) * 2)
            with path.open("r+b") as stream:
                stream.truncate(path.stat().st_size - lost)
            kept = [e for _, found in read(path) for e in found]
            assert [e for e in kept if isinstance(e, Call)] == calls[:1]
            assert [(e.line, e.reason) for e in kept if isinstance(e, Reject)] == [
                (2, "the file is cut here")
            ]
