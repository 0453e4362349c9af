"""Every fault of a service and what becomes of an item that meets it; docs/judge.md shows them as a table."""

from __future__ import annotations

import json
from typing import NamedTuple

from tests.judge.loopback import Reply, Said, completion, error, grades, message

RIGHT = {"verdict": "right", "categories": "partly"}
GOOD = grades(**RIGHT)
TEXT = GOOD.text
MAX_WAIT = 30.0
TIMEOUT = 0.4
ALL = ("anthropic", "openai", "http")
MODELS = ("anthropic", "openai")
CLAUDE, OPENAI, HTTP = ("anthropic",), ("openai",), ("http",)


class Fault(NamedTuple):
    """One fault.

    Attributes:
        name: What goes wrong.
        script: What the server answers, the last for ever.
        requests: How often it is asked in all, probe and plain request of `openai` not counted.
        waits: How long is waited in between: `jitter`, `7 s` as asked, `30 s` the bound; empty for no wait.
        state: The item's state; `stops` when the run ends with the fix.
        judges: Who meets it.
    """

    name: str
    script: list[Reply | Said]
    requests: int
    waits: str
    state: str
    judges: tuple[str, ...] = ALL


def said(**how: object) -> Said:
    return Said(TEXT, how=how)


def scored(value: object) -> Reply:
    """What a judge server answers."""
    return Reply(body=json.dumps({"score": value, "reason": "because"}).encode())


HTML = Reply(body=b"<html>hello</html>", headers={"content-type": "text/html"})

FAULTS = [
    Fault("400 for everything", [error(400)], 1, "", "stops"),
    Fault("400 for this item alone", [error(400), GOOD], 1, "", "failed", CLAUDE + HTTP),
    Fault("401 wrong key", [error(401)], 1, "", "stops"),
    Fault("402 no credit", [error(402)], 1, "", "stops"),
    Fault("403 for everything", [error(403)], 1, "", "stops"),
    Fault("403 for this item alone", [error(403), GOOD], 1, "", "failed"),
    Fault("404 no such model or address", [error(404)], 1, "", "stops"),
    Fault("408, then an answer", [error(408), GOOD], 2, "jitter", "scored"),
    Fault("409, then an answer", [error(409), GOOD], 2, "jitter", "scored"),
    Fault("413 too large", [error(413)], 1, "", "failed"),
    Fault("422 for everything", [error(422)], 1, "", "stops"),
    Fault("429, then an answer", [error(429), GOOD], 2, "jitter", "scored"),
    Fault("429 for ever", [error(429)], 8, "jitter", "failed"),
    Fault("429 with retry-after 7", [error(429, retry_after="7"), GOOD], 2, "7 s", "scored"),
    Fault("429 with retry-after 3600", [error(429, retry_after="3600"), GOOD], 2, "30 s", "scored"),
    Fault("429 with retry-after soon", [error(429, retry_after="soon"), GOOD], 2, "jitter", "scored"),
    Fault("429 with retry-after -5", [error(429, retry_after="-5"), GOOD], 2, "jitter", "scored"),
    Fault("500, then an answer", [error(500), GOOD], 2, "jitter", "scored"),
    Fault("500 for ever", [error(500)], 8, "jitter", "failed"),
    Fault("500, then 413", [error(500), error(413)], 2, "jitter", "failed"),
    Fault("502 with HTML, then an answer", [Reply(502, b"<html>bad gateway"), GOOD], 2, "jitter", "scored"),
    Fault("503, then an answer", [error(503), GOOD], 2, "jitter", "scored"),
    Fault("529, then an answer", [error(529), GOOD], 2, "jitter", "scored"),
    Fault("529 for ever", [error(529)], 8, "jitter", "failed"),
    Fault("301 to somewhere else", [Reply(301, headers={"location": "/other"})], 1, "", "stops"),
    Fault("reset in the body, then an answer", [Reply(body=b'{"con', cut=True), GOOD], 2, "jitter", "scored"),
    Fault("reset in the body, for ever", [Reply(body=b'{"con', cut=True)], 8, "jitter", "failed"),
    Fault("body without end, then an answer", [Reply(endless=True), GOOD], 2, "jitter", "scored"),
    Fault("body without end, for ever", [Reply(endless=True)], 8, "jitter", "failed"),
    Fault("first byte after 0.6 of the timeout", [said(late=0.6 * TIMEOUT)], 1, "", "scored"),
    Fault("no first byte in time, then an answer", [Reply(hold=True), GOOD], 2, "jitter", "scored"),
    Fault("200 with HTML", [HTML], 1, "", "unparsable"),
    Fault("200 with nothing", [Reply()], 1, "", "unparsable"),
    Fault("200 with another JSON", [Reply(body=b'{"ok": true}')], 1, "", "unparsable"),
    Fault("200 with a list", [Reply(body=b"[]")], 1, "", "unparsable"),
    Fault("200 with an error in it", [Reply(body=error(500).body)], 1, "", "unparsable"),
    Fault("200 with bad UTF-8", [Reply(body=b'{"content": "\xff"}')], 1, "", "unparsable"),
    Fault("200 nested 100,000 deep", [Reply(body=b'{"x":' + b"[" * 100_000)], 1, "", "unparsable"),
    Fault("content empty", [message("", content=[])], 1, "", "unparsable", CLAUDE),
    Fault("content null", [message("", content=None)], 1, "", "unparsable", CLAUDE),
    Fault("content a string", [message("", content=TEXT)], 1, "", "unparsable", CLAUDE),
    Fault(
        "text in two blocks, both whole",
        [message("", content=[{"type": "text", "text": TEXT}] * 2)],
        1,
        "",
        "unparsable",
        CLAUDE,
    ),
    Fault("choices empty", [completion("", choices=[])], 1, "", "unparsable", OPENAI),
    Fault("content null", [completion(None)], 1, "", "unparsable", OPENAI),
    Fault(
        "content in parts",
        [completion([{"type": "text", "text": TEXT[:9]}, {"type": "text", "text": TEXT[9:]}])],
        1,
        "",
        "scored",
        OPENAI,
    ),
    Fault("content a number", [completion(5)], 1, "", "unparsable", OPENAI),
    Fault("no usage", [message(TEXT, usage=None)], 1, "", "scored", CLAUDE),
    Fault("no usage", [completion(TEXT, usage=None)], 1, "", "scored", OPENAI),
    Fault("text empty", [Said("")], 1, "", "unparsable", MODELS),
    Fault("cut at the limit of tokens", [Said(TEXT, "cut")], 1, "", "truncated", MODELS),
    Fault(
        "context window exceeded",
        [message(TEXT, "model_context_window_exceeded")],
        1,
        "",
        "truncated",
        CLAUDE,
    ),
    Fault("refusal", [Said(TEXT, "refused")], 1, "", "refused", MODELS),
    Fault("refusal without content", [message("", "refusal", content=None)], 1, "", "refused", CLAUDE),
    Fault("stopped for another reason", [Said(TEXT, "odd")], 1, "", "unparsable", MODELS),
    Fault("no stop reason", [message(TEXT, None)], 1, "", "unparsable", CLAUDE),
    Fault("no stop reason", [completion(TEXT, None)], 1, "", "unparsable", OPENAI),
    Fault("prose", [Said("The answer is wrong. I give it 1 of 10.")], 1, "", "unparsable", MODELS),
    Fault("prose around the JSON", [Said(f"Here you are: {TEXT}")], 1, "", "unparsable", MODELS),
    Fault("JSON in a code fence", [Said(f"```json\n{TEXT}\n```")], 1, "", "scored", MODELS),
    Fault(
        "JSON in a code fence with JSON in capitals", [Said(f"```JSON\n{TEXT}\n```")], 1, "", "scored", MODELS
    ),
    Fault(
        "thoughts before the JSON", [Said(f"<think>Is {{}} it?\n</think>\n{TEXT}")], 1, "", "scored", MODELS
    ),
    Fault("thoughts without an end", [Said(f"<think>{TEXT}")], 1, "", "unparsable", MODELS),
    Fault("prose after the thoughts", [Said(f"<think></think>So: {TEXT}")], 1, "", "unparsable", MODELS),
    Fault("two fences", [Said(f"```json\n{TEXT}\n```\n```json\n{TEXT}\n```")], 1, "", "unparsable", MODELS),
    Fault("two JSON objects", [Said(TEXT + TEXT)], 1, "", "unparsable", MODELS),
    Fault("a key twice", [Said(TEXT[:-1] + ', "feedback": "other"}')], 1, "", "unparsable", MODELS),
    Fault(
        "a grade twice",
        [Said(TEXT.replace('{"verdict"', '{"verdict": "wrong", "verdict"'))],
        1,
        "",
        "unparsable",
        MODELS,
    ),
    Fault("JSON cut short", [Said(TEXT[:-5])], 1, "", "unparsable", MODELS),
    Fault("text nested 100,000 deep", [Said('{"feedback":' + "[" * 100_000)], 1, "", "unparsable", MODELS),
    Fault("JSON of another schema", [Said('{"score": 0.9}')], 1, "", "unparsable", MODELS),
    Fault("a field too many", [Said(TEXT[:-1] + ', "score": 1}')], 1, "", "unparsable", MODELS),
    Fault("no reasoning", [Said(json.dumps({"grades": RIGHT}))], 1, "", "unparsable", MODELS),
    Fault("empty reasoning", [grades(" ", **RIGHT)], 1, "", "unparsable", MODELS),
    Fault(
        "reasoning in another language",
        [grades("Die Einstufung stimmt. 正确。", **RIGHT)],
        1,
        "",
        "scored",
        MODELS,
    ),
    Fault(
        "grades in another language",
        [grades(verdict="richtig", categories="richtig")],
        1,
        "",
        "unparsable",
        MODELS,
    ),
    Fault(
        "grade outside the scale",
        [grades(verdict="splendid", categories="right")],
        1,
        "",
        "unparsable",
        MODELS,
    ),
    Fault("grade a number for a word", [grades(verdict=1, categories="right")], 1, "", "unparsable", MODELS),
    Fault("grade true", [grades(verdict=True, categories="right")], 1, "", "unparsable", MODELS),
    Fault("grade NaN", [grades(verdict=float("nan"), categories="right")], 1, "", "unparsable", MODELS),
    Fault("grade null", [grades(verdict=None, categories="right")], 1, "", "unparsable", MODELS),
    Fault("a grade missing", [grades(verdict="right")], 1, "", "unparsable", MODELS),
    Fault("a criterion invented", [grades(**RIGHT, charm="right")], 1, "", "unparsable", MODELS),
    Fault("score a string", [scored("0.9")], 1, "", "unparsable", HTTP),
    Fault("score outside the scale", [scored(7)], 1, "", "unparsable", HTTP),
    Fault("score NaN", [scored(float("nan"))], 1, "", "unparsable", HTTP),
    Fault("score true", [scored(True)], 1, "", "unparsable", HTTP),
    Fault("score null: the server declines", [scored(None)], 1, "", "refused", HTTP),
    Fault("no reason", [Reply(body=b'{"score": 1}')], 1, "", "unparsable", HTTP),
    Fault("score twice", [Reply(body=b'{"score": 1, "score": 0, "reason": "x"}')], 1, "", "unparsable", HTTP),
    Fault(
        "prose around the JSON", [Reply(body=b'Here: {"score": 1, "reason": "x"}')], 1, "", "unparsable", HTTP
    ),
]

BATCH_FAULTS = {
    "succeeded": "scored",
    "errored": "failed",
    "canceled": "failed",
    "expired": "failed",
    "missing": "failed",
    "twice": "scored",
    "beside ids that nobody asked for": "scored",
}
"""State of an item by what a batch says about it; of two results for one item the first counts."""
