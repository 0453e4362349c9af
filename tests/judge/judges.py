"""Judges against a loopback server, as the tests want them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judge.batch_judge import BatchJudge
from judge.chat_judge import ChatJudge
from judge.frames import keyed_frame
from judge.http_judge import HttpJudge
from judge.messages_api import MessagesChat
from judge.openai_api import OpenAIChat
from judge.prices import PRICES
from judge.settings import ServiceSettings
from judge.verdict import content_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    import pytest

    from judge.batch_journal import Note
    from judge.protocol import Judge
    from judge.rubric import Rubric
    from judge.verdict import Item, Verdict

QUICK = ServiceSettings(max_wait=0.01, timeout=5.0)
MODEL = "claude-haiku-5-5"


class Journal:
    """Notes about batches in memory."""

    def __init__(self) -> None:
        self.notes: dict[str, Note] = {}

    def open(self, judge: str) -> list[Note]:
        return [note for note in self.notes.values() if note.judge == judge and not note.over]

    def batches(self) -> set[str]:
        return {note.batch for note in self.notes.values()} - {""}

    def put(self, note: Note) -> None:
        self.notes[note.attempt] = note


def key(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def judge_at(
    url: str,
    rubric: Rubric,
    monkeypatch: pytest.MonkeyPatch,
    kind: str = "anthropic",
    settings: ServiceSettings = QUICK,
    model: str = MODEL,
) -> Judge:
    """A judge of a kind that asks a server at this address."""
    key(monkeypatch, url)
    if kind == "http":
        return HttpJudge(f"{url}/judge", model, settings)
    if kind == "openai":
        return ChatJudge("openai", rubric, OpenAIChat(model, f"{url}/v1", settings), PRICES)
    return ChatJudge("anthropic", rubric, MessagesChat(model, settings), PRICES)


def batch_judge_at(
    url: str,
    rubric: Rubric,
    monkeypatch: pytest.MonkeyPatch,
    journal: Journal,
    settings: ServiceSettings = QUICK,
) -> BatchJudge:
    """A batch judge that asks a server at this address."""
    key(monkeypatch, url)
    return BatchJudge(rubric, MessagesChat(MODEL, settings), PRICES, journal)


def all_of(judge: Judge, items: Sequence[Item]) -> dict[str, Verdict]:
    """Verdicts by item."""
    return {verdict.item_id: verdict for arrived in judge.verdicts(items) for verdict in arrived}


def verdict_frame(verdicts: Sequence[Verdict], items: Sequence[Item]) -> pl.DataFrame:
    """Verdicts, and for each the item that it is about, as a frame with content keys."""
    pairs = zip(verdicts, items, strict=True)
    return keyed_frame((content_key(item, v.judge_id, v.repeat), v) for v, item in pairs)
