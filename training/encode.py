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
    (row,) = encode_many(tokenizer, [messages])
    return row if len(row.ids) <= max_length else None


def encode_many(tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Messages]) -> list[Encoded]:
    """Encode conversations of any length, each as `encode` does; many at once take less time.

    Args:
        tokenizer: As for `encode`.
        conversations: Each ends with the answer to learn.

    Raises:
        UserError: as for `encode`.
    """
    texts = [_texts(tokenizer, messages) for messages in conversations]
    prompts = _tokenise(tokenizer, [prompt for prompt, _ in texts])
    wholes = _tokenise(tokenizer, [full for _, full in texts])
    return [_split(tokenizer, *row) for row in zip(texts, prompts, wholes, strict=True)]


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
    """Encode a conversation up to the point where the model's answer starts.

    Raises:
        UserError: it has no turn, or the template refuses it.
    """
    if not messages:
        raise UserError("a prompt without a turn", where="messages", fix="give at least one user turn")
    return _tokenise(tokenizer, [_render(tokenizer, messages, open_turn=True)])[0]


def stop_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's own and the chat template's, sorted."""
    exchange = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    (row,) = encode_many(tokenizer, [exchange])
    return sorted({row.answer_ids[-1], tokenizer.eos_token_id})


def _texts(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> tuple[str, str]:
    """The prompt up to where the answer starts, and the whole row up to where it ends."""
    if not messages or messages[-1]["role"] != "assistant":
        raise UserError(
            "a training row must end with an assistant message",
            where="messages",
            fix="add the answer, or remove the row",
        )
    prompt, full = _render(tokenizer, messages[:-1], open_turn=True), _render(tokenizer, messages)
    if not full.startswith(prompt):
        raise UserError(
            "the chat template renders the prompt differently once an answer follows it",
            where="chat_template",
            fix="use a base model whose template only appends (most instruct models)",
        )
    if tokenizer.chat_template:
        # Templates write a line break after the end-of-turn token; the model never has to produce it.
        full = full.rstrip()
        content = messages[-1].get("content")
        _demand_answer(tokenizer, full[len(prompt) :], content.strip() if isinstance(content, str) else "")
    return prompt, full


def _demand_answer(tokenizer: PreTrainedTokenizerBase, learned: str, answer: str) -> None:
    """Refuse a template that leaves the answer out, or that opens another turn behind it."""
    for token in [*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()]:
        learned, answer = learned.replace(token, ""), answer.replace(token, "")
    _, found, after = learned.rpartition(answer) if answer else ("", "", "")
    if answer and not learned.strip():
        problem = "the chat template leaves the answer out"
    elif found and after.strip():
        problem = f"the chat template writes {after.strip()!r} behind the answer, which would be learned"
    else:
        return
    fix = "use a base model whose template writes the assistant's turns, and opens one only when asked"
    raise UserError(problem, where="chat_template", fix=fix)


def _render(tokenizer: PreTrainedTokenizerBase, messages: Messages, *, open_turn: bool = False) -> str:
    if tokenizer.chat_template:
        chat = [dict(message) for message in messages]
        return _templated(tokenizer, chat, open_turn)
    if any(not isinstance(message["content"], str) for message in messages):
        raise TypeError("content must be text")
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


def _tokenise(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    # The template has already written the special tokens: added ones would be doubled.
    return [list(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]] if texts else []


def _split(
    tokenizer: PreTrainedTokenizerBase, texts: tuple[str, str], prompt_ids: list[int], full_ids: list[int]
) -> Encoded:
    prompt_text, full_text = texts
    answer_ids = full_ids[len(prompt_ids) :]
    if full_ids[: len(prompt_ids)] != prompt_ids:
        # The answer's first characters merged with the prompt's last token. The model will be asked to go on
        # from the prompt's own tokens, so that is what it must learn from.
        (answer_ids,) = _tokenise(tokenizer, [full_text[len(prompt_text) :]])
    if not answer_ids or answer_ids[-1] not in tokenizer.all_special_ids:
        answer_ids = [*answer_ids, tokenizer.eos_token_id]
    return Encoded(prompt_ids, answer_ids)
