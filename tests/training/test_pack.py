"""Packed rows are kept apart exactly: logits, loss and gradients are those of each row alone."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig, GPTNeoConfig, LlamaConfig

from curation.errors import UserError
from tests.training.shapes import PLAIN, WINDOWED, make
from training.alike import MIN_PREFIX, group_alike, shared_prefix
from training.apart import demand_apart
from training.encode import Encoded
from training.masks import demand_packable, sliding_window
from training.model import LoadedModel
from training.pack import answer_logits, answer_loss, pack
from training.plan import packed_tokens

PREFIX = list(range(10, 40))
ROWS = [
    Encoded([*PREFIX, 51, 52, 53], [60, 61, 1]),
    Encoded([*PREFIX, 54], [62, 1]),
    Encoded([*PREFIX, 51, 55, 56, 57, 58, 59], [63, 64, 65, 66, 1]),
    Encoded([*PREFIX, 54], [1]),
]
UNLIKE = [Encoded([70 + i, *range(71 + i, 90 + 2 * i)], [5 + i, 1]) for i in range(3)]
OTHER = list(range(100, 130))
SEVERAL = [ROWS[0], Encoded([*OTHER, 51], [60, 1]), UNLIKE[0], ROWS[1], Encoded([*OTHER, 54, 55], [61, 1])]
CASES = {"shared prefix": ROWS, "several prefixes": SEVERAL, "nothing shared": UNLIKE, "one row": ROWS[:1]}


@pytest.fixture(params=["sdpa", "eager"])
def model(request, tiny):
    return AutoModelForCausalLM.from_pretrained(tiny, attn_implementation=request.param).eval()


def _alone(model, row):
    """The logits that predict each answer token, by a plain forward pass over one row."""
    logits = model(input_ids=torch.tensor([row.ids])).logits[0]
    start = len(row.prompt_ids) - 1
    return logits[start : start + len(row.answer_ids)]


def in_order(packs, logits):
    """The logits of all packs in the order of the rows."""
    return logits[torch.cat([one.row for one in packs]).argsort(stable=True)]


def _gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("rows", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("max_tokens", [1024, 45])
def test_logits_loss_and_gradients_equal_those_of_rows_alone(model, rows, max_tokens):
    packs = pack(rows, max_tokens)
    alone = torch.cat([_alone(model, row) for row in rows])
    packed = in_order(packs, torch.cat([answer_logits(model, one) for one in packs]))
    torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-5)

    labels = torch.tensor([token for row in rows for token in row.answer_ids])
    expected = torch.nn.functional.cross_entropy(alone, labels, reduction="sum")
    loss = torch.stack([answer_loss(model, one) for one in packs]).sum()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(_gradients(model, loss), _gradients(model, expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", [*PLAIN, *WINDOWED])
def test_rows_are_kept_apart_on_every_architecture_and_behind_sliding_windows(name, attention):
    if name.startswith("gemma2") and attention == "sdpa":
        pytest.skip("transformers has no SDPA for Gemma 2")
    torch.manual_seed(0)
    model = make(name, attention).eval()
    packs = pack(SEVERAL, 60)
    alone = torch.cat([_alone(model, row) for row in SEVERAL])
    packed = in_order(packs, torch.cat([answer_logits(model, one) for one in packs]))
    torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-4)
    assert (sliding_window(model.config) is not None) == (name in WINDOWED)


def test_a_model_with_other_layers_than_attention_is_not_packed():
    config = LlamaConfig(num_hidden_layers=2)
    config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(UserError, match="linear_attention") as caught:
        demand_packable(config)
    assert caught.value.where == "train.packing"


def test_a_row_does_not_feel_its_neighbour(model):
    changed = [ROWS[0], Encoded([*PREFIX, 99], [98, 97, 1]), *ROWS[2:]]
    before, after = pack(ROWS)[0], pack(changed)[0]
    mine = answer_logits(model, before)[before.row != 1]
    still_mine = answer_logits(model, after)[after.row != 1]
    torch.testing.assert_close(still_mine, mine, rtol=1e-4, atol=1e-5)


def test_the_prefix_is_laid_out_once_per_pack():
    [one] = pack(ROWS)
    suffixes = sum(len(row.ids) - 1 - len(PREFIX) for row in ROWS)
    assert one.input_ids.shape == (1, len(PREFIX) + suffixes)


def test_packs_hold_at_most_max_tokens_and_every_label_once():
    packs = pack(ROWS * 10, 60)
    assert len(packs) > 1
    assert all(one.input_ids.shape[1] <= 60 for one in packs)
    assert sorted(row for one in packs for row in one.row.tolist()) == [
        i for i, row in enumerate(ROWS * 10) for _ in row.answer_ids
    ]


def test_a_row_longer_than_a_pack_gets_one_of_its_own():
    long = Encoded([*PREFIX, *range(100, 200)], [1])
    assert [one.input_ids.shape[1] for one in pack([ROWS[1], long], 50)] == [32, 130]


def test_equal_prompts_keep_a_token_each_to_predict_from():
    assert shared_prefix([PREFIX, PREFIX]) == len(PREFIX) - 1


@pytest.mark.parametrize("shared", [0, MIN_PREFIX - 1, MIN_PREFIX, 40])
def test_a_short_common_start_is_not_shared(shared):
    start = list(range(shared))
    prompts = [[*start, 101, 102, 7], [*start, 103], [*start, 101, 104]]
    assert shared_prefix(prompts) == (shared if shared >= MIN_PREFIX else 0)


def test_no_rows_make_no_packs():
    assert pack([]) == []


def test_rows_are_grouped_where_that_saves_most():
    prompts = [row.prompt_ids for row in SEVERAL]
    assert group_alike(prompts) == [(len(PREFIX), [0, 3]), (len(OTHER), [1, 4]), (0, [2])]


def test_a_short_start_that_all_share_does_not_hide_a_long_one():
    common = list(range(20))
    policy = [*common, *range(200, 300)]
    prompts = [[*policy, 1, 2], [*common, 7, 8], [*policy, 3], [*common, 9], [*policy, 4]]
    assert group_alike(prompts) == [(120, [0, 2, 4]), (20, [1, 3])]


def test_several_prefixes_cost_one_copy_each():
    [one] = pack(SEVERAL)
    alone = sum(len(row.ids) - 1 for row in SEVERAL)
    assert one.input_ids.shape == (1, alone - len(PREFIX) - len(OTHER))


@pytest.mark.parametrize("rows", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("max_tokens", [1024, 45])
def test_the_tokens_of_packs_are_known_without_making_them(rows, max_tokens):
    packs = pack(rows, max_tokens)
    assert packed_tokens(rows, max_tokens) == sum(one.input_ids.numel() for one in packs)
    assert packed_tokens([], max_tokens) == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="flex attention trains on CUDA")
@pytest.mark.parametrize("name", ["llama", "gemma", "mistral+window"])
def test_flex_attention_keeps_rows_apart_too(name):
    torch.manual_seed(0)
    flex = make(name, "flex_attention").cuda().eval()
    plain = make(name, "eager").cuda().eval()
    plain.load_state_dict(flex.state_dict())
    for rows in CASES.values():
        packs = [one.to(flex.device) for one in pack(rows)]
        loss = torch.stack([answer_loss(flex, one) for one in packs]).sum()
        expected = torch.stack([answer_loss(plain, one.to(flex.device)) for one in pack(rows, 0)]).sum()
        torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(_gradients(flex, loss), _gradients(plain, expected), rtol=1e-2, atol=1e-3)


def test_a_window_of_places_that_no_configuration_tells_is_found_out():
    torch.manual_seed(0)
    config = GPTNeoConfig(
        vocab_size=160,
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        window_size=40,
        max_position_embeddings=2048,
        initializer_range=0.2,
    )
    loaded = LoadedModel(AutoModelForCausalLM.from_config(config).eval(), None, None)
    rows = [Encoded([*range(2, 22), 30 + i], [60 + i, 1]) for i in range(20)]
    with pytest.raises(UserError, match="gpt_neo does not keep packed rows apart") as caught:
        demand_apart(loaded, rows, "fp32")
    assert "packing" in caught.value.fix


def test_a_model_that_cannot_read_the_mask_is_refused():
    config = BloomConfig(vocab_size=160, hidden_size=32, n_layer=2, n_head=2)
    loaded = LoadedModel(AutoModelForCausalLM.from_config(config).eval(), None, None)
    with pytest.raises(UserError, match="bloom cannot read packed rows"):
        demand_apart(loaded, [Encoded([*range(2, 22), 30 + i], [60 + i, 1]) for i in range(4)], "fp32")
