"""A tokenizer from whatever a user may name, with the chat template that belongs to it."""

from __future__ import annotations

import pytest

from curation.errors import UserError
from tests.tiny import build_tokenizer
from training.encode import encode
from training.tokenizer import load_tokenizer

CHAT = [{"role": "user", "content": "my card"}, {"role": "assistant", "content": "cards"}]


@pytest.fixture
def folder(tmp_path):
    build_tokenizer().save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def test_a_folder_and_the_file_in_it_are_one_tokenizer(folder, tiny, tmp_path):
    expected = encode(build_tokenizer(), CHAT, 100)
    for name in (folder, folder / "tokenizer.json", tiny, tiny / "tokenizer.json"):
        assert encode(load_tokenizer(str(name), tmp_path), CHAT, 100) == expected


def test_a_bare_file_has_no_template_and_the_same_tokens(folder, tmp_path):
    bare = tmp_path / "bare.json"
    (folder / "tokenizer.json").rename(bare)
    tokenizer = load_tokenizer(str(bare), tmp_path)
    assert tokenizer.chat_template is None
    assert tokenizer("my card")["input_ids"] == build_tokenizer()("my card")["input_ids"]
    assert len(encode(tokenizer, CHAT, 100).answer_ids) == 1 + len(tokenizer(" cards")["input_ids"])


def test_what_is_no_tokenizer_is_a_message(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{}")
    for name in (tmp_path / "empty", tmp_path / "broken.json", "no-such-model", "no/such/model", "~nobody"):
        with pytest.raises(UserError) as caught:
            load_tokenizer(str(name), tmp_path)
        assert str(name) in caught.value.where
        assert caught.value.fix
