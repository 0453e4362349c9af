"""One call in every format that is read, written by hand from the public schemas."""

from __future__ import annotations

import json
from typing import Any

SYSTEM, ASKED, SAID = "Answer in one word.", "Which river crosses Vienna?", "Danube"
START, END = 1_764_000_000_000_000_000, 1_764_000_001_500_000_000
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


def attributes(**values: Any) -> list[dict[str, Any]]:
    return [{"key": key.replace("__", "."), "value": typed(value)} for key, value in values.items()]


def typed(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [typed(v) for v in value]}}
        case _:
            return {"stringValue": str(value)}


def span(
    found: list[dict[str, Any]], events: list[dict[str, Any]] | None = None, **other: Any
) -> dict[str, Any]:
    inner = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat m-1",
        "attributes": found,
        "events": events or [],
    }
    inner |= {"startTimeUnixNano": str(START), "endTimeUnixNano": str(END)} | other
    resource = {"attributes": attributes(service__name="shop")}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [inner]}]}]}


def logs(found: list[dict[str, Any]], **other: Any) -> dict[str, Any]:
    record = {"timeUnixNano": str(END), "attributes": found} | other
    return {"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": [record]}]}]}


COMMON = {
    "gen_ai__operation__name": "chat",
    "gen_ai__provider__name": "acme",
    "gen_ai__request__temperature": 0.5,
    "gen_ai__response__model": "m-1",
    "gen_ai__response__finish_reasons": ["stop"],
    "gen_ai__conversation__id": "c-7",
    "gen_ai__usage__input_tokens": 12,
    "gen_ai__usage__output_tokens": 2,
    "user__id": "u-17",
}
EVALUATION = attributes(
    gen_ai__evaluation__name="correctness",
    gen_ai__evaluation__score__value=0.9,
    gen_ai__evaluation__score__label="good",
    gen_ai__evaluation__explanation="a river",
)
OTLP = span(
    attributes(
        **COMMON,
        gen_ai__system_instructions=json.dumps([{"type": "text", "content": SYSTEM}]),
        gen_ai__input__messages=json.dumps([{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]),
        gen_ai__output__messages=json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": SAID}], "finish_reason": "stop"}]
        ),
    ),
    [{"name": "gen_ai.evaluation.result", "timeUnixNano": str(END), "attributes": EVALUATION}],
)
OLDER = span(
    attributes(**{k.replace("provider__name", "system"): v for k, v in COMMON.items()}),
    [
        {"name": "gen_ai.system.message", "attributes": attributes(content=SYSTEM)},
        {"name": "gen_ai.user.message", "attributes": attributes(content=ASKED)},
        {"name": "gen_ai.choice", "attributes": attributes(message=json.dumps({"content": SAID}), index=0)},
    ],
)
DETAILS = logs(
    attributes(
        **COMMON,
        gen_ai__system_instructions=json.dumps([{"type": "text", "content": SYSTEM}]),
        gen_ai__input__messages=json.dumps([{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]),
        gen_ai__output__messages=json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": SAID}]}]
        ),
    ),
    eventName="gen_ai.client.inference.operation.details",
    traceId=TRACE,
    spanId=SPAN,
)
INFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "m-1",
    "llm.invocation_parameters": '{"temperature": 0.5}',
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": SYSTEM,
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": ASKED,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": SAID,
    "llm.token_count.prompt": 12,
    "llm.token_count.completion": 2,
    "llm.finish_reason": "stop",
    "session.id": "c-7",
    "user.id": "u-17",
    "annotations.0.annotation.name": "correctness",
    "annotations.0.annotation.score": 0.9,
    "annotations.0.annotation.label": "good",
    "annotations.0.annotation.explanation": "a river",
    "annotations.0.annotation.annotator_kind": "HUMAN",
}
OPENINFERENCE = span(attributes(**{k.replace(".", "__"): v for k, v in INFERENCE.items()}))
PHOENIX = {
    "name": "chat",
    "span_kind": "LLM",
    "context": {"trace_id": TRACE, "span_id": SPAN},
    "start_time": "2025-11-24T16:00:00+00:00",
    "end_time": "2025-11-24T17:00:01.500000+01:00",
    "attributes": {
        "llm": {
            "model_name": "m-1",
            "invocation_parameters": '{"temperature": 0.5}',
            "input_messages": [
                {"message": {"role": "system", "content": SYSTEM}},
                {"message": {"role": "user", "content": ASKED}},
            ],
            "output_messages": [{"message": {"role": "assistant", "content": SAID}}],
            "token_count": {"prompt": 12, "completion": 2},
            "finish_reason": "stop",
        },
        "session": {"id": "c-7"},
        "user": {"id": "u-17"},
        "annotations": [{"annotation": {"name": "correctness", "score": 0.9, "label": "good"}}],
    },
}
PROMPT = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASKED}]
OBSERVATION = {
    "id": "o-1",
    "trace_id": "t-1",
    "project_id": "p",
    "type": "GENERATION",
    "start_time": "2025-11-24 16:00:00.000000",
    "end_time": "2025-11-24 16:00:01.500000",
    "provided_model_name": "m-1",
    "model_parameters": {"temperature": 0.5},
    "input": json.dumps(PROMPT),
    "output": json.dumps({"role": "assistant", "content": SAID}),
    "usage_details": {"input": 12, "output": 2},
    "cost_details": {"total": 0.003},
    "user_id": "u-17",
    "session_id": "c-7",
    "trace_name": "shop",
}
SCORE = {
    "id": "s-1",
    "trace_id": "t-1",
    "observation_id": "o-1",
    "name": "correctness",
    "value": 0.9,
    "string_value": "good",
    "data_type": "NUMERIC",
    "source": "ANNOTATION",
    "comment": "a river",
    "timestamp": "2025-11-24 16:10:00.000000",
}
LANGFUSE_TRACE = {
    "id": "t-1",
    "timestamp": "2025-11-24T16:00:00.000Z",
    "name": "shop",
    "userId": "u-17",
    "sessionId": "c-7",
    "observations": [
        {
            "id": "o-1",
            "type": "GENERATION",
            "startTime": "2025-11-24T16:00:00.000Z",
            "endTime": "2025-11-24T16:00:01.500Z",
            "model": "m-1",
            "modelParameters": {"temperature": 0.5},
            "input": PROMPT,
            "output": {"role": "assistant", "content": SAID},
            "usageDetails": {"input": 12, "output": 2},
            "calculatedTotalCost": 0.003,
        }
    ],
    "scores": [
        {"id": "s-1", "name": "correctness", "value": 0.9, "stringValue": "good", "comment": "a river"}
    ],
}
REQUEST = {"model": "m-1", "messages": PROMPT, "temperature": 0.5, "user": "u-17"}
RESPONSE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_764_000_000,
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14},
}
BESIDE = {"conversation_id": "c-7", "latency_ms": 1500, "feedback": {"score": 0.9, "comment": "a river"}}
OPENAI = {"request": REQUEST, "response": RESPONSE, **BESIDE}
STORED = {**RESPONSE, "messages": PROMPT, "temperature": 0.5, "metadata": {"user_id": "u-17"}, **BESIDE}
FLYWHEEL = {"timestamp": 1_764_000_000, "workload_id": "shop", "client_id": "u-17", **OPENAI}
PLAIN = {
    "id": "7",
    "time": "2025-11-24T16:00:00Z",
    "messages": [*PROMPT, {"role": "assistant", "content": SAID}],
    "model": "m-1",
    "user_id": "u-17",
    "conversation_id": "c-7",
    "workload": "shop",
    "temperature": 0.5,
    "prompt_tokens": 12,
    "output_tokens": 2,
    "latency": 1.5,
    "cost": 0.003,
    "finish_reason": "stop",
    "rating": 0.9,
    "comment": "a river",
}

SAMPLES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "otlp": ("otlp", [OTLP]),
    "otlp before 1.37": (
        "otlp",
        [OLDER, logs(EVALUATION, eventName="gen_ai.evaluation.result", traceId=TRACE, spanId=SPAN)],
    ),
    "otlp log records": (
        "otlp",
        [DETAILS, logs(EVALUATION, eventName="gen_ai.evaluation.result", traceId=TRACE, spanId=SPAN)],
    ),
    "openinference in otlp": ("otlp", [OPENINFERENCE]),
    "openinference of phoenix": ("openinference", [PHOENIX]),
    "langfuse blobs": ("langfuse", [SCORE, OBSERVATION]),
    "langfuse api": ("langfuse", [LANGFUSE_TRACE]),
    "openai": ("openai", [OPENAI]),
    "openai stored": ("openai", [STORED]),
    "flywheel": ("flywheel", [FLYWHEEL]),
    "jsonl": ("jsonl", [PLAIN]),
}
"""Each sample: the format that is to be recognised, and its objects."""
