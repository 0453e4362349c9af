"""Rows counted in tokens, exactly as training encodes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.errors import UserError
from curation.rows import plain
from training.encode import encode_many
from training.plan import packed_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from training.encode import Encoded

CHUNK = 1000


class Counts(NamedTuple):
    """Tokens of rows.

    Attributes:
        prompt: Tokens of each row's prompt (rows,).
        answer: Tokens of each row's answer (rows,).
        shared: Tokens that training reads of rows that are not too long, batched in the order of the file.
    """

    prompt: NDArray[np.int64]
    answer: NDArray[np.int64]
    shared: int


def count_tokens(
    rows: pl.DataFrame,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    batch_size: int,
    progress: Callable[[int, int], None],
) -> Counts:
    """Count tokens.

    Args:
        rows: Rows with schema ROWS, each with an answer at its end.
        tokenizer: Of the model that is to be trained.
        max_length: Tokens; training leaves longer rows out.
        batch_size: Rows that training lays together.
        progress: Called with the rows done and all rows.

    Raises:
        UserError: A row cannot be trained on; names its line.
    """
    lengths: list[tuple[int, int]] = []
    fit: list[Encoded] = []
    shared = 0
    for start in range(0, rows.height, CHUNK):
        encoded = _encode(rows[start : start + CHUNK], tokenizer)
        lengths += [(len(row.prompt_ids), len(row.answer_ids)) for row in encoded]
        fit += [row for row in encoded if len(row.ids) <= max_length]
        while len(fit) >= batch_size:
            shared += packed_tokens(fit[:batch_size])
            fit = fit[batch_size:]
        progress(len(lengths), rows.height)
    shared += packed_tokens(fit)
    prompt, answer = np.array(lengths, np.int64).reshape(-1, 2).T
    return Counts(prompt, answer, shared)


def text_tokens(rows: pl.DataFrame, tokenizer: PreTrainedTokenizerBase) -> NDArray[np.int64]:
    """Tokens of the text of each row's turns (rows,); what a chat template adds is left out.

    Args:
        rows: Rows with schema ROWS.
        tokenizer: Of the model that is to be trained.
    """
    counts: list[int] = []
    for start in range(0, rows.height, CHUNK):
        lists = rows["messages"][start : start + CHUNK].to_list()
        texts = ["\n".join(turn["content"] or "" for turn in turns) for turns in lists]
        counts += [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    return np.array(counts, np.int64)


def _encode(rows: pl.DataFrame, tokenizer: PreTrainedTokenizerBase) -> list[Encoded]:
    conversations = [plain(messages) for messages in rows["messages"].to_list()]
    try:
        return encode_many(tokenizer, conversations)
    except UserError:
        for messages, source, line in zip(conversations, rows["source"], rows["line"], strict=True):
            try:
                encode_many(tokenizer, [messages])
            except UserError as fault:
                raise UserError(fault.problem, where=f"{source}:{line}", fix=fault.fix) from fault
        raise
