"""Findings say where and what; settings and the kind of rows say which rules are asked."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from curation.errors import UserError
from curation.rows import answer_text, frame, make_row, prompt_text
from curation.rules import RULES, Settings
from curation.validate import FINDINGS, in_words, validate, validate_together

SPACES = " \n\xa0"


def chat(prompt: str = "How do fish breathe?", answer: str = "With gills.", **more) -> dict:
    return talk(("user", prompt), ("assistant", answer), **more)


def talk(*turns: tuple[str, ...], **more) -> dict:
    keys = ("role", "content", "extra")
    return make_row([dict(zip(keys, turn, strict=False)) for turn in turns], source="s", **more)


def test_a_finding_says_where_and_what_to_do():
    rows = frame([chat(line=i) for i in range(1, 12)] + [chat("", "", line=12)])
    findings = validate(rows)
    assert findings["code"].to_list() == ["S002", "R101", "R102"]
    assert findings.select("source", "line", "level").row(1) == ("s", 12, "error")
    assert findings["row_id"].to_list() == [None, rows["id"][-1], rows["id"][-1]]
    assert all(findings["fix"])


def test_findings_come_in_the_order_of_the_lines():
    rows = [chat(f"Prompt {i}\x07", "" if i % 2 else "x", line=i) for i in (5, 3, 120, 4)]
    found = validate(frame(rows)).filter(code="S001", level="error")
    assert found["detail"].to_list() == ["4 rows; at least 10 are needed"]
    lines = validate(frame(rows))["line"].to_list()[1:]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("count", "code"), [(0, "S001"), (9, "S001"), (10, "S002"), (99, "S002"), (100, None)]
)
def test_the_size_of_the_file_is_judged(count, code):
    rows = frame(chat(f"Name the {i}th prime number", f"{i}", line=i) for i in range(count))
    assert validate(rows)["code"].to_list() == ([code] if code else [])


def test_the_kind_of_rows_says_which_rules_are_asked():
    rows = frame(
        [
            talk(("user", "Hello"), line=1),
            talk(("user", "a\x07"), line=2),
            talk(("user", ""), line=3),
            chat("Who?", "I don't know.", line=4),
        ]
    )

    def found(kind: str) -> list[str]:
        return validate(rows, kind=kind)["code"].to_list()

    assert found("prompts") == ["S001", "R402", "R101"]
    assert found("evaluation") == ["S001", "R103", "R103", "R402", "R101", "R103"]
    assert found("train") == ["S001", "R103", "R103", "R402", "R101", "R103", "R301"]


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        (Settings(), ["S001", "R102", "R301", "R403"]),
        (Settings(select=("R3", "R102")), ["R102", "R301"]),
        (Settings(ignore=("S", "R403")), ["R102", "R301"]),
        (Settings(select=("R",), ignore=("R1",)), ["R301", "R403"]),
        (Settings(min_rows=3), ["S002", "R102", "R301", "R403"]),
        (Settings(min_rows=2, advised_rows=3), ["R102", "R301", "R403"]),
        (Settings(select=("R2",), max_tokens=10), ["R201"]),
        (Settings(select=("R2",), max_characters=40), ["R202"]),
    ],
)
def test_settings_choose_rules_and_limits(settings, codes):
    rows = frame(
        [chat("1?", "", line=1), chat("2?", "N/A", line=2), chat(answer="```\nx = 1 + 2 + 3 + 4", line=3)]
    )
    assert validate(rows, settings=settings)["code"].to_list() == codes


def test_the_longest_code_that_fits_sets_the_level():
    rows = frame([chat(answer="N/A", line=1), chat("x?", "```\nx", line=2)])
    levels = {"R": "info", "R301": "error", "S00": "warning"}
    found = validate(rows, settings=Settings(levels=levels))
    assert found.select("code", "level").rows() == [("S001", "warning"), ("R301", "error"), ("R403", "info")]


@pytest.mark.parametrize("field", ["select", "ignore", "levels"])
@pytest.mark.parametrize("code", ["R9", "r301", "", "R3011"])
def test_a_code_that_no_rule_has_is_refused(field, code):
    settings = Settings(**{field: {code: "error"} if field == "levels" else (code,)})
    with pytest.raises(UserError, match="no rule has the code") as error:
        validate(frame([chat()]), settings=settings)
    assert error.value.where == f"rules.{field}"


def test_files_are_judged_alone_and_then_against_each_other():
    one = frame([chat(f"Question {i}?", f"{i}.", line=i) for i in range(20)])
    two = frame([chat("Question 7?", "8.", line=1) | {"source": "two"}])
    found = validate_together([one, two])
    assert found.select("code", "source", "line", "detail").rows() == [
        ("S002", "s", None, "20 rows; 100 or more are advised"),
        ("S001", "two", None, "1 rows; at least 10 are needed"),
        ("R502", "two", 1, "also at s:7"),
    ]


def test_a_finding_in_words():
    (of_file, of_row) = validate(frame([chat("Why?\x07", line=3)])).iter_rows(named=True)
    assert in_words(of_file, "a.jsonl") == "a.jsonl: error: S001 too few rows: 1 rows; at least 10 are needed"
    assert in_words(of_file) == "s: error: S001 too few rows: 1 rows; at least 10 are needed"
    assert in_words({**of_file, "source": None}).startswith("error: S001 too few rows")
    assert in_words(of_row) == "s:3: error: R402 control characters"


words = st.text(alphabet=st.sampled_from("ab 1.?\n`{\x07é\xa0Ãжが漢\U0001f600"), max_size=40)
turns = st.tuples(
    st.sampled_from(["system", "user", "assistant", "tool", "bot"]), words | st.just("ab ab " * 40)
)
chats = st.lists(st.lists(turns, min_size=1, max_size=5), max_size=8)


@settings_of(max_examples=40, deadline=None)
@given(chats, st.sampled_from(["train", "prompts", "evaluation"]))
def test_every_rule_answers_for_itself_on_any_rows(rows, kind):
    table = frame(talk(*row, line=i, tags=["t"]) for i, row in enumerate(rows * 5))
    found = validate(table, kind=kind)
    alone = [validate(table, kind=kind, settings=Settings(select=(rule.code,))) for rule in RULES]
    assert sorted(found.rows(), key=str) == sorted(pl.concat(alone).rows(), key=str)
    assert found.schema == FINDINGS
    assert not found.select("code", "row_id", "line").is_duplicated().any()
    assert set(found["row_id"].drop_nulls()) <= set(table["id"])


@settings_of(deadline=None)
@given(st.lists(st.lists(turns, min_size=1, max_size=5), min_size=1, max_size=8))
def test_turn_rules_agree_with_the_plain_reading_of_them(rows):
    table = frame(talk(*row, line=i) for i, row in enumerate(rows))
    found = set(
        validate(table, settings=Settings(select=("R101", "R102", "R103", "R106")))
        .select("line", "code")
        .rows()
    )
    for line, messages in enumerate(table["messages"].to_list()):
        last = messages[-1]["role"] == "assistant"
        assert ((line, "R101") in found) == (not prompt_text(messages).strip(SPACES))
        assert ((line, "R102") in found) == (last and not answer_text(messages).strip(SPACES))
        assert ((line, "R103") in found) == (not last)
        assert ((line, "R106") in found) == any(m["role"] == "bot" for m in messages)
