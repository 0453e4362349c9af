"""`regrind curate shape` as a user meets it: templates from a file or from regrind.toml, and stages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from loop.config import load_config
from tests.loop.byhand import write_lines
from tests.loop.commands import lines, session

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"prompt": "{x} %s", "response": "a", "tags": ["sum"]}, {"prompt": "Hi", "response": "b"}]
TEMPLATES = """
[[template]]
name = "ask"
prefix = "[ask] "
examples = [{prompt = "Hi", answer = "b"}]
stage = "task"

[[template]]
name = "tagged"
user = "{task}: {prompt}"
"""


def test_prompts_are_put_into_a_template_and_tagged_with_a_stage(tmp_path: Path) -> None:
    source, toml = write_lines(tmp_path / "in.jsonl", ROWS), tmp_path / "regrind.toml"
    toml.write_text(TEMPLATES, encoding="utf8")
    assert [t.name for t in load_config(toml).template] == ["ask", "tagged"]
    shape, ask = ["curate", "shape", source, "-o"], ["--template", f"{toml}:ask"]
    done, staged, both = session(
        [*shape, tmp_path / "a.jsonl", *ask, "--json"],
        [*shape, tmp_path / "b.jsonl", "--stage", "general"],
        [*shape, tmp_path / "c.jsonl", *ask, "--stage", "domain"],
    )
    assert (done.code, staged.code, both.code) == (0, 0, 0)
    assert json.loads(done.out) == {"rows": 2, "template": "ask", "stage": "task", "replaced": 0, "spared": 1}
    first, second = lines(tmp_path / "a.jsonl")
    assert [m["content"] for m in first["messages"]] == ["[ask] Hi", "b", "[ask] {x} %s", "a"]
    assert [m["content"] for m in second["messages"]] == ["[ask] Hi", "b"]
    assert [r["tags"] for r in (first, second)] == [["sum", "stage:task"], ["stage:task"]]
    assert [r["tags"] for r in lines(tmp_path / "b.jsonl")] == [["sum", "stage:general"], ["stage:general"]]
    assert lines(tmp_path / "b.jsonl")[0]["messages"][0]["content"] == "{x} %s"
    assert lines(tmp_path / "c.jsonl")[1]["tags"] == ["stage:domain"]
    assert "next: regrind curate tokens" in both.err


def test_what_is_wrong_is_a_message_and_writes_nothing(tmp_path: Path) -> None:
    source, toml = write_lines(tmp_path / "in.jsonl", ROWS), tmp_path / "t.toml"
    toml.write_text(TEMPLATES, encoding="utf8")
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a", "response": "b"}\nno\n', encoding="utf8")
    before = sorted(tmp_path.iterdir())
    shape, out = ["curate", "shape"], ["-o", tmp_path / "out.jsonl"]
    done = session(
        [*shape, source, *out, "--template", f"{toml}:tagged"],
        [*shape, source, *out, "--template", toml],
        [*shape, tmp_path / "bad.jsonl", *out, "--stage", "task"],
        [*shape, source, "-o", toml, "--template", f"{toml}:ask"],
        [*shape, source, *out],
        [*shape, source, *out, "--stage", "a b"],
    )
    assert [(d.code, d.out) for d in done] == [(code, "") for code in (1, 1, 1, 1, 2, 2)]
    assert f"error: {source}:2: this row lacks the field 'task' of template 'tagged'\n  fix: " in done[0].err
    assert f"as in {toml}:ask" in done[1].err
    assert f"error: {tmp_path / 'bad.jsonl'}:2: not a row" in done[2].err
    assert f"error: {toml}: this file would be read and written" in done[3].err
    assert sorted(tmp_path.iterdir()) == before
