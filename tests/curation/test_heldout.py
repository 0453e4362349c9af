"""No held-out prompt stays in what is trained on, whatever road it comes by."""

from __future__ import annotations

import functools
import json
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.heldout import freeze, without_heldout
from curation.redact import redact
from curation.rows import frame, make_row

POLICY = "You are a guard. Decide whether the message below asks for something harmful, safe or unsafe.\n\n"


def chat(prompt: str, answer: str = "yes", line: int = 1, system: str = "", **more) -> dict:
    turns = [{"role": "system", "content": system}] if system else []
    turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return make_row(turns, source="s", line=line, **more)


def prose(seed: object, length: int = 20) -> str:
    rng = random.Random(str(seed))
    return " ".join("".join(rng.choices("abcdefghij", k=rng.randrange(3, 8))) for _ in range(length))


ITEMS = [POLICY + prose(i) for i in range(25)]
HELDOUT = [freeze("h", frame(chat(text, "reference", i) for i, text in enumerate(ITEMS)))]
OTHERS = [chat(POLICY + prose(("other", i)), line=i) for i in range(60)]


def spaced(text: str) -> str:
    return text.replace(" ", " \t ", 5) + "\n"


def last_word(text: str) -> str:
    return text.rsplit(" ", 1)[0] + " instead"


def with_more(text: str) -> str:
    return text + " and more"


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in text)


def changed(place: int, text: str) -> str:
    words = text.split()
    words[-place] += "ing"
    return " ".join(words)


CHANGES = [functools.partial(changed, place) for place in range(1, 21)]
EDITS = [str, str.upper, str.title, spaced, last_word, with_more, wide, *CHANGES]


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(ITEMS) - 1),
            st.lists(st.sampled_from(EDITS), max_size=1),
            st.sampled_from([str, str.upper, spaced]),
            st.sampled_from(["", "Answer in one word."]),
        ),
        max_size=25,
    ),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_planted_items_never_stay_and_others_do(plants, rng):
    planted = []
    for number, edits, outer, system in plants:
        text = ITEMS[number]
        for edit in [*edits, outer]:
            text = edit(text)
        planted.append(chat(text, "another answer", 1000 + number, system))
    rows = [*OTHERS, *planted]
    rng.shuffle(rows)
    stay, drops = without_heldout(frame(rows), HELDOUT)
    assert sorted(stay["line"]) == list(range(len(OTHERS)))
    assert drops["partner_line"].to_list() == [line - 1000 for line in drops["line"]]
    assert set(drops["step"]) <= {"heldout"}


@pytest.mark.parametrize("prompt", ["Hi", "hi there", "In welcher Straße wohnst du?", "春が来", "😀", "<"])
def test_short_prompts_are_found_as_they_are(prompt):
    held = [freeze("h", frame([chat(prompt)]))]
    rows = frame([chat(f" {prompt.upper()}\n"), chat("something else that stays")])
    assert without_heldout(rows, held)[0]["id"].to_list() == [rows["id"][1]]


def test_the_kind_of_match_and_the_item_are_told():
    rows = frame([chat(wide(ITEMS[3]).upper(), system="Be brief."), chat(last_word(ITEMS[4]))])
    drops = without_heldout(rows, HELDOUT)[1]
    assert drops.select("reason", "partner_source", "partner_line").rows() == [
        ("held-out (exact)", "heldout:h", 3),
        ("held-out (near)", "heldout:h", 4),
    ]
    assert drops["similarity"][0] == 1.0
    assert 0.8 <= drops["similarity"][1] < 1


def test_an_item_that_many_rows_copy_is_no_template():
    copies = [chat(f"{prose(i, 4)} {prose('item', 40)}", line=i) for i in range(40)]
    held = [freeze("h", frame([chat(prose("item", 40))]))]
    assert without_heldout(frame(copies), held)[0].height == 0


def test_rows_made_from_a_leaked_row_go_with_it():
    leaked, noisy = (
        chat("Please tell where penguins usually travel"),
        "Please tell where penugins usualy travel",
    )
    held = [freeze("h", frame([leaked]))]
    child = chat(noisy, line=2, parents=[leaked["id"]])
    grandchild = chat("far away", line=3, parents=["unknown", child["id"]])
    assert without_heldout(frame([chat(noisy), grandchild]), held)[1].height == 0
    stay, drops = without_heldout(frame([grandchild, child, chat("far off"), leaked]), held)
    assert stay["id"].to_list() == [chat("far off")["id"]]
    assert drops["reason"].to_list() == ["held-out (made from one)"] * 2 + ["held-out (exact)"]
    assert set(drops["partner_id"]) == {leaked["id"]}


def test_redaction_does_not_hide_an_item():
    text = f"Call 212-555-0101 {prose('call', 12)}"
    rows = frame([chat("Call 212-555-0101 soon"), chat(text + " soon")])
    held = [freeze("h", frame([chat("Call 212-555-0101 soon"), chat(text + " now")]))]
    hidden, counts = redact(rows)
    assert counts == {"PHONE": 2}
    assert without_heldout(hidden, held)[0].height == 0


def test_every_set_is_searched_and_a_turn_of_a_conversation_counts():
    turns = [
        {"role": "user", "content": "Which one?"},
        {"role": "assistant", "content": "The left one, which stands beside the door."},
        {"role": "user", "content": "Why that one of all?"},
    ]
    held = [HELDOUT[0], freeze("talk", frame([make_row([*turns, {"role": "assistant", "content": "r"}])]))]
    rows = frame(
        [chat(ITEMS[0]), make_row([*turns, {"role": "assistant", "content": "x"}]), chat("Why that one")]
    )
    assert without_heldout(rows, held)[1]["partner_source"].to_list() == ["heldout:h", "heldout:talk"]


def test_without_sets_or_rows_nothing_happens():
    rows = frame(OTHERS)
    assert without_heldout(rows, [])[0].equals(rows)
    assert without_heldout(frame([]), HELDOUT)[0].height == 0


def test_the_version_is_that_of_the_items_in_any_order():
    items = frame(OTHERS)
    version = freeze("h", items).version
    assert freeze("other name", items.reverse()).version == version
    assert freeze("h", items.head(59)).version != version


@pytest.mark.parametrize(
    "place", ["a turn before", "the system message", "an answer", "the middle of a prompt"]
)
def test_a_held_out_prompt_inside_a_longer_conversation_is_found(place):
    asked = "Which river flows through the old town of Ghent in winter?"
    turns = [
        ("system", "Be brief."),
        ("user", "Hello there"),
        ("assistant", "Hi"),
        ("user", "Bye"),
        ("assistant", "So"),
    ]
    at = {"a turn before": 1, "the system message": 0, "an answer": 2, "the middle of a prompt": 3}[place]
    turns[at] = (turns[at][0], f"{turns[at][1]} once more, {asked} Tell me all of it.")
    row = make_row([{"role": role, "content": content} for role, content in turns])
    other = make_row([{"role": "user", "content": "Which river flows through Ghent?"}])
    item = make_row([{"role": "user", "content": asked}, {"role": "assistant", "content": "Lys"}])
    kept, drops = without_heldout(frame([row, other]), [freeze("h", frame([item]))])
    assert kept["id"].to_list() == [other["id"]]
    (drop,) = drops.to_dicts()
    assert (drop["reason"], drop["detail"]) == (
        "held-out (contained)",
        " ".join(asked.lower().strip("?").split()),
    )


def test_a_policy_that_all_prompts_share_is_not_contained():
    policy = (
        "You are a careful guard and you must decide for each message whether it does any harm. Message: "
    )
    rows = frame([make_row([{"role": "user", "content": f"{policy}{prose(i, 12)}"}]) for i in range(60)])
    item = make_row([{"role": "user", "content": policy + prose("another", 12)}])
    kept, _ = without_heldout(rows, [freeze("h", frame([item]))])
    assert kept.height == rows.height


TIDES = "Explain in one paragraph why the tides of the ocean follow the moon and not the sun alone"
CAPITAL = "What is the capital of Australia?"
CHINESE = "请用一段话解释为什么海洋的潮汐会跟随月亮而不仅仅是太阳、并且说明潮汐对沿海城市的影响"


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def said(text: str, **more) -> dict:
    return {"role": "assistant", "content": text, "extra": json.dumps(more) if more else None}


def left_out(item, *rows) -> list[tuple]:
    """Reason and words of each of these rows that is left out, beside others that stay."""
    others = [chat(prose(("beside", i), 12), line=i) for i in range(30)]
    given = [row if isinstance(row, dict) else make_row(row) for row in rows]
    stay, drops = without_heldout(frame([*given, *others]), [freeze("h", frame([item]))])
    assert stay.height + drops.height == len(given) + len(others)
    assert set(drops["row_id"]) <= {row["id"] for row in given}
    return drops.select("reason", "detail").rows()


@pytest.mark.parametrize(
    "turns",
    [
        [user(f"Question: {CAPITAL}\nAnswer:"), said("Canberra")],
        [user(f"{CAPITAL} Answer in one word please."), said("Canberra")],
        [user(CAPITAL), said("Canberra"), user("Thanks"), said("You are welcome")],
        [user("Hello"), said("Hi"), user(CAPITAL), said("Canberra")],
        [user(CAPITAL), said("Let me think."), said("Canberra")],
        [{"role": "system", "content": CAPITAL}, user("Answer the question."), said("Canberra")],
        [user("Give me a question for a quiz"), said(CAPITAL)],
    ],
)
def test_a_question_of_few_words_is_found_wherever_it_stands(turns):
    assert left_out(chat(CAPITAL), turns) == [("held-out (contained)", "what is the capital of australia")]


def test_a_row_that_shares_a_few_words_of_a_question_stays():
    rows = [
        chat("What is the capital of Austria?"),
        chat("Is Canberra the capital of Australia and what is its age?"),
    ]
    assert left_out(chat(CAPITAL), *rows) == []


@pytest.mark.parametrize(
    ("item", "row"),
    [
        ("Why Python?", "Why Python"),
        ("Define photosynthesis", "**Define photosynthesis!**"),
        ("Pourquoi?", "Pourquoi ?"),
        ("Hello", "Hello! Who are you?"),
        ("你好吗", "你好 吗？"),  # noqa: RUF001
    ],
)
def test_one_or_two_words_count_alone_whatever_the_punctuation(item, row):
    assert len(left_out(chat(item), chat(row))) == 1
    assert left_out(chat(item), chat(f"so {row} is what they asked")) == []


@pytest.mark.parametrize(
    "turns",
    [
        [user(f"你好。我想问你一个问题。{CHINESE}。请给出详细的答案。"), said("好")],
        [user("给我一个题目"), said(CHINESE)],
        [user(CHINESE), said("潮汐主要是由月亮的引力造成的"), user("谢谢你"), said("好")],
    ],
)
def test_an_item_in_a_script_without_spaces_is_found_inside_a_row(turns):
    ((reason, words),) = left_out(chat(CHINESE), turns)
    assert reason == "held-out (contained)"
    assert words in CHINESE.replace("、", "")


def test_chinese_rows_that_share_a_phrase_stay():
    shared = [
        "请用一段话解释为什么天空是蓝色的",
        "请说明潮汐对沿海城市的渔业有什么好处",
        "月亮为什么会跟随地球",
    ]
    assert left_out(chat(CHINESE), *map(chat, shared)) == []


def test_a_changed_word_is_told():
    row = chat(TIDES.replace("ocean", "oceans") + " please, and be brief about it")
    ((reason, words),) = left_out(chat(TIDES), row)
    assert reason == "held-out (contained, one place edited)"
    assert words == TIDES.lower().replace("ocean", "oceans")


@pytest.mark.parametrize("sign", ["\u200b", "\u00ad", "\ufeff", "\u2060"])
def test_characters_that_nobody_sees_hide_nothing(sign):
    assert left_out(chat(CAPITAL), chat(CAPITAL.replace("capi", f"capi{sign}")))[0][0] == "held-out (exact)"
    assert left_out(chat(TIDES), [user("Hi"), said(sign.join(TIDES))]) == [
        ("held-out (contained)", TIDES.lower())
    ]


def test_tool_calls_are_text_of_a_row():
    arguments = json.dumps({"q": [f"so\n{TIDES}"]})
    call = {"id": "1", "type": "function", "function": {"name": "ask", "arguments": arguments}}
    row = [user("Do it"), said("", tool_calls=[call]), {"role": "tool", "content": "x"}, said("done")]
    assert [reason for reason, _ in left_out(chat(TIDES), row)] == ["held-out (contained)"]
    assert left_out(chat(TIDES), [user("Do it"), {**said(""), "extra": "{no JSON"}]) == []


def test_the_last_question_of_a_conversation_counts_by_itself():
    asked = "What does the second law of thermodynamics say about closed systems?"
    item = make_row([user("Hi"), said("Hello there, what may I do?"), user(asked), said("reference")])
    assert [reason for reason, _ in left_out(item, chat(asked))] == ["held-out (contained)"]
    short = make_row([user(asked), said("So"), user("Can you say more?"), said("reference")])
    assert left_out(short, chat("Can you say more?")) == []


def test_items_that_share_a_frame_are_found_inside_a_longer_row():
    frames = "now read the question and choose one of four letters without any other text"
    items = [f"{prose((i, 'a'), 7)} {frames} {prose((i, 'b'), 7)}" for i in range(40)]
    behind = [f"{frames} {prose((i, 'c'), 6)}" for i in range(40)]
    held = [freeze("h", frame(map(chat, items))), freeze("g", frame(map(chat, behind)))]
    around = [prose(("around", i), 10) for i in range(4)]
    rows = [
        chat(f"{around[0]} {items[3]} {around[1]}", line=1),
        make_row([user("ask me"), said(items[4])], line=2),
        chat(f"{around[2]} {behind[5]} {around[3]}", line=3),
        *(chat(f"{prose(('own', i), 7)} {frames} {prose(('mine', i), 7)}", line=4) for i in range(20)),
    ]
    drops = without_heldout(frame(rows), held)[1]
    assert sorted(drops["line"]) == [1, 2, 3]


def test_nothing_may_be_made_from_an_item_or_from_a_row_that_was_left_out():
    item, leaked = chat(TIDES, "reference"), chat(TIDES, "an answer")
    held = [freeze("h", frame([item]))]
    rows = [chat("quite other words", parents=[item["id"]]), chat("yet other words", parents=[leaked["id"]])]
    stay, drops = without_heldout(frame(rows), held)
    assert (stay["id"].to_list(), drops["reason"].to_list()) == (
        [rows[1]["id"]],
        ["held-out (made from one)"],
    )
    before = without_heldout(frame([leaked]), held)[1]
    drops = without_heldout(frame(rows), held, before=before)[1]
    assert drops["partner_id"].to_list() == [item["id"]] * 2
    other = before.with_columns(step=pl.lit("dedup"))
    assert without_heldout(frame(rows), held, before=other)[1].height == 1
