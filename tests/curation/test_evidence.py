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


def test_two_rows_side_by_side_mark_what_differs():
    left, right = (chat(PROMPT.format(word), "bears", 1)["messages"] for word in ("warm", "deep"))
    lines = side_by_side(left, right, width=40)
    assert all(line[40:43] in {" | ", "-+-"} for line in lines)
    text = " ".join(lines)
    assert ("[warm?]" in text, "[deep?]" in text, text.count("[")) == (True, True, 2)
    assert lines[-1].split() == ["bears", "|", "bears"]
