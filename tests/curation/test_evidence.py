"""What a dropped row and its partner have in common and what not."""

from __future__ import annotations

from curation.dedup import drop_duplicates
from curation.evidence import differing, side_by_side, with_words
from curation.rows import frame, make_row


def chat(prompt: str, answer: str, line: int) -> dict:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return make_row(turns, source="s", line=line)


PROMPT = "Which animals of the northern forests sleep through the whole of the winter in a den that is {}?"


def test_words_that_only_one_text_has_are_told_in_their_order():
    assert differing("A b b c", "c d b") == (["a", "b"], ["d"])
    assert differing("", "") == ([], [])


def test_every_drop_says_in_which_words_it_differs():
    rows = frame([chat(PROMPT.format("warm"), "bears", 1), chat(PROMPT.format("deep dark"), "Bears.", 2)])
    (drop,) = with_words(drop_duplicates(rows).drops, rows).iter_rows(named=True)
    assert (drop["line"], drop["partner_line"]) == (1, 2)
    assert (drop["only_here"], drop["only_there"]) == ("warm", "deep dark")
    assert (drop["similarity"] > 0.8, drop["answer_similarity"]) == (True, 1.0)


def test_rows_that_were_made_are_told_with_their_places():
    parent, copy = chat(PROMPT.format("warm"), "bears", 1), chat(PROMPT.format("warm"), "bears.", 2)
    made = [
        chat(PROMPT.format(word), "bears", 9) | {"tags": ["augmented"], "parents": [of["id"]], "line": line}
        for line, (word, of) in enumerate([("wram", parent), ("wram", parent), ("deep", copy)], 3)
    ]
    rows = frame([parent, copy, *made])
    drops = with_words(drop_duplicates(rows).drops, rows)
    found = {d["line"]: (d["reason"], d["partner_line"], d["only_here"]) for d in drops.iter_rows(named=True)}
    (gone,) = {1, 2} & set(found)
    assert found.pop(gone)[0] == "near duplicate"
    orphans = {n for n, d in found.items() if d[0] == "made from a row that went"}
    assert orphans == ({3} if gone == 1 else {5})
    assert found[4] == ("exact duplicate", 3, "")


def test_calls_are_told_like_words():
    extra = '{"tool_calls":[{"function":{"name":"open","arguments":"{\\"door\\":%s}"}}]}'
    turns = [[{"role": "assistant", "content": "", "extra": extra % n}] for n in (1, 2)]
    text = " ".join(side_by_side(*turns))
    assert "tool_call open door [1]" in text
    assert "tool_call open door [2]" in text


def test_two_rows_side_by_side_mark_what_differs():
    left, right = (chat(PROMPT.format(word), "bears", 1)["messages"] for word in ("warm", "deep"))
    lines = side_by_side(left, right, width=40)
    assert all(line[40:43] in {" | ", "-+-"} for line in lines)
    text = " ".join(lines)
    assert ("[warm?]" in text, "[deep?]" in text, text.count("[")) == (True, True, 2)
    assert lines[-1].split() == ["bears", "|", "bears"]
