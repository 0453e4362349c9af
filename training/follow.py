"""Let a model go on by itself for as long as it says what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.answer import Growing
from training.encode import stop_ids
from training.generate import GenerateSettings, answer_batch

if TYPE_CHECKING:
    from collections.abc import Collection

    from training.model import LoadedModel
    from training.start import Start


def next_token(loaded: LoadedModel, tokens: list[int], start: Start) -> int:
    """The token that greedy generation chooses behind others, which begin with what `start` holds."""
    answer = Growing(0, tokens)
    answer_batch(loaded, [answer], start, GenerateSettings(max_new_tokens=1, batch_size=1))
    return answer.tokens[0]


def follow(
    loaded: LoadedModel,
    prompt: list[int],
    said: list[int],
    expected: str,
    meets: Collection[str],
    room: int,
    start: Start,
) -> tuple[list[int], str] | None:
    """Let greedy generation go on for as long as it says what is expected.

    Args:
        loaded: Model and tokenizer.
        prompt: Token ids.
        said: Those of the answer's beginning, which are taken for granted.
        expected: The text of the whole answer.
        meets: Beginnings of it at which generation may be left.
        room: So many tokens may the answer have.
        start: What the prompt starts with.

    Returns:
        The answer's tokens and text, up to its end or to one of these beginnings; None where it says
        something else, or has no end in its room.
    """

    def leaves(text: str) -> bool:
        # Half a character decodes to a replacement character until its other bytes are there.
        return text in meets or not expected.startswith(text.rstrip("\ufffd"))

    answer = Growing(0, prompt + said, list(said), leaves)
    settings = GenerateSettings(max_new_tokens=room - len(said), batch_size=1)
    answer_batch(loaded, [answer], start, settings)
    text = answer.text(loaded.tokenizer)
    ended = answer.tokens[-1] in stop_ids(loaded.tokenizer)
    return (answer.tokens, text) if (text == expected if ended else text in meets) else None
