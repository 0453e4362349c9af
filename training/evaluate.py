"""Score answers that are already known, without generating: loss, exact match, end of turn."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn.functional import cross_entropy

from curation.errors import UserError
from training.encode import Encoded, Messages, encode
from training.model import LoadedModel, as_loaded, autocast, evaluating
from training.pack import Pack, answer_logits, pack
from training.plan import MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BATCH = 64


def exact_match(
    loaded: LoadedModel,
    rows: Sequence[Messages],
    batch_size: int = _BATCH,
    precision: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> list[bool]:
    """Say for each row whether greedy generation would give exactly its answer, in the order given.

    An answer matches when every one of its tokens, the end-of-turn token included, is the likeliest after the
    prompt and the answer's own tokens before it: greedy decoding then takes them one by one.

    Args:
        loaded: Model and tokenizer.
        rows: Conversations whose last message is the expected answer.
        batch_size: Rows that share one computation of their common start.
        precision: "auto" is what the model was loaded in; another than that is refused.
        progress: Called with (rows done, rows in all) after each batch.

    Raises:
        UserError: a row does not fit the model's context, or the precision is not the model's.
    """
    matched: list[bool] = []
    with torch.inference_mode(), as_loaded(loaded, precision):
        for batch in _batches([_encode(loaded, i, row) for i, row in enumerate(rows)], batch_size):
            matched += _matches(loaded, batch)
            if progress:
                progress(len(matched), len(rows))
    return matched


class Measured(NamedTuple):
    """What a model makes of answers that are known."""

    loss: float
    """Nats per answer token."""
    exact_match: float
    """Share of rows that `exact_match` is true of, 0 to 1."""
    end_of_turn: float
    """Share of rows after whose answer the model would end its turn, 0 to 1."""


def measure(
    loaded: LoadedModel, rows: Sequence[Encoded], precision: str = "auto", *, packing: bool = True
) -> Measured | None:
    """Measure encoded rows in one pass over them; None when there are none."""
    if not rows:
        return None
    loss, matched, ended = 0.0, 0, 0
    with _evaluating(loaded, precision):
        for batch in _batches(rows, _BATCH):
            right = [True] * len(batch)
            for packed in pack(batch, MAX_TOKENS if packing else 0):
                logits = answer_logits(loaded.model, packed.to(loaded.model.device))
                loss += cross_entropy(logits.float(), packed.labels.to(logits.device), reduction="sum").item()
                ended += _compare(logits, packed, right)
            matched += sum(right)
    tokens = sum(len(row.answer_ids) for row in rows)
    return Measured(loss / tokens, matched / len(rows), ended / len(rows))


@contextlib.contextmanager
def _evaluating(loaded: LoadedModel, precision: str) -> Iterator[None]:
    was_training = loaded.model.training
    evaluating(loaded.model)
    try:
        with torch.no_grad(), autocast(loaded.model, precision):
            yield
    finally:
        loaded.model.train(was_training)


def _matches(loaded: LoadedModel, batch: Sequence[Encoded]) -> list[bool]:
    right = [True] * len(batch)
    for packed in pack(batch):
        _compare(answer_logits(loaded.model, packed.to(loaded.model.device)), packed, right)
    return right


def _compare(logits: torch.Tensor, packed: Pack, right: list[bool]) -> int:
    """Mark the rows with a token that is not the likeliest; return how many end-of-turn tokens are."""
    likeliest = (logits.argmax(dim=-1).cpu() == packed.labels).tolist()
    rows = packed.row.tolist()
    for row, likely in zip(rows, likeliest, strict=True):
        right[row] = right[row] and likely
    lasts = [i for i in range(len(rows)) if i + 1 == len(rows) or rows[i + 1] != rows[i]]
    return sum(likeliest[i] for i in lasts)


def _encode(loaded: LoadedModel, index: int, messages: Messages) -> Encoded:
    limit = int(getattr(loaded.model.config, "max_position_embeddings", 1 << 30))
    row = encode(loaded.tokenizer, messages, limit)
    if row is None:
        raise UserError(
            f"the row has more than the {limit} tokens the model can read",
            where=f"row {index}",
            fix="shorten the prompt or the answer",
        )
    return row


def _batches(rows: Sequence[Encoded], size: int) -> Iterator[Sequence[Encoded]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
