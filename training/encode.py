"""Turn chat messages into token ids: the prompt, and the answer that carries the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from curation.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = Sequence[Mapping[str, str]]


class Encoded(NamedTuple):
    """Token ids of one row; the answer ends with the end-of-turn token."""

    prompt_ids: list[int]
    answer_ids: list[int]

    @property
    def ids(self) -> list[int]:
        """The whole row as the model reads it."""
        return self.prompt_ids + self.answer_ids


def encode(tokenizer: PreTrainedTokenizerBase, messages: Messages, max_length: int) -> Encoded | None:
    """Encode a conversation whose last message is the answer to learn.

    Args:
        tokenizer: With a chat template, or without one (then a plain `Role: text` layout is used).
        messages: Mappings with "role" and "content".
        max_length: The most tokens a row may have.

    Returns:
        The ids, or None when the row is longer than `max_length`: a cut answer would teach the model to stop
        in the middle, so callers leave such a row out and count it.

    Raises:
        UserError: the last message is not the assistant's, or the template rewrites the prompt afterwards.
    """
    if not messages or messages[-1]["role"] != "assistant":
        raise UserError(
            "a training row must end with an assistant message",
            where="messages",
            fix="add the answer, or remove the row",
        )
    prompt_text, full_text = _render(tokenizer, messages[:-1], open_turn=True), _render(tokenizer, messages)
    if not full_text.startswith(prompt_text):
        raise UserError(
            "the chat template renders the prompt differently once an answer follows it",
            where="chat_template",
            fix="use a base model whose template only appends (most instruct models)",
        )
    row = _split(tokenizer, prompt_text, full_text)
    return row if len(row.prompt_ids) + len(row.answer_ids) <= max_length else None


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
    """Encode a conversation up to the point where the model's answer starts."""
    return _tokenise(tokenizer, _render(tokenizer, messages, open_turn=True))


def stop_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's own and the chat template's, sorted."""
    exchange = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    prompt_text, full_text = _render(tokenizer, exchange[:-1], open_turn=True), _render(tokenizer, exchange)
    return sorted({_split(tokenizer, prompt_text, full_text).answer_ids[-1], tokenizer.eos_token_id})


def _render(tokenizer: PreTrainedTokenizerBase, messages: Messages, *, open_turn: bool = False) -> str:
    if tokenizer.chat_template:
        chat = [dict(message) for message in messages]
        return _templated(tokenizer, chat, open_turn)
    turns = [f"{message['role'].capitalize()}: {message['content']}" for message in messages]
    return "\n".join([*turns, "Assistant:"] if open_turn else turns)


def _templated(tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, str]], open_turn: bool) -> str:
    from jinja2 import TemplateError

    try:
        return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=open_turn))
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in chat)
        raise UserError(
            f"the model's chat template refuses this conversation ({roles}): {error}",
            where="messages",
            fix="bring the turns into the order that the model was made for, or use another base model",
        ) from error


def _tokenise(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    # The template has already written the special tokens: added ones would be doubled.
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _split(tokenizer: PreTrainedTokenizerBase, prompt_text: str, full_text: str) -> Encoded:
    # Templates write a line break after the end-of-turn token; the model never has to produce it.
    full_text = full_text.rstrip() if tokenizer.chat_template else full_text
    prompt_ids, full_ids = _tokenise(tokenizer, prompt_text), _tokenise(tokenizer, full_text)
    answer_ids = full_ids[len(prompt_ids) :]
    if full_ids[: len(prompt_ids)] != prompt_ids:
        # The answer's first characters merged with the prompt's last token. The model will be asked to go on
        # from the prompt's own tokens, so that is what it must learn from.
        answer_ids = _tokenise(tokenizer, full_text[len(prompt_text) :])
    if not answer_ids or answer_ids[-1] not in tokenizer.all_special_ids:
        answer_ids = [*answer_ids, tokenizer.eos_token_id]
    return Encoded(prompt_ids, answer_ids)
