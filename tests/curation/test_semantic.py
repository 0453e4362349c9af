"""Rows that mean the same by a model: every pair by its cosine, with the conflict rule of near-duplicates."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest

from curation.dedup import How, drop_duplicates
from curation.errors import UserError
from curation.rows import answer_text, frame, prompt_text
from curation.semantic import BLOCK, Meaning, load_model
from tests.curation.test_dedup import chat, corpus

SYNONYMS = [("car", "automobile"), ("quick", "fast"), ("buy", "purchase"), ("begin", "start")]
OTHERS = ["how", "can", "i", "a", "the", "my", "trip", "journey", "yes", "no", "never", "always"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A static model in which synonyms have nearly the same vector, saved as model2vec saves one."""
    static = pytest.importorskip("model2vec").StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = ["[UNK]", *OTHERS, *(word for pair in SYNONYMS for word in pair)]
    vectors = np.random.default_rng(0).normal(size=(len(names), 32)).astype(np.float32)
    for one, other in SYNONYMS:
        vectors[names.index(other)] = vectors[names.index(one)] + 0.01
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("model")
    static(vectors, tokenizer).save_pretrained(folder)
    return str(folder)


def test_rows_of_one_meaning_go_and_other_answers_are_conflicts(model):
    rows = frame(
        [
            chat("how can i buy a car quick", "yes always", 1),
            chat("how can i purchase a automobile fast", "yes always", 2),
            chat("how can i purchase a automobile quick", "no never", 3),
            chat("begin the journey", "yes", 4),
        ]
    )
    done = drop_duplicates(rows, meaning=Meaning(load_model(model), 0.98))
    assert done.drops.select("line", "partner_line", "reason").rows() == [(1, 2, "semantic duplicate")]
    assert set(done.conflicts.select("line", "partner_line").rows()) == {(3, 2)}
    assert drop_duplicates(rows).drops.height == 0
    best = drop_duplicates(rows, How(conflicts="keep_best"), meaning=Meaning(load_model(model), 0.98))
    assert best.rows["line"].to_list() == [2, 4]


def bags(texts: list[str]) -> np.ndarray:
    """A vector of each text: how often it has each of some words."""
    return np.array([[text.split().count(f"w{i}") for i in range(400)] for text in texts], np.float32)


def test_every_pair_is_compared_and_none_that_stays_is_like_another(monkeypatch):
    monkeypatch.setattr("curation.semantic.BLOCK", 37)
    rows = corpus(3, count=200)
    done = drop_duplicates(rows, How(1.0), meaning=Meaning(bags, 0.9))
    stay = [(prompt_text(m), answer_text(m)) for m in done.rows["messages"].to_list()]
    sides = [bags([pair[side] for pair in stay]) for side in (0, 1)]
    sides = [v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9) for v in sides]
    alike = (sides[0] @ sides[0].T >= 0.9) & (sides[1] @ sides[1].T >= 0.9)
    assert not np.triu(alike, 1).any()
    gone = done.drops.filter(reason="semantic duplicate")
    assert gone.height > 10
    assert gone["similarity"].min() >= 0.9
    assert gone["answer_similarity"].min() >= 0.9
    assert set(gone["partner_line"]) <= set(done.rows["line"])
    monkeypatch.setattr("curation.semantic.BLOCK", BLOCK)
    assert drop_duplicates(rows, How(1.0), meaning=Meaning(bags, 0.9)).rows.equals(done.rows)


def test_the_order_of_the_file_does_not_matter():
    rows = corpus(5, count=120)
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=random.Random(1).randrange(99))
    one, other = (drop_duplicates(r, meaning=Meaning(bags, 0.9)) for r in (rows, shuffled))
    assert sorted(one.rows["line"]) == sorted(other.rows["line"])


def test_what_is_no_model_is_named(tmp_path):
    pytest.importorskip("model2vec")
    with pytest.raises(UserError, match=r"found by this name|no model can be loaded") as caught:
        load_model(str(tmp_path / "nothing"))
    assert "check the name" in caught.value.fix


def test_rows_of_one_meaning_with_other_labels_contradict_each_other():
    rows = corpus(5, count=60)
    rows = pl.concat([rows, rows.with_columns(meta=pl.lit('{"label":1}'), line=pl.col("line") + 1000)])
    done = drop_duplicates(rows, How(1.0, conflicts="keep_best"), meaning=Meaning(bags, 0.9))
    alone = drop_duplicates(rows.head(60), How(1.0), meaning=Meaning(bags, 0.9))
    assert drop_duplicates(rows, meaning=Meaning(bags, 0.9)).rows.height == 2 * alone.rows.height
    assert "conflicting label" in set(done.drops["reason"])


def test_no_rows_have_no_meaning():
    assert drop_duplicates(frame([]), meaning=Meaning(bags, 0.9)).rows.height == 0
