"""Say whether greedy generation would give known answers, by feeding them instead of generating."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from curation.errors import UserError
from training.encode import Encoded, Messages, encode_many, stop_ids
from training.follow import follow, next_token
from training.forced import Forced, Place
from training.model import LoadedModel, as_loaded, context_of
from training.start import Start, read_start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BATCH = 64
_TRIES = 8
"""So often are tokens fed again that the model spells otherwise; then it says the rest by itself."""


def exact_match(
    loaded: LoadedModel,
    rows: Sequence[Messages],
    batch_size: int = _BATCH,
    precision: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> list[bool]:
    """Say for each row whether greedy generation would give exactly its answer, in the order given.

    That is: whether `generate`, with enough room, ends by itself and says what the answer's own tokens say.
    An answer's tokens are fed, and a row leaves with the first that is not the likeliest. Where rounding
    leaves a doubt that token is generated; where the same text may come by other tokens, the rest is, until
    it says something else. With bf16 weights the two are equal up to
    rounding, and so is generation in batches of two sizes.

    Args:
        loaded: Model and tokenizer.
        rows: Conversations whose last message is the expected answer.
        batch_size: Rows side by side.
        precision: "auto" is what the model was loaded in; another than that is refused.
        progress: Called with (rows done, rows in all) after each batch.

    Raises:
        UserError: a row does not fit the model's context, or the precision is not the model's.
    """
    if not rows:
        return []
    encoded = _encode(loaded, rows)
    # Prompts of like length side by side: the least padding.
    order = sorted(range(len(rows)), key=lambda i: len(encoded[i].prompt_ids))
    verdicts: dict[int, bool] = {}
    with torch.inference_mode(), as_loaded(loaded, precision):
        longest = max(len(row.prompt_ids) + _room(loaded, row) for row in encoded)
        start = read_start(loaded, [row.prompt_ids for row in encoded], longest)
        size = 1 if start.alone else batch_size
        for place in range(0, len(rows), size):
            numbers = order[place : place + size]
            for i, row in zip(numbers, _fed(loaded, [encoded[i] for i in numbers], start), strict=True):
                verdicts[i] = _decided(loaded, row, start)
            if progress:
                progress(len(verdicts), len(rows))
    return [verdicts[i] for i in range(len(rows))]


@dataclass
class _Row:
    """What is known of one row's answer so far."""

    row: Encoded
    read: int = 0
    """Tokens of the answer that were compared."""
    right: bool = True
    """None of them was certainly not the likeliest."""
    respelt: bool = False
    """The model may come to the same text by other tokens, or end elsewhere than the row."""
    doubts: list[int] = field(default_factory=list)
    """Places of tokens that were the likeliest, or were not, by no more than rounding."""

    @property
    def open(self) -> bool:
        """Whether there is more to learn from its tokens."""
        return self.right and not self.respelt and self.read < len(self.row.answer_ids)

    def see(self, loaded: LoadedModel, places: Sequence[Place]) -> None:
        """Take what the model makes of the next tokens, up to one that is certainly wrong."""
        for place in places:
            if place.lead < -place.rounding:
                self.right = False
                self.respelt = _may_say(loaded, self.row.answer_ids, self.read, place.other)
                return
            if place.lead <= place.rounding:
                self.doubts.append(self.read)
            self.read += 1


def _fed(loaded: LoadedModel, rows: Sequence[Encoded], start: Start) -> list[_Row]:
    """Feed answers until each has its verdict, or is in doubt."""
    ends = stop_ids(loaded.tokenizer)
    found = [_Row(row, respelt=not _ends_once(row.answer_ids, ends)) for row in rows]
    forced, left = Forced(loaded, rows, start), list(found)
    while any(row.open for row in left):
        forced.keep([i for i, row in enumerate(left) if row.open])
        left = [row for row in left if row.open]
        for row, places in zip(left, forced.read(), strict=True):
            row.see(loaded, places)
    return found


def _ends_once(answer: list[int], ends: Sequence[int]) -> bool:
    return answer[-1] in ends and not any(token in ends for token in answer[:-1])


def _may_say(loaded: LoadedModel, answer: list[int], place: int, other: int) -> bool:
    """Whether the answer's text may still come out with another token at a place."""
    said = _text(loaded, answer[:-1])
    if other in stop_ids(loaded.tokenizer):
        return said == _text(loaded, answer[:place])
    # Half a character decodes to a replacement character until its other bytes are there.
    return said.startswith(_text(loaded, [*answer[:place], other]).rstrip("\ufffd"))


def _text(loaded: LoadedModel, tokens: list[int]) -> str:
    return str(loaded.tokenizer.decode(tokens, skip_special_tokens=True))


def _decided(loaded: LoadedModel, found: _Row, start: Start, tries: int = _TRIES) -> bool:
    """Let the model say what is in doubt: a token where that is a place, more where it is the spelling."""
    row, ends = found.row, stop_ids(loaded.tokenizer)
    for place in found.doubts:
        said, token = row.answer_ids[:place], row.answer_ids[place]
        chosen = next_token(loaded, row.prompt_ids + said, start)
        if chosen != token and not (chosen in ends and token in ends):
            return _respelt(loaded, row, said, start, tries)
    return _respelt(loaded, row, row.answer_ids[: found.read], start, tries) if found.respelt else found.right


def _respelt(loaded: LoadedModel, row: Encoded, said: list[int], start: Start, tries: int) -> bool:
    """Whether the model says the same by other tokens: its own until they meet the row's, which are fed."""
    answer, ends = row.answer_ids, stop_ids(loaded.tokenizer)
    meets: dict[str, int] = {}
    if tries and _ends_once(answer, ends):
        meets = {_text(loaded, answer[:place]): place for place in range(len(said) + 1, len(answer))}
        meets = {text: place for text, place in meets.items() if not text.endswith("\ufffd")}
    room = _room(loaded, row)
    found = follow(loaded, row.prompt_ids, said, _text(loaded, answer[:-1]), meets, room, start)
    if found is None or found[0][-1] in ends:
        return found is not None
    spelt = found[0] + answer[meets[found[1]] :]
    if len(spelt) > room:
        return False
    (again,) = _fed(loaded, [row._replace(answer_ids=spelt)], start)
    return _decided(loaded, again, start, tries - 1)


def _room(loaded: LoadedModel, row: Encoded) -> int:
    """Tokens that an answer may have: another spelling may have more."""
    room, limit = 2 * len(row.answer_ids), context_of(loaded)
    return min(room, limit - len(row.prompt_ids)) if limit else room


def _encode(loaded: LoadedModel, rows: Sequence[Messages]) -> list[Encoded]:
    encoded, limit = encode_many(loaded.tokenizer, rows), context_of(loaded)
    for index, row in enumerate(encoded):
        if limit and len(row.ids) > limit:
            raise UserError(
                f"the row has more than the {limit} tokens the model can read",
                where=f"row {index}",
                fix="shorten the prompt or the answer",
            )
    return encoded
