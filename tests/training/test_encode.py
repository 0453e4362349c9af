"""Rows become token ids: only the answer and its end-of-turn token carry the loss."""

from __future__ import annotations

import pytest

from curation.errors import UserError
from tests.tiny import CHAT_TEMPLATE, build_tokenizer
from training.encode import encode, encode_many, encode_prompt, stop_ids


@pytest.fixture
def tokenizer():
    return build_tokenizer()


def _chat(answer="cards", question="my card"):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def test_the_answer_ends_with_the_end_of_turn_token(tokenizer):
    row = encode(tokenizer, _chat(), 100)
    assert tokenizer.decode(row.answer_ids) == "cards<|im_end|>"
    assert tokenizer.decode(row.prompt_ids).endswith("<|im_start|>assistant\n")


def test_the_prompt_is_what_generation_sees(tokenizer):
    assert encode(tokenizer, _chat(), 100).prompt_ids == encode_prompt(tokenizer, _chat()[:-1])


def test_earlier_answers_belong_to_the_prompt(tokenizer):
    row = encode(tokenizer, _chat("first") + _chat("second"), 200)
    assert "first" in tokenizer.decode(row.prompt_ids)
    assert tokenizer.decode(row.answer_ids) == "second<|im_end|>"


@pytest.mark.parametrize("answer", ["\ncards", " cards ", "", "é"])
def test_an_answer_that_could_merge_with_the_prompt_keeps_its_own_tokens(tokenizer, answer):
    row = encode(tokenizer, _chat(answer), 100)
    assert row.prompt_ids == encode_prompt(tokenizer, _chat()[:-1])
    assert tokenizer.decode(row.answer_ids) == f"{answer}<|im_end|>"


def test_a_prompt_merging_with_the_answer_is_split_where_generation_starts():
    tokenizer = build_tokenizer()
    tokenizer.chat_template = "{{ 'ca' }}{% if messages|length > 1 %}{{ messages[1]['content'] }}{% endif %}"
    assert (
        tokenizer("ca")["input_ids"] != tokenizer("cards")["input_ids"][: len(tokenizer("ca")["input_ids"])]
    )
    row = encode(tokenizer, _chat("rds"), 100)
    assert row.prompt_ids == encode_prompt(tokenizer, _chat()[:-1])
    assert tokenizer.decode(row.answer_ids) == "rds<|im_end|>"


def test_a_row_is_never_cut(tokenizer):
    row = encode(tokenizer, _chat(), 100)
    assert encode(tokenizer, _chat(), len(row.ids)) == row
    assert encode(tokenizer, _chat(), len(row.ids) - 1) is None


def test_without_a_chat_template_a_plain_layout_ends_with_eos(tokenizer):
    tokenizer.chat_template = None
    row = encode(tokenizer, _chat(), 100)
    assert tokenizer.decode(row.prompt_ids) == "User: my card\nAssistant:"
    assert tokenizer.decode(row.answer_ids) == " cards<|im_end|>"
    assert row.prompt_ids == encode_prompt(tokenizer, _chat()[:-1])


def test_a_row_without_an_answer_is_refused(tokenizer):
    with pytest.raises(UserError, match="assistant"):
        encode(tokenizer, _chat()[:-1], 100)


def test_a_template_that_rewrites_the_prompt_is_refused(tokenizer):
    tokenizer.chat_template = "{{ messages|length }}" + CHAT_TEMPLATE
    with pytest.raises(UserError) as caught:
        encode(tokenizer, _chat(), 100)
    assert caught.value.where == "chat_template"


def test_a_template_that_refuses_the_turns_is_a_message(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(UserError, match="roles must alternate") as caught:
        encode_prompt(tokenizer, _chat()[:-1])
    assert caught.value.fix


def test_generation_stops_at_the_template_s_end_and_at_eos(tokenizer):
    assert stop_ids(tokenizer) == [tokenizer.eos_token_id]
    tokenizer.eos_token = "<|im_start|>"
    assert stop_ids(tokenizer) == sorted(tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]))


def test_many_are_encoded_as_each_alone(tokenizer):
    chats = [_chat("cards"), _chat("ä ü") + _chat(" second "), _chat(""), _chat("rds " * 30)]
    for template in (tokenizer.chat_template, None):
        tokenizer.chat_template = template
        assert encode_many(tokenizer, chats) == [encode(tokenizer, chat, 10_000) for chat in chats]
    assert encode_many(tokenizer, []) == []


def test_a_template_that_leaves_the_answer_out_is_refused(tokenizer):
    asked = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    tokenizer.chat_template = asked + "<|im_start|>assistant<|im_end|>"
    with pytest.raises(UserError, match="leaves the answer out"):
        encode(tokenizer, _chat(), 100)


@pytest.mark.parametrize("content", [None, ["x"], {"a": 1}, 5])
def test_without_a_template_only_text_is_learnt(tokenizer, content):
    tokenizer.chat_template = None
    with pytest.raises(TypeError):
        encode(tokenizer, _chat(content), 100)


@pytest.mark.parametrize(
    "answer", ["cards", "b", "im_end", "assistant", "a <|im_end|> in the middle", " b\n"]
)
def test_an_answer_may_be_any_text(tokenizer, answer):
    assert encode(tokenizer, _chat(answer), 100) is not None


def test_a_template_that_always_opens_a_turn_is_refused(tokenizer):
    tokenizer.chat_template = CHAT_TEMPLATE.replace("{% if add_generation_prompt %}", "{% if true %}")
    with pytest.raises(UserError, match="writes 'assistant' behind the answer"):
        encode(tokenizer, _chat(), 100)


def test_a_prompt_without_a_turn_is_refused(tokenizer):
    with pytest.raises(UserError, match="without a turn"):
        encode_prompt(tokenizer, [])
