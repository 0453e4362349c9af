"""One answer as it grows: tokens, text, where it stops, and what may be shown of it already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Answer:
    """One answer, with what it took to produce it."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    output_tokens: int
    """The end-of-turn token counts as one."""
    mean_entropy: float | None
    """Nats per output token, of the model's own distribution; None where a server tells none."""
    seconds: float
    """This answer's even share of its batch's time."""


@dataclass
class Growing:
    """An answer in the making.

    Attributes:
        index: Number of its prompt.
        prompt: The prompt's token ids.
        tokens: Those of the answer so far.
        until: Whether an answer with this text may stop before its end.
    """

    index: int
    prompt: list[int]
    tokens: list[int] = field(default_factory=list)
    until: Callable[[str], bool] | None = None
    entropy: float = 0.0
    stopped: bool = False
    _ended: bool = False
    _cut: int | None = None
    _shown: int = 0

    def add(
        self,
        token: int,
        entropy: float,
        ends: Collection[int],
        stops: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        """Take the next token, unless the answer is complete."""
        if self.stopped:
            return
        self.tokens.append(token)
        self.entropy += entropy
        self.stopped = self._ended = token in ends
        if self.until and not self._ended:
            self.stopped = self.until(self.text(tokenizer))
        if stops and not self._ended:
            text = self.text(tokenizer)
            found = [place for place in (text.find(stop) for stop in stops) if place >= 0]
            if found:
                self.stopped, self._cut = True, min(found)

    def text(self, tokenizer: PreTrainedTokenizerBase) -> str:
        """The text so far, without the end of turn and the stop string."""
        said = self.tokens[:-1] if self._ended else self.tokens
        return str(tokenizer.decode(said, skip_special_tokens=True))[: self._cut]

    def fresh(self, tokenizer: PreTrainedTokenizerBase, stops: Sequence[str], *, last: bool) -> str:
        """The text that was not shown before; what may still become a stop string is held back."""
        text = self.text(tokenizer)
        if not (self.stopped or last):
            # Half a character decodes to a replacement character until its other bytes are there.
            text = text[: len(text) - max([0, *(len(stop) - 1 for stop in stops)])].rstrip("\ufffd")
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new

    def finish(self, tokenizer: PreTrainedTokenizerBase, seconds: float) -> Answer:
        """The complete answer."""
        return Answer(
            text=self.text(tokenizer),
            finish_reason="stop" if self.stopped else "length",
            prompt_tokens=len(self.prompt),
            output_tokens=len(self.tokens),
            mean_entropy=self.entropy / len(self.tokens),
            seconds=seconds,
        )
