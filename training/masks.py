"""Say which tokens of a pack see which, in the form that the model's attention takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from curation.errors import UserError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

    from training.pack import Pack

_KNOWN = {"full_attention", "sliding_attention"}


def demand_packable(config: PretrainedConfig) -> None:
    """Refuse to pack for a model whose layers mix tokens in a way that a mask does not reach.

    Raises:
        UserError: a layer is neither full nor sliding attention.
    """
    others = set(getattr(_text(config), "layer_types", None) or ()) - _KNOWN
    if others:
        raise UserError(
            f"{config.model_type} has layers of {', '.join(sorted(others))}, which would mix packed rows",
            where="train.packing",
            fix="set train.packing to false",
        )


def sliding_window(config: PretrainedConfig) -> int | None:
    """Return how many tokens back the model's sliding layers see, themselves counted; None without such."""
    text = _text(config)
    kinds = getattr(text, "layer_types", None)
    window = getattr(text, "sliding_window", None)
    return window if window and (kinds is None or "sliding_attention" in kinds) else None


def attention_mask(model: PreTrainedModel, pack: Pack, virtual: int = 0, *, cached: bool = False) -> Any:  # noqa: ANN401 - a tensor, a block mask, a mapping, or None
    """Return what keeps the rows of a pack apart: a token sees its row and the row's prefix, up to itself.

    Args:
        model: Its configuration says which form is wanted, and whether layers slide.
        pack: T tokens.
        virtual: Trained tokens before the pack, which every row sees.
        cached: These are keys and values only, as in prefix tuning, and no tokens of the sequence.

    Returns:
        None where the pack is one plain row; a (1, 1, T, T) mask; or one for each kind of layer.
    """
    config = model.config
    if not virtual and _is_plain(pack):
        return None
    window = sliding_window(config)
    if window is None or int(pack.position_ids.max()) + virtual < window:
        return _in_form(model, pack, virtual, cached, None)
    windowed = _in_form(model, pack, virtual, cached, window)
    if getattr(_text(config), "layer_types", None) is None:
        return windowed
    whole = _in_form(model, pack, virtual, cached, None)
    return {"full_attention": whole, "sliding_attention": windowed}


def _text(config: PretrainedConfig) -> PretrainedConfig:
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _is_plain(pack: Pack) -> bool:
    tokens = pack.position_ids.shape[1]
    return int(pack.row.min()) == int(pack.row.max()) and int(pack.position_ids[0, -1]) == tokens - 1


def _in_form(model: PreTrainedModel, pack: Pack, virtual: int, cached: bool, window: int | None) -> Any:  # noqa: ANN401
    if model.config._attn_implementation == "flex_attention":
        return _blocks(pack, window)
    visible = _visible(pack, virtual, cached, window)[None, None]
    if model.config._attn_implementation != "eager":
        return visible
    # Eager attention adds its mask to the scores, so a boolean one would be added as 0 and 1.
    hidden = torch.finfo(model.dtype).min
    return torch.zeros_like(visible, dtype=model.dtype).masked_fill(~visible, hidden)


def _visible(pack: Pack, virtual: int, cached: bool, window: int | None) -> torch.Tensor:
    """Booleans (queries, keys), both with the virtual tokens first where there are any."""
    position = pack.position_ids[0] + virtual
    alike = pack.group[:, None] == pack.group[None, :]
    own = pack.segment[:, None] == pack.segment[None, :]
    visible = (alike & (own | (pack.segment == -1)[None, :])).tril()
    keys = torch.cat([torch.arange(virtual, device=position.device), position])
    queries = position if cached else keys
    above = 0 if cached else virtual
    visible = torch.nn.functional.pad(visible, (virtual, 0, above, 0), value=True)
    visible &= queries[:, None] >= keys[None, :]
    if window is not None:
        visible &= queries[:, None] - keys[None, :] < window
    return visible


def _blocks(pack: Pack, window: int | None) -> Any:  # noqa: ANN401 - torch's BlockMask is untyped
    from torch.nn.attention.flex_attention import create_block_mask

    segment, group, position = pack.segment, pack.group, pack.position_ids[0]

    def visible(_batch: Any, _head: Any, query: Any, key: Any) -> Any:  # noqa: ANN401
        same = (group[query] == group[key]) & ((segment[query] == segment[key]) | (segment[key] == -1))
        seen = same & (query >= key)
        return seen if window is None else seen & (position[query] - position[key] < window)

    length = position.numel()
    return create_block_mask(visible, None, None, length, length, device=position.device)
