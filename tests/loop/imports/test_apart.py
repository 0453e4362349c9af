"""Calls in several places: a span and its log records, the input and the output of a batch, chunks."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from loop.imports import apart
from loop.imports.event import Call, Skipped
from loop.imports.read import Reject
from tests.loop.imports.samples import (
    ASKED,
    COMMON,
    DETAILS,
    PROMPT,
    RESPONSE,
    SAID,
    SPAN,
    SYSTEM,
    TRACE,
    attributes,
    logs,
    span,
    typed,
)
from tests.loop.imports.test_odd_values import read_all

if TYPE_CHECKING:
    from pathlib import Path


def body(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": body(v)} for k, v in value.items()]}}
    return typed(value)


def message(name: str, **said: Any) -> dict[str, Any]:
    found = attributes(gen_ai__system="acme")
    return logs(found, eventName=f"gen_ai.{name}", body=body(said), traceId=TRACE, spanId=SPAN)


BARE = span(attributes(**COMMON))
MESSAGES = [
    message("system.message", content=SYSTEM),
    message("user.message", content=ASKED),
    message("choice", index=0, finish_reason="stop", message={"role": "assistant", "content": SAID}),
]
ONLY_MESSAGES = logs(
    [
        a
        for a in DETAILS["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"]
        if "messages" in a["key"]
    ],
    eventName="gen_ai.client.inference.operation.details",
    traceId=TRACE,
    spanId=SPAN,
)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("records", [MESSAGES, [ONLY_MESSAGES]], ids=["messages", "details"])
def test_a_span_and_its_log_records_are_one_call(
    tmp_path: Path, records: list[dict[str, Any]], first: bool
) -> None:
    objects = [BARE, *records] if first else [*records, BARE]
    (call,) = read_all(tmp_path / "f.jsonl", *objects)
    assert isinstance(call, Call)
    assert call.messages[-1] == {"role": "user", "content": ASKED}
    assert (call.output, call.model, call.user_id, call.prompt_tokens) == (SAID, "m-1", "u-17", 12)
    assert (call.latency, call.workload, call.unmapped) == (1.5, "shop", [])


def test_what_has_no_counterpart_is_read_as_it_is(tmp_path: Path) -> None:
    (call,) = read_all(tmp_path / "f.jsonl", *MESSAGES)
    assert (call.output, call.user_id, call.event) == (SAID, None, f"{TRACE}/{SPAN}")
    (skipped,) = read_all(tmp_path / "f.jsonl", span(attributes(**COMMON, zz=1)))
    assert isinstance(skipped, Skipped)
    assert skipped.what == "model call without its messages"
    assert {"user.id", "zz"} <= set(skipped.unmapped)


def test_only_so_many_calls_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LIMIT", 1)
    others = [span(attributes(**COMMON), spanId=f"{n:016x}") for n in range(3)]
    found = read_all(tmp_path / "f.jsonl", *others, *MESSAGES)
    assert [type(e) for e in found] == [Skipped, Skipped, Call, Skipped]


def test_indexed_attributes_are_messages(tmp_path: Path) -> None:
    found = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": ASKED}
    found |= {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": SAID}
    found |= {"gen_ai.completion.0.finish_reason": "stop", "gen_ai.completion.0.tool_calls.0.name": "f"}
    given = {k.replace(".", "__"): v for k, v in found.items()}
    (call,) = read_all(tmp_path / "f.jsonl", span(attributes(**COMMON, **given)))
    assert (call.messages, call.output) == ([{"role": "user", "content": ASKED}], SAID)
    assert call.unmapped == ["answer.tool_calls"]


ASK = {"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions"}
ASK |= {"body": {"model": "m-1", "messages": PROMPT, "user": "u-17"}}
ANSWER = {"id": "batch_req_1", "custom_id": "r-1", "error": None}
ANSWER |= {"response": {"status_code": 200, "request_id": "x", "body": RESPONSE}}


def test_a_batch_is_its_input_and_its_output(tmp_path: Path) -> None:
    failed = {"custom_id": "r-2", "response": None, "error": {"code": "x"}}
    asked, call, none, reject = read_all(
        tmp_path / "f.jsonl", ASK, ANSWER, failed, ANSWER | {"custom_id": "r-3"}
    )
    assert (asked.what, none.what) == (
        "request of a batch: its answer is in the output file",
        "request that failed",
    )
    assert (call.event, call.user_id, call.messages) == (RESPONSE["id"], "u-17", PROMPT)
    assert (call.output, call.unmapped) == (SAID, [])
    assert isinstance(reject, Reject)
    assert "input file" in reject.reason


def chunk(delta: dict[str, Any], **other: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": other.pop("finish_reason", None)}
    return {"id": "c-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice]} | other


def test_the_chunks_of_a_stream_are_one_answer(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 2}
    chunks = [chunk({"role": "assistant", "content": "Da"}), chunk({"content": "nube"}, finish_reason="stop")]
    chunks.append({"id": "c-1", "object": "chat.completion.chunk", "choices": [], "usage": usage})
    asked = {"model": "m-1", "messages": PROMPT}
    whole, one = read_all(
        tmp_path / "f.jsonl",
        {"request": asked, "response": chunks},
        {"request": asked, "response": chunks[0]},
    )
    assert (whole.output, whole.finish_reason, whole.output_tokens) == (SAID, "stop", 2)
    assert (one.output, whole.unmapped) == ("Da", [])


def test_calls_of_tools_in_chunks_are_put_together(tmp_path: Path) -> None:
    parts = ['{"city":', ' "Wien"}']
    deltas = [{"index": 0, "id": "1", "function": {"name": "f", "arguments": parts[0]}}]
    deltas.append({"index": 0, "function": {"arguments": parts[1]}})
    chunks = [chunk({"tool_calls": [delta]}) for delta in deltas]
    (call,) = read_all(tmp_path / "f.jsonl", {"request": {"messages": PROMPT}, "response": chunks})
    (made,) = json.loads(call.output)["tool_calls"]
    assert made == {"id": "1", "function": {"name": "f", "arguments": "".join(parts)}}


def test_a_response_of_the_responses_api(tmp_path: Path) -> None:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "SECRET THOUGHT"}]}
    called = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
    response = {"id": "resp-1", "object": "response", "created_at": 1_764_000_000, "model": "m-1"}
    response |= {"status": "completed", "usage": {"input_tokens": 12, "output_tokens": 2}}
    asked = {"model": "m-1", "input": ASKED, "instructions": SYSTEM}
    records = [
        {"request": asked, "response": response | {"output": items}} for items in ([thought, said], [called])
    ]
    answered, tool = read_all(tmp_path / "f.jsonl", *records)
    assert [(t["role"], t["content"]) for t in answered.messages] == [("system", SYSTEM), ("user", ASKED)]
    assert (answered.output, answered.prompt_tokens, answered.output_tokens) == (SAID, 12, 2)
    assert answered.unmapped == ["answer.reasoning", "response.status"]
    assert json.loads(tool.output)["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


def test_every_order_of_records_gives_the_same_call(tmp_path: Path) -> None:
    outputs = {
        read_all(tmp_path / "f.jsonl", *order)[0].output
        for order in itertools.permutations([BARE, *MESSAGES[1:]])
    }
    assert outputs == {SAID}
