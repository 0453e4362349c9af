"""Rows that say the same in other words: cosine of embeddings, every pair compared, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curation.calls import with_calls
from curation.errors import UserError
from curation.labels import labels
from curation.near.removal import Removed
from curation.rows import answer_text, prompt_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import NDArray

BLOCK = 1024


class Meaning(NamedTuple):
    """How meaning is compared.

    Attributes:
        encode: Gives a vector for each text (texts, dimensions), any length.
        threshold: Smallest cosine of a duplicate, above 0 and up to 1.
    """

    encode: Callable[[list[str]], NDArray[np.float32]]
    threshold: float


def load_model(name: str) -> Callable[[list[str]], NDArray[np.float32]]:
    """The encoder of a static (model2vec) or sentence-transformers model.

    Args:
        name: A folder, or a name on the Hugging Face hub.

    Raises:
        UserError: The packages are not installed, or this is no such model.
    """
    try:
        from model2vec import StaticModel
    except ImportError as fault:
        problem, fix = "comparing by meaning needs the package model2vec", "pip install 'regrind[semantic]'"
        raise UserError(problem, where="--semantic", fix=fix) from fault
    try:
        model = StaticModel.from_pretrained(name)
    except (OSError, ValueError, KeyError):
        return _transformer(name)
    return lambda texts: np.asarray(model.encode(texts, max_length=None), np.float32)


def _transformer(name: str) -> Callable[[list[str]], NDArray[np.float32]]:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as fault:
        fix = "check the name; other models than model2vec's need `pip install sentence-transformers`"
        raise UserError("no static model is found by this name", where=name, fix=fix) from fault
    try:
        model: Any = SentenceTransformer(name)
    except (OSError, ValueError) as fault:
        raise UserError(f"no model can be loaded: {fault}", where=name, fix="check the name") from fault
    return lambda texts: np.asarray(model.encode(texts), np.float32)


def remove_alike(rows: pl.DataFrame, meaning: Meaning, *, drop_conflicting: bool) -> Removed:
    """Keep each row unless a better one that is kept means the same, in prompt, answer and labels.

    Args:
        rows: The columns `messages` and `meta` of rows, the best first.
        meaning: How they are compared.
        drop_conflicting: Whether a row with a similar prompt and another answer goes, too; its partner is
            then in the list of conflicts alone, and nobody is compared with it.

    Returns:
        What became of them, in place of members.
    """
    lists = [with_calls(messages) for messages in rows["messages"].to_list()]
    said = labels(rows["meta"]).rank("dense").fill_null(0).to_numpy()
    prompts, answers = (_vectors([part(m) for m in lists], meaning) for part in (prompt_text, answer_text))
    partner, likeness = np.full(len(lists), -1), np.zeros((2, len(lists)))
    stays = np.ones(len(lists), np.bool_)
    conflicts: list[tuple[int, int, float]] = []
    for first in range(0, len(lists), BLOCK):
        for row, before, cosines in _pairs(prompts, first, stays, meaning.threshold):
            others, similar = before[stays[before]], cosines[stays[before]]
            close = answers[others] @ answers[row]
            same = (close >= meaning.threshold) & (said[others] == said[row])
            if same.any():
                nearest = int(np.lexsort((others, -close, -similar, ~same))[0])
                partner[row] = others[nearest]
                likeness[:, row] = similar[nearest], close[nearest]
            else:
                conflicts += [(row, int(o), float(s)) for o, s in zip(others, similar, strict=True)]
            stays[row] = not (same.any() or (drop_conflicting and len(others)))
    columns = np.array(conflicts, float).reshape(-1, 3).T
    later, earlier = columns[0].astype(np.int64), columns[1].astype(np.int64)
    return Removed(partner, likeness[0], likeness[1], later, earlier, columns[2])


def _vectors(texts: list[str], meaning: Meaning) -> NDArray[np.float32]:
    """Vectors of length 1; of length 0 where a text has no known word, so that it is like nothing."""
    vectors = meaning.encode(texts) if texts else np.empty((0, 1), np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return found


def _pairs(
    vectors: NDArray[np.float32], first: int, stays: NDArray[np.bool_], threshold: float
) -> list[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Each row of a block that is similar to earlier ones that stay, with those and the similarities."""
    own = vectors[first : first + BLOCK]
    rows, others, similar = [], [], []
    for begin in range(0, first + len(own), BLOCK):
        cosines = own @ vectors[begin : begin + BLOCK].T
        here, there = np.nonzero((cosines >= threshold) & stays[begin : begin + BLOCK])
        earlier = begin + there < first + here
        rows.append(first + here[earlier])
        others.append(begin + there[earlier])
        similar.append(cosines[here[earlier], there[earlier]])
    row, other, cosine = (np.concatenate(side) for side in (rows, others, similar))
    order = np.argsort(row, kind="stable")
    which, starts = np.unique(row[order], return_index=True)
    other, cosine = other[order], cosine[order]
    ends = [*starts[1:], len(row)]
    return [(int(r), other[a:b], cosine[a:b]) for r, a, b in zip(which, starts, ends, strict=False)]
