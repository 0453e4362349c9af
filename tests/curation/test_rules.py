"""Every rule is documented, and fires on rows that break it, on its own example, and on nothing close."""

from __future__ import annotations

import pytest

from curation.rows import frame, make_row
from curation.rules import RULES
from curation.rules.lengths import BYTES_PER_TOKEN, MAX_TOKENS
from curation.validate import validate, validate_together

CALL = '{"tool_calls":[{"id":"1"}]}'
LONGEST = MAX_TOKENS * BYTES_PER_TOKEN
GERMAN = "Die Fische atmen mit den Kiemen, und das Wasser ist für sie nicht zu kalt."
RUSSIAN = "Рыбы дышат жабрами, и вода для них не бывает слишком холодной."
ENGLISH = "Fish breathe with their gills, and that is not the case for the whales of the sea."


def talk(*turns: tuple[str, ...], **more) -> dict:
    keys = ("role", "content", "extra")
    return make_row([dict(zip(keys, turn, strict=False)) for turn in turns], source="s", **more)


def chat(prompt: str = "How do fish breathe?", answer: str = "With gills.", **more) -> dict:
    return talk(("user", prompt), ("assistant", answer), **more)


def answers(*texts: str) -> list[dict]:
    return [chat(answer=text) for text in texts]


# Files that rules about majorities look at; the case's row is put at the end.
FREE = [
    chat(f"Question number {i}?", f"This is the answer to question {i}, and it is short.", line=i + 1)
    for i in range(40)
]
LABELS = [
    chat(f"Message number {i}", a, line=i + 1, tags=["guard"])
    for i, a in enumerate(["safe", "unsafe\nS1"] * 20)
]
RARE = [chat(f"Message {i}", "fraud" if i < 20 else "fine", line=i + 1, tags=["guard"]) for i in range(1000)]
JSON = [chat(f"Message {i}", f'{{"id": {i}}}', line=i + 1) for i in range(40)]
RUSSIANS = [
    chat(f"Вопрос {i}?", f"Это ответ на вопрос {i}, и он довольно короткий.", line=i + 1) for i in range(40)
]


def labelled(*texts: str) -> list[dict]:
    return [chat("Message number 999", text, tags=["guard"]) for text in texts]


# code: rows that break the rule, rows that do not, and the file around each.
CASES = {
    "R101": (
        [chat(""), chat(" \n\t"), talk(("system", "Be brief."), ("assistant", "Yes."))],
        [chat("?"), talk(("user", ""), ("assistant", "Yes?"), ("user", "Go on"), ("assistant", "Well."))],
        [],
    ),
    "R102": (
        answers("", " \n"),
        [chat(answer="4"), talk(("user", "2 + 2?"), ("assistant", "", CALL)), talk(("user", "2 + 2?"))],
        [],
    ),
    "R103": ([talk(("user", "2 + 2?")), talk(("user", "2 + 2?"), ("tool", "4"))], [chat()], []),
    "R104": (
        [
            talk(("assistant", "Hi"), ("user", "Hi"), ("assistant", "Hi")),
            talk(("user", "a"), ("user", "b"), ("assistant", "c")),
            talk(("user", "a"), ("system", "b"), ("assistant", "c")),
            talk(("user", "a"), ("assistant", "b"), ("assistant", "c")),
            talk(("system", "s"), ("system", "s"), ("user", "a"), ("assistant", "b")),
            talk(("assistant", "", CALL), ("tool", "4"), ("user", "a"), ("assistant", "4")),
        ],
        [
            chat(),
            talk(("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")),
            talk(("user", "a"), ("assistant", "", CALL), ("tool", "4"), ("assistant", "4")),
            talk(("user", "a"), ("assistant", "", CALL), ("tool", "4"), ("tool", "5"), ("assistant", "4")),
        ],
        [],
    ),
    "R105": (
        [
            talk(("assistant", "Yes.")),
            talk(("system", "s"), ("assistant", "a"), ("assistant", "b")),
            talk(("user", "a"), ("user", "b")),
        ],
        [chat(), talk(("user", "a")), talk(("user", "a"), ("user", "b"), ("assistant", "c"))],
        [],
    ),
    "R106": (
        [talk(("user", "a"), ("bot", "b")), talk(("human", "a"), ("assistant", "b"))],
        [chat(), talk(("system", "s"), ("user", "a"), ("assistant", "", CALL), ("tool", "4"))],
        [],
    ),
    "R201": (
        [chat("a" * LONGEST), chat("é" * (LONGEST // 2)), talk(("system", "a" * LONGEST), ("user", "four"))],
        [chat("a" * (LONGEST - 11))],
        [],
    ),
    "R202": ([chat("a" * 100_000)], [chat("é" * 99_989)], []),
    "R301": (
        answers("I don't know.", "idk", "N/A", "none", "TODO", "It depends"),
        answers("I don't know of any but one: gills.", "Nonesuch", "A null hypothesis"),
        [],
    ),
    "R302": (
        answers(
            "They use their gills and",
            "Fish breathe with gills,",
            "They use one of these: (",
            "Gills " * 5 + "- ",
        )
        + labelled("unsafe\nS", "uns"),
        answers("They use their gills.", "Gills and", "Fish breathe with their gills", "It is a wonderland")
        + labelled("unsafe", "unsafe\n", "safe"),
        LABELS,
    ),
    "R303": (
        [
            chat("How do fish breathe?", "how do fish breathe?"),
            chat("Tell: How do fish breathe?", "How do fish breathe? "),
        ],
        [
            chat("How do fish breathe?", "breathe?"),
            chat("Fish have gills, they say.", "Fish have gills"),
            chat('Which fits this message best, "clearly harmful" or "not harmful"?', '"not harmful"?'),
            chat("Name the larger one of the two: a ton or a metric kiloton", "a metric kiloton"),
            chat("yes or no", "yes or no"),
        ],
        [],
    ),
    "R304": (
        answers("I'm sorry, but I must not say.", "I cannot help with that", "As an AI language model, I"),
        answers(
            "He said sorry.", "I cannot see it from here", "An AI can", "Once. " * 40 + "I can't help it."
        ),
        [],
    ),
    "R305": (
        labelled("The message is safe.", "unsafe S1", "x" * 200),
        labelled("safe", "unsafe\nS2", "") + answers("The message is safe."),
        LABELS,
    ),
    "R306": (
        answers("Fish have gills. " * 10, "ha ha " * 20, "one two three four. " * 2 + "no no no " * 12),
        answers(
            "Fish have gills. " * 2,
            "no no no",
            " ".join(f"line {i} says {i * 7}" for i in range(30)),
            "\n".join(["| --- | --- | --- |"] * 9),
            "<td>a</td>  " + "-" * 200,
        ),
        [],
    ),
    "R401": (
        [chat("Itâ€™s so"), chat(answer="cafÃ© au lait"), chat("5Â\xa0km"), chat("a\ufffdb")],
        [chat("It\u2019s a café, 5\xa0km from São Paulo"), chat("SÃO PAULO and Âge")],
        [],
    ),
    "R402": (
        [chat("a\x07b"), chat(answer="a\x00b"), chat("\x7f"), chat(answer="\x1b[0m")],
        [chat("a\tb\r\nc"), chat(answer="é\u200b")],
        [],
    ),
    "R403": (
        answers("```python\nx = 1", "a\n```\nb\n```\nc\n```"),
        answers("```python\nx = 1\n```", "use ``` here"),
        [],
    ),
    "R404": (
        answers(
            GERMAN,
            RUSSIAN,
            "魚は鰓で呼吸をします。水が冷たすぎることはありません。そして海の鯨は肺で呼吸をしています。",
        ),
        answers(
            ENGLISH, "Kiemen", "x = {'der': 1, 'id': [1, 2, 3], 'values': list(range(20, 4000))}", "Ω" * 9
        ),
        FREE,
    ),
    "R501": (
        [chat("Question number 3?", "Another one.")],
        [
            chat("Question number 3?", "this is the answer to QUESTION 3, and it is short. "),
            chat("Question number 3?", ""),
            chat("question number 3?", "Another one."),
            talk(("system", "Be brief."), ("user", "Question number 3?"), ("assistant", "3.")),
        ],
        FREE,
    ),
    "R502": ([chat("Question number 3?", "Another one.")], [chat("Question number 41?")], FREE),
    "S001": ([chat()], [], []),
    "S002": ([chat()], [], FREE),
    "S003": ([chat("Message -1", "fine", tags=["guard"])], [], RARE),
}

# code: rows that must not fire where the file around them is another one.
ELSEWHERE = {
    "R302": (answers("uns", '{"id": 4'), FREE),
    "R305": (answers("The message is safe.", '{"id": 4}'), FREE),
    "R404": (answers(RUSSIAN, "Рыбы дышат"), RUSSIANS),
    "S001": (answers("With gills."), FREE),
    "S002": (answers("With gills."), RARE),
    "S003": (answers("With gills."), [*FREE, *LABELS]),
}
# and rows that must.
ELSEWHERE_TOO = {
    "R305": (answers("It has the id 4."), JSON),
    "R404": (answers(ENGLISH), RUSSIANS),
}


def fires(code: str, row: dict, around: list[dict]) -> bool:
    """Whether a rule has a finding on the row, or on the file as a whole."""
    if code == "R502":
        findings = validate_together([frame(around), frame([row | {"source": "other"}])])
    else:
        findings = validate(frame([*around, row]))
    found = findings.filter(code=code)["row_id"].to_list()
    return found == [None] if code.startswith("S") else row["id"] in found


def test_every_rule_has_rows_that_break_it_and_rows_that_do_not():
    assert list(CASES) == [rule.code for rule in RULES]
    assert all(bad for bad, _, _ in CASES.values())
    assert all(good or code in ELSEWHERE for code, (_, good, _) in CASES.items())


@pytest.mark.parametrize("code", CASES)
def test_a_rule_fires_where_it_should_and_nowhere_else(code):
    bad, good, around = CASES[code]
    more, other = ELSEWHERE_TOO.get(code, ([], []))
    fewer, elsewhere = ELSEWHERE.get(code, ([], []))
    assert [row for row in bad if not fires(code, row, around)] == []
    assert [row for row in more if not fires(code, row, other)] == []
    assert [row for row in good if fires(code, row, around)] == []
    assert [row for row in fewer if fires(code, row, elsewhere)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_is_documented_and_its_example_breaks_it(rule):
    for text in (rule.title, rule.catches, rule.why, rule.fix):
        assert len(text.split()) >= 2
    assert rule.catches.endswith(".")
    assert rule.why.endswith(".")
    around = [talk(*turns, line=i + 1) for i, turns in enumerate(rule.around)]
    assert fires(rule.code, talk(*rule.example, line=len(around) + 1), around)


def test_codes_are_unique_and_in_order():
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))


def test_a_good_row_breaks_no_rule():
    assert validate(frame([*FREE, chat()]))["code"].to_list() == ["S002"]


def test_labels_are_judged_in_labelling_tasks_alone():
    few = [
        chat(f"Message {i}", a, line=i, tags=["few"]) for i, a in enumerate(["safe"] * 15 + ["saf", "odd"])
    ]
    assert validate(frame([*FREE, *few]))["code"].to_list() == ["S002"]
