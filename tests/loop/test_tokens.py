"""Tokens are counted as training encodes and packs; the command's figures are those of a plain count."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from curation.errors import UserError
from curation.intake import read_file
from curation.rows import plain
from loop import tokens
from loop.tokens import count_tokens
from tests.loop.byhand import write_lines
from tests.loop.commands import ENVIRONMENT, session
from tests.tiny import build_tiny_model, build_tokenizer
from training.encode import encode
from training.pack import pack

if TYPE_CHECKING:
    from pathlib import Path

POLICY = "You answer help desk messages with the team's name alone: cards, accounts, travel or none. "
LIMIT, BATCH = 90, 4


def chats() -> list[dict[str, Any]]:
    asked = [POLICY + "my card was declined " * (1 + n % 5) for n in range(23)]
    rows: list[dict[str, Any]] = [{"prompt": text, "response": f"cards {n}"} for n, text in enumerate(asked)]
    rows[7] = {"prompt": "travel " * 60, "response": "travel"}
    rows[11] = {"prompt": "book", "response": "a flight " * 40}
    return rows


def by_hand(path: Path) -> dict[str, Any]:
    """One row after the other, by the functions that training calls."""
    tokenizer = build_tokenizer()
    found = [encode(tokenizer, plain(m), 10**6) for m in read_file(path).rows["messages"].to_list()]
    rows = [row for row in found if row is not None]
    whole = [len(row.ids) for row in rows]
    fit = [row for row in rows if len(row.ids) <= LIMIT]
    batches = [fit[i : i + BATCH] for i in range(0, len(fit), BATCH)]
    ordered = sorted(fit, key=lambda row: len(row.ids))
    by_length = [ordered[i : i + BATCH] for i in range(0, len(fit), BATCH)]
    return {
        "prompt": [len(row.prompt_ids) for row in rows],
        "answer": [len(row.answer_ids) for row in rows],
        "whole": whole,
        "padded": [sum(len(b) * max(len(r.ids) for r in b) for b in way) for way in (batches, by_length)],
        "real": sum(len(row.ids) for row in fit),
        "shared": sum(one.input_ids.numel() for b in batches for one in pack(b)),
    }


def test_the_counts_are_those_of_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CHUNK", 5)  # so that chunks and batches end at different rows
    path = write_lines(tmp_path / "rows.jsonl", chats())
    told: list[tuple[int, int]] = []
    rows, expected = read_file(path).rows, by_hand(path)
    counts = count_tokens(
        rows, build_tokenizer(), max_length=LIMIT, batch_size=BATCH, progress=lambda *n: told.append(n)
    )
    assert counts.prompt.tolist() == expected["prompt"]
    assert counts.answer.tolist() == expected["answer"]
    assert counts.shared == expected["shared"]
    assert told == [(n, 23) for n in (5, 10, 15, 20, 23)]


def test_a_row_that_cannot_be_trained_on_is_named(tmp_path: Path) -> None:
    tokenizer = build_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    )
    system = [
        {"role": "system", "content": "s"},
        *({"role": r, "content": "a"} for r in ("user", "assistant")),
    ]
    path = write_lines(tmp_path / "rows.jsonl", [{"messages": system[1:]}, {"messages": system}])
    with pytest.raises(UserError, match="the model's chat template refuses") as caught:
        count_tokens(read_file(path).rows, tokenizer, max_length=9, batch_size=2, progress=lambda *_: None)
    assert caught.value.where == "rows.jsonl:2"


def test_the_report_as_a_user_meets_it(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", chats())
    expected = by_hand(path)
    with path.open("a", encoding="utf8") as stream:
        stream.write('no\n{"prompt": "a", "response": 5}\n')
    model = build_tiny_model(tmp_path / "tiny")
    command = ["curate", "tokens", path, "--tokenizer", model, "--max-length", LIMIT, "--batch-size", BATCH]
    told, as_json = session(command, [*command, "--json"])
    assert (told.code, as_json.code) == (0, 0)
    report = json.loads(as_json.out)
    assert (report["rows"], report["rejected"], report["unanswered"]) == (23, 2, 0)
    for part in ("prompt", "answer", "whole"):
        assert report[part]["mean"] == pytest.approx(statistics.mean(expected[part]))
        assert (report[part]["median"], report[part]["max"]) == (
            statistics.median(expected[part]), max(expected[part])
        )  # fmt: skip
    over = sorted(((n, i) for i, n in enumerate(expected["whole"]) if n > LIMIT), key=lambda e: (-e[0], e[1]))
    assert report["over"] == len(over)
    worst = [{"source": str(path), "line": i + 1, "tokens": n} for n, i in over[:5]]
    assert report["worst"] == worst
    in_order, by_length, _, shared = report["layouts"]
    assert [in_order["tokens"], by_length["tokens"]] == expected["padded"]
    assert in_order["padding"] == pytest.approx(1 - expected["real"] / expected["padded"][0])
    assert shared["tokens"] == expected["shared"]
    assert f"{path}:{worst[0]['line']}: {worst[0]['tokens']} tokens" in told.out
    assert "2 lines are no rows, and are not counted" in told.out
    assert "#" * 40 in told.out
    assert f"count tokens of 23 rows\n  {sum(expected['whole'])} tokens\n" in told.err


def test_rows_without_answers_and_what_is_no_tokenizer(tmp_path: Path) -> None:
    prompts = write_lines(tmp_path / "prompts.jsonl", [{"prompt": "a"}])
    mixed = [{"messages": [{"role": "user", "content": "a"}]}, {"messages": by_role("user", "assistant")}]
    path = write_lines(tmp_path / "mixed.jsonl", mixed)
    build_tokenizer().save_pretrained(tmp_path / "tok")
    none, some, wrong, usage = session(
        ["curate", "tokens", prompts, "--tokenizer", tmp_path / "tok"],
        ["curate", "tokens", path, "--tokenizer", tmp_path / "tok" / "tokenizer.json"],
        ["curate", "tokens", path, "--tokenizer", tmp_path],
        ["curate", "tokens", path, "--max-length", 0],
    )
    assert (none.code, some.code, wrong.code, usage.code) == (1, 0, 1, 2)
    assert f"error: {prompts}: no row ends with an answer" in none.err
    assert "1 rows have no answer, and are not counted" in some.out
    assert f"error: {tmp_path}: the tokenizer cannot be read" in wrong.err


def by_role(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": "a"} for role in roles]


@pytest.mark.parametrize(("lacking", "code"), [("transformers", 1), ("torch", 0)])
def test_it_needs_transformers_and_says_so_but_no_torch(lacking: str, code: int, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", chats())
    build_tokenizer().save_pretrained(tmp_path / "tok")
    start = f"import sys; sys.modules[{lacking!r}] = None; from loop.cli import main; main()"
    command = [sys.executable, "-c", start, "curate", "tokens", path, "--tokenizer", tmp_path / "tok"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert ("fix: pip install 'regrind[train]'" in done.stderr) == (code == 1)
    assert ("23 rows, tokenizer " in done.stdout) == (code == 0)
