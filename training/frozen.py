"""Run the layers below the adapter once per row, not once per epoch: training does not change them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from training.alike import shared_prefix
from training.kept import keep, key_of, restore
from training.masks import attention_mask
from training.model import LoadedModel, autocast
from training.pack import Pack, pack
from training.plan import MAX_TOKENS
from training.together import first
from training.virtual import inner_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

    from training.encode import Encoded
    from training.settings import TrainSettings

_PLAIN_CHAINS = {"llama", "mistral", "qwen2", "qwen3"}
"""Architectures whose decoder does nothing between its layers, so that it can be started in the middle."""
_MOST_BYTES = 256 * 2**20
_BATCH = 64

Whole = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass
class States:
    """What the lower layers make of every token of every row; the shared prefix is held once."""

    layers: int
    """How many layers these are."""
    shared: int
    starts: torch.Tensor
    """(rows,): a row's token t past the shared prefix stands at `starts[row] + t`."""
    table: torch.Tensor
    """(tokens, width)"""

    def give(self, packed: Pack, rows: Sequence[int]) -> Pack:
        """Return the pack with its states; `rows` says which row each of its segments is."""
        places = self._places(torch.tensor(rows)[packed.owner], packed.position_ids[0])
        return packed._replace(states=self.table[places][None])

    def keep(self, packed: Pack, rows: Sequence[int], states: torch.Tensor) -> None:
        """Store a pack's (T, width) states."""
        for row in sorted(set(packed.row.tolist())):
            own = packed.segment == row
            # A prefix is kept for each of its rows: in another batch any of them may be the first.
            prefix = (packed.segment == -1) & (packed.group == packed.group[own][0])
            seen = own | prefix
            self.table[self._places(torch.tensor(rows[row]), packed.position_ids[0, seen])] = states[seen]

    def own(self, row: int) -> torch.Tensor:
        """The part of the table that is a row's own, past the shared prefix."""
        start = int(self.starts[row]) + self.shared
        ends = self.starts[row + 1] + self.shared if row + 1 < len(self.starts) else len(self.table)
        return self.table[start : int(ends)]

    def _places(self, row: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        return torch.where(position < self.shared, position, self.starts[row] + position)


def lower_states(
    loaded: LoadedModel, rows: Sequence[Encoded], settings: TrainSettings, kept: Path | None = None
) -> States | None:
    """Run the layers below the lowest trained one over all rows.

    Args:
        loaded: The model; what is to be trained requires gradients.
        rows: The encoded training rows.
        settings: Precision, and whether rows are packed.
        kept: Folder where states are kept from run to run; None: they are computed anew.

    Returns:
        The states, or None where that does not pay or is not safe: nothing is frozen, the architecture is not
        known to be a plain chain of layers, or the states would take more than 256 MiB.
    """
    layers = _frozen_layers(loaded.model)
    if not layers or settings.activation_cache == "off":
        return None
    empty = _empty(loaded.model, layers, rows)
    if empty.table.numel() * empty.table.element_size() > _MOST_BYTES:
        return None
    if kept is None:
        _fill(loaded, empty, rows, range(len(rows)), settings)
        return empty
    key = key_of(loaded, empty, rows, settings.precision)
    missing = restore(kept, key, empty, rows)
    if missing:
        _fill(loaded, empty, rows, missing, settings)
        if first():
            keep(kept, key, empty, rows)
    return empty


def _fill(
    loaded: LoadedModel,
    states: States,
    rows: Sequence[Encoded],
    missing: Sequence[int],
    settings: TrainSettings,
) -> None:
    max_tokens = MAX_TOKENS if settings.packing else 0
    only = _only(loaded.model, slice(states.layers))
    with torch.no_grad(), autocast(loaded.model, settings.precision), only:
        for start in range(0, len(missing), _BATCH):
            numbers = missing[start : start + _BATCH]
            for packed in pack([rows[i] for i in numbers], max_tokens):
                states.keep(packed, numbers, _run(loaded.model, packed.to(loaded.model.device)).cpu())


@contextlib.contextmanager
def upper_part(model: PreTrainedModel, states: States | None) -> Iterator[Whole]:
    """Leave the model only the layers above the states while the context lasts.

    Yields:
        A context in which the model has all its layers again.
    """
    if states is None:
        yield contextlib.nullcontext
        return
    layers = model.get_decoder().layers
    with _only(model, slice(states.layers, None)):
        yield partial(_with_layers, model, layers)


@contextlib.contextmanager
def _with_layers(model: PreTrainedModel, layers: torch.nn.ModuleList) -> Iterator[None]:
    decoder = model.get_decoder()
    upper, decoder.layers = decoder.layers, layers
    try:
        yield
    finally:
        decoder.layers = upper


def _frozen_layers(model: PreTrainedModel) -> int:
    if model.config.model_type not in _PLAIN_CHAINS or model.config.attention_dropout:
        return 0
    if inner_model(model) is not model:  # virtual tokens change what every layer sees
        return 0
    if len(set(getattr(model.config, "layer_types", None) or ())) > 1:  # a layer's kind goes by its number
        return 0
    decoder = model.get_decoder()
    if any(weight.requires_grad for weight in decoder.embed_tokens.parameters()):
        return 0
    trained = [any(weight.requires_grad for weight in layer.parameters()) for layer in decoder.layers]
    return trained.index(True) if any(trained) else 0


def _empty(model: PreTrainedModel, layers: int, rows: Sequence[Encoded]) -> States:
    shared = shared_prefix([row.prompt_ids for row in rows])
    own = torch.tensor([len(row.ids) - 1 - shared for row in rows])
    ends = shared + own.cumsum(0)
    # A state that was not kept would be read as NaN, which stops the run, and not as whatever lies there.
    table = torch.full((int(ends[-1]), model.config.hidden_size), torch.nan, dtype=model.dtype)
    return States(layers, shared, ends - own - shared, table)


def _run(model: PreTrainedModel, packed: Pack) -> torch.Tensor:
    output = model.get_decoder()(
        input_ids=packed.input_ids,
        position_ids=packed.position_ids,
        attention_mask=attention_mask(model, packed),
        use_cache=False,
    )
    states: torch.Tensor = output.last_hidden_state[0]
    return states


@contextlib.contextmanager
def _only(model: PreTrainedModel, part: slice) -> Iterator[None]:
    decoder = model.get_decoder()
    layers, norm = decoder.layers, decoder.norm
    decoder.layers = layers[part]
    if part.stop is not None:
        # The final norm belongs after the last layer, and this is not the last.
        decoder.norm = torch.nn.Identity()
    try:
        yield
    finally:
        decoder.layers, decoder.norm = layers, norm
