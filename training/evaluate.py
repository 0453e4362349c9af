"""Score answers that are already known, without generating: exact match and mean loss."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from curation.errors import UserError
from training.encode import Encoded, Messages, encode
from training.model import LoadedModel, as_loaded, autocast, evaluating
from training.pack import answer_logits, answer_loss, pack
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


def mean_loss(
    loaded: LoadedModel, rows: Sequence[Encoded], precision: str = "auto", *, packing: bool = True
) -> float | None:
    """Return the loss in nats per answer token over all rows, or None when there are none."""
    if not rows:
        return None
    total = 0.0
    with _evaluating(loaded, precision):
        for batch in _batches(rows, _BATCH):
            packs = pack(batch, _size(packing))
            total += sum(answer_loss(loaded.model, one.to(loaded.model.device)).item() for one in packs)
    return total / sum(len(row.answer_ids) for row in rows)


def exact_share(
    loaded: LoadedModel, rows: Sequence[Encoded], precision: str = "auto", *, packing: bool = True
) -> float | None:
    """Return the share of rows that `exact_match` is true of, 0 to 1, or None when there are none."""
    if not rows:
        return None
    with _evaluating(loaded, precision):
        matched = [
            match for batch in _batches(rows, _BATCH) for match in _matches(loaded, batch, packing=packing)
        ]
    return sum(matched) / len(matched)


@contextlib.contextmanager
def _evaluating(loaded: LoadedModel, precision: str) -> Iterator[None]:
    was_training = loaded.model.training
    evaluating(loaded.model)
    try:
        with torch.no_grad(), autocast(loaded.model, precision):
            yield
    finally:
        loaded.model.train(was_training)


def _matches(loaded: LoadedModel, batch: Sequence[Encoded], *, packing: bool = True) -> list[bool]:
    matched = [True] * len(batch)
    for packed in pack(batch, _size(packing)):
        logits = answer_logits(loaded.model, packed.to(loaded.model.device))
        right = (logits.argmax(dim=-1).cpu() == packed.labels).tolist()
        for row, token_right in zip(packed.row.tolist(), right, strict=True):
            matched[row] = matched[row] and token_right
    return matched


def _size(packing: bool) -> int:
    return MAX_TOKENS if packing else 0


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
