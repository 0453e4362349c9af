"""Let a model go on by itself for as long as it says what is expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.answer import Growing
from training.generate import GenerateSettings, answer_batch

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from transformers import PreTrainedTokenizerBase

    from training.model import LoadedModel
    from training.start import Start


@dataclass
class _Following(Growing):
    """An answer that ends where it says something else than is expected."""

    expected: str = ""

    def add(
        self,
        token: int,
        entropy: float,
        ends: Collection[int],
        stops: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        super().add(token, entropy, ends, stops, tokenizer)
        # Half a character decodes to a replacement character until its other bytes are there.
        self.stopped |= not self.expected.startswith(self.text(tokenizer).rstrip("\ufffd"))


def next_token(loaded: LoadedModel, tokens: list[int], start: Start) -> int:
    """The token that greedy generation chooses behind others, which begin with what `start` holds."""
    answer = Growing(0, tokens)
    answer_batch(loaded, [answer], start, GenerateSettings(max_new_tokens=1, batch_size=1))
    return answer.tokens[0]


def comes_to(
    loaded: LoadedModel, prompt: list[int], said: list[int], expected: str, room: int, start: Start
) -> bool:
    """Say whether greedy generation comes to a text.

    Args:
        loaded: Model and tokenizer.
        prompt: Token ids.
        said: Those of the answer's beginning, which are taken for granted.
        expected: The text of the whole answer.
        room: So many tokens may the answer have.
        start: What the prompt starts with.
    """
    answer = _Following(0, prompt + said, list(said), expected=expected)
    settings = GenerateSettings(max_new_tokens=room - len(said), batch_size=1)
    answer_batch(loaded, [answer], start, settings)
    found = answer.finish(loaded.tokenizer, 0.0)
    return found.finish_reason == "stop" and found.text == expected
