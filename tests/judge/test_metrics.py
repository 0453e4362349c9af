"""Text metrics: equal to sacrebleu and rouge-score on ASCII, and right where those see no words."""

from __future__ import annotations

import string

import numpy as np
import polars as pl
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from judge.bootstrap import mean_interval
from judge.form import fits_schema, matches, one_of
from judge.metrics import measure
from judge.similarity import bleu, bleu_counts, chrf, chrf_counts, rouge_l, token_f1
from judge.words import bleu_tokens, words

WORDS = st.sampled_from(
    ["the", "cat", "sat", "on", "a", "mat", "3.14", "1,000", "don't", "x-y", "Mr.", "(so)", "5-6", "&amp;"]
)
SENTENCES = st.lists(WORDS, max_size=12).map(" ".join)
ASCII = st.text(string.printable, max_size=40) | SENTENCES
SAME = [
    "The cat sat on the mat.",
    "Кошка сидела на ковре.",
    "猫坐在垫子上面了",
    "猫がマットの上に座った",
    "แมวนั่งบนเสื่อ",
    "बिल्ली चटाई पर बैठी थी",
]
ROUGE = RougeScorer(["rougeL"])
CHRF = sacrebleu.CHRF()


def corpus(counts: list[list[int]], score) -> float:
    return float(score(np.array(counts, np.float64).sum(axis=0, keepdims=True))[0])


@settings(deadline=None)
@given(ASCII, ASCII)
def test_rouge_l_is_rouge_scores(output, reference):
    assert rouge_l(output, reference) == pytest.approx(ROUGE.score(reference, output)["rougeL"].fmeasure)


@settings(deadline=None)
@given(ASCII, ASCII)
def test_bleu_of_a_sentence_is_sacrebleus(output, reference):
    mine = float(bleu(np.array([bleu_counts(output, reference)], np.float64), short=True)[0])
    assert mine * 100 == pytest.approx(sacrebleu.sentence_bleu(output, [reference]).score)


@settings(deadline=None)
@given(st.lists(st.tuples(ASCII, ASCII), min_size=1, max_size=5))
def test_bleu_of_a_corpus_is_sacrebleus(pairs):
    outputs, references = zip(*pairs, strict=True)
    theirs = sacrebleu.corpus_bleu(list(outputs), [list(references)]).score
    assert corpus([bleu_counts(*pair) for pair in pairs], bleu) * 100 == pytest.approx(theirs)


@settings(deadline=None)
@given(st.lists(st.tuples(ASCII, ASCII), min_size=1, max_size=5))
def test_chrf_is_sacrebleus(pairs):
    outputs, references = zip(*pairs, strict=True)
    theirs = CHRF.corpus_score(list(outputs), [list(references)]).score
    assert corpus([chrf_counts(*pair) for pair in pairs], chrf) * 100 == pytest.approx(theirs)


@settings(deadline=None)
@given(ASCII)
def test_tokens_are_sacrebleus(text):
    assert bleu_tokens(text) == sacrebleu.BLEU().tokenizer(text.rstrip()).split() or not text.strip()


@pytest.mark.parametrize("text", ["a b c well-\n", "a b c well-\nknown d", "a - b c -\n\n"])
def test_a_hyphen_at_the_end_of_a_line_is_as_sacrebleu_has_it(text):
    mine = float(bleu(np.array([bleu_counts(text, "a b c well- known d")], np.float64), short=True)[0])
    assert mine * 100 == pytest.approx(sacrebleu.sentence_bleu(text, ["a b c well- known d"]).score)


def test_composed_and_decomposed_letters_are_the_same():
    items = pl.DataFrame(
        [{"id": "1", "output": "cafe\u0301 de\u0301ja\u0300 vu la\u0300", "reference": "café déjà vu là"}]
    )
    assert measure(items).summary["value"].to_list() == pytest.approx([1.0] * 6)


@pytest.mark.parametrize("text", SAME)
def test_the_same_text_is_alike_in_every_script(text):
    summary = measure(pl.DataFrame([{"id": "1", "output": text, "reference": text}])).summary
    assert dict(summary.select("metric", "value").rows()) == pytest.approx(
        dict.fromkeys(summary["metric"], 1.0)
    )


@pytest.mark.parametrize(
    ("output", "reference"),
    [("猫坐在垫子上", "狗坐在垫子上"), ("Кошка ест рыбу дома", "Собака ест рыбу дома")],
)
def test_nearly_the_same_text_is_nearly_alike_where_the_peers_give_nothing(output, reference):
    assert ROUGE.score(reference, output)["rougeL"].fmeasure == 0
    assert rouge_l(output, reference) > 0.7
    assert token_f1(output, reference) > 0.7
    values = dict(
        measure(pl.DataFrame([{"id": "1", "output": output, "reference": reference}]))
        .summary.select("metric", "value")
        .rows()
    )
    assert all(0.3 < values[name] < 1 for name in ("bleu", "chrf", "tfidf_cosine"))


def test_words_in_any_script():
    assert words("Don't stop, x_y 3.5") == ["don", "t", "stop", "x", "y", "3", "5"]
    assert words("ПриВет, мир") == ["привет", "мир"]
    assert words("北京 2024年") == ["北", "京", "2024", "年"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]
    assert bleu_tokens("他说：“你好。”") == ["他", "说", "：", "“", "你", "好", "。", "”"]  # noqa: RUF001


def test_a_frame_in_frames_out():
    items = pl.DataFrame(
        {
            "id": ["a", "b", "c"],
            "output": ["yes", "no way", ""],
            "reference": ["Yes", "no", "x"],
            "more": [1, 2, 3],
        }
    )
    measured = measure(items, one_of(["yes", "no"]))
    assert measured.items.columns == [
        "id",
        "exact_match",
        "token_f1",
        "tfidf_cosine",
        "rouge_l",
        "format",
        "bleu",
        "chrf",
    ]
    assert measured.items["exact_match"].to_list() == [1, 0, 0]
    assert measured.items["format"].to_list() == [1, 0, 0]
    assert measured.items["token_f1"].to_list() == pytest.approx([1, 2 / 3, 0])
    assert measured.items.select(pl.exclude("id").is_between(0, 1).all()).row(0) == (True,) * 7
    assert measured.summary.columns == ["metric", "items", "value", "low", "high"]
    assert measured.summary["items"].to_list() == [3] * 7
    assert measured.summary.select((pl.col("low") <= pl.col("high")).all()).item()
    assert measure(items, one_of(["yes", "no"])).summary.equals(measured.summary)


@pytest.mark.parametrize("bad", [{"output": [None]}, {"output": []}])
def test_nothing_to_measure(bad):
    items = pl.DataFrame(
        {"id": ["a"] * len(bad["output"]), "reference": ["x"] * len(bad["output"])} | bad,
        schema={"id": pl.String, "reference": pl.String, "output": pl.String},
    )
    with pytest.raises(ValueError, match=r"nothing|nulls"):
        measure(items)


def test_forms():
    assert matches(r"\d+")("42\n") == ""
    assert "does not match" in matches(r"\d+")("42 apples")
    assert fits_schema({"type": "array"})("[1]") == ""
    assert "at $" in fits_schema({"type": "array"})("{}")
    assert "not JSON" in fits_schema({})("nope")
    assert "none of" in one_of(["a"])("b")


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says():
    """Of 300 samples of 40, 90% intervals hold the true mean; a right one leaves this band in 1 of 10,000."""
    random = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        low, high = mean_interval(random.random(40).tolist(), 0.1, seed)
        held += low <= 0.5 <= high
    assert 0.82 < held / 300 < 0.96
