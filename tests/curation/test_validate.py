"""Every rule fires on a row that breaks it and not on one that comes close."""

from __future__ import annotations

import pytest

from curation.rows import frame, make_row
from curation.rules import MAX_CHARACTERS, RULES
from curation.validate import validate

CALL = '{"tool_calls":[{"id":"1"}]}'


def chat(prompt: str = "How do fish breathe?", answer: str = "With gills.", **more) -> dict:
    return talk(("user", prompt), ("assistant", answer), **more)


def talk(*turns: tuple[str, ...], **more) -> dict:
    keys = ("role", "content", "extra")
    return make_row([dict(zip(keys, turn, strict=False)) for turn in turns], source="s", **more)


def task(*odd: str) -> list[dict]:
    """Rows of a labelling task: 40 with one of two labels, and then odd ones."""
    answers = ["safe", "unsafe\nS1"] * 20 + list(odd)
    return [chat(f"Message number {i}", a, line=i, tags=["guard"]) for i, a in enumerate(answers)]


CASES = {
    "R101": (
        [chat(""), chat(" \n\t"), talk(("system", "Be brief."), ("assistant", "Yes."))],
        [chat("?"), talk(("user", ""), ("assistant", "Yes?"), ("user", "Go on"), ("assistant", "Well."))],
    ),
    "R102": (
        [chat(answer=""), chat(answer=" \n")],
        [chat(answer="4"), talk(("user", "2 + 2?"), ("assistant", "", CALL)), talk(("user", "2 + 2?"))],
    ),
    "R103": ([talk(("user", "2 + 2?")), talk(("user", "2 + 2?"), ("tool", "4"))], [chat()]),
    "R104": (
        [
            talk(("assistant", "Hi"), ("user", "Hi"), ("assistant", "Hi")),
            talk(("user", "a"), ("user", "b"), ("assistant", "c")),
            talk(("user", "a"), ("system", "b"), ("assistant", "c")),
            talk(("user", "a"), ("assistant", "b"), ("assistant", "c")),
        ],
        [
            chat(),
            talk(("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")),
            talk(("user", "a"), ("assistant", "", CALL), ("tool", "4"), ("assistant", "4")),
        ],
    ),
    "R201": ([chat("a" * MAX_CHARACTERS)], [chat("a" * (MAX_CHARACTERS - 11))]),
    "R301": (
        [chat(answer=a) for a in ("I don't know.", "idk", "N/A", "none", "TODO", "It depends")],
        [chat(answer=a) for a in ("I don't know of any but one: gills.", "Nonesuch", "A null hypothesis")],
    ),
    "R302": (
        [
            chat(answer=a)
            for a in ("They use their gills and", "Fish breathe with gills,", "They use one of these: (")
        ]
        + [task("unsafe\nS")[-1], task("uns")[-1]],
        [chat(answer=a) for a in ("They use their gills.", "Gills and", "Fish breathe with their gills")]
        + [task("unsafe")[-1], task("unsafe\n")[-1]],
    ),
    "R303": (
        [
            chat("How do fish breathe?", "how do fish breathe?"),
            chat("Say this: fish have gills", "Fish have gills "),
        ],
        [chat("How do fish breathe?", "breathe?"), chat("Fish have gills, they say.", "Fish have gills")],
    ),
    "R304": (
        [
            chat(answer=a)
            for a in (
                "I'm sorry, but I must not say.",
                "I cannot help with that",
                "As an AI language model, I",
            )
        ],
        [chat(answer=a) for a in ("He said sorry.", "I cannot see it from here", "An AI can")],
    ),
    "R305": (
        [task("The message is safe.")[-1], task("unsafe S1")[-1]],
        [task("safe")[-1], task("unsafe\nS2")[-1], chat(answer="The message is safe.")],
    ),
    "R401": (
        [chat("Itâ€™s so"), chat(answer="cafÃ© au lait"), chat("5Â\xa0km"), chat("a\ufffdb")],
        [chat("It\u2019s a café, 5\xa0km from São Paulo"), chat("SÃO PAULO and Âge")],
    ),
    "R402": (
        [chat("a\x07b"), chat(answer="a\x00b"), chat("\x7f"), chat(answer="\x1b[0m")],
        [chat("a\tb\r\nc"), chat(answer="é\u200b")],
    ),
    "R403": (
        [chat(answer="```python\nx = 1"), chat(answer="a\n```\nb\n```\nc\n```")],
        [chat(answer="```python\nx = 1\n```"), chat(answer="use ``` here")],
    ),
}


def codes_of(row: dict) -> set[str]:
    """Codes of the findings on one row, among rows of a labelling task when it is of one."""
    others = [r for r in task() if r["id"] != row["id"]] if row["tags"] else []
    findings = validate(frame([*others, row]))
    return set(findings.filter(row_id=row["id"])["code"])


def test_every_rule_has_rows_that_break_it_and_rows_that_do_not():
    assert CASES.keys() == {rule.code for rule in RULES}
    assert all(bad and good for bad, good in CASES.values())


@pytest.mark.parametrize("code", CASES)
def test_a_rule_fires_where_it_should_and_nowhere_else(code):
    bad, good = CASES[code]
    assert [row for row in bad if code not in codes_of(row)] == []
    assert [row for row in good if code in codes_of(row)] == []


def test_a_good_row_breaks_no_rule():
    assert codes_of(chat()) == set()


def test_labels_are_judged_in_labelling_tasks_alone():
    free = [chat(f"Question {i}", f"Answer number {i}.", line=i, tags=["free"]) for i in range(40)]
    few = [
        chat(f"Message {i}", a, line=i, tags=["few"]) for i, a in enumerate(["safe"] * 15 + ["saf", "odd"])
    ]
    assert validate(frame([*free, *few])).filter(code="S002").height == 1
    assert validate(frame([*free, *few])).height == 1


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
    assert found["message"].to_list() == ["4 rows; at least 10 needed"]
    lines = validate(frame(rows))["line"].to_list()[1:]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("count", "code"), [(0, "S001"), (9, "S001"), (10, "S002"), (99, "S002"), (100, None)]
)
def test_the_size_of_the_file_is_judged(count, code):
    rows = frame(chat(f"Name the {i}th prime number", f"{i}", line=i) for i in range(count))
    assert validate(rows)["code"].to_list() == ([code] if code else [])


def test_prompts_are_not_asked_for_answers():
    rows = frame(
        [talk(("user", "Hello"), line=1), talk(("user", "a\x07"), line=2), talk(("user", ""), line=3)]
    )
    assert validate(rows, answers=False)["code"].to_list() == ["S001", "R402", "R101"]
