"""Models load from safetensors, alone, under an adapter, or as a fine-tuned whole."""

from __future__ import annotations

import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model

from curation.errors import UserError
from training.model import as_loaded, dtype_of, load


def _logits(loaded):
    with torch.no_grad():
        return loaded.model(input_ids=torch.tensor([[5, 6, 7]])).logits


def test_an_adapter_changes_the_model_and_its_base_is_kept(tiny, tmp_path):
    plain = load(tiny, precision="fp32")
    adapted = get_peft_model(load(tiny, precision="fp32").model, LoraConfig(init_lora_weights=False))
    adapted.save_pretrained(tmp_path / "adapter")
    loaded = load(tiny, tmp_path / "adapter", "fp32")
    assert loaded.base == tiny
    torch.testing.assert_close(_logits(loaded), adapted.eval()(input_ids=torch.tensor([[5, 6, 7]])).logits)
    assert not torch.allclose(_logits(loaded), _logits(plain))


def test_a_fine_tuned_model_stands_in_for_the_base(tiny, tmp_path):
    other = load(tiny, precision="fp32")
    with torch.no_grad():
        other.model.model.norm.weight.mul_(2)
    other.model.save_pretrained(tmp_path / "whole")
    other.tokenizer.save_pretrained(tmp_path / "whole")
    loaded = load(tiny, tmp_path / "whole", "fp32")
    assert loaded.base == tiny
    torch.testing.assert_close(_logits(loaded), _logits(other))


def test_a_directory_that_is_neither_is_refused(tiny, tmp_path):
    with pytest.raises(UserError) as caught:
        load(tiny, tmp_path)
    assert caught.value.where == str(tmp_path)


def test_weights_in_another_format_are_refused(tiny, tmp_path):
    other = shutil.copytree(tiny, tmp_path / "other")
    (other / "model.safetensors").rename(other / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        load(other)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_file_is_a_message(tiny, tmp_path, name):
    broken = shutil.copytree(tiny, tmp_path / "broken")
    (broken / name).write_bytes((broken / name).read_bytes()[:40])
    with pytest.raises(UserError, match="the model cannot be read") as caught:
        load(broken)
    assert caught.value.where == str(broken)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_decides_the_weights_and_the_arithmetic(tiny, precision, dtype):
    loaded = load(tiny, precision=precision)
    assert {weight.dtype for weight in loaded.model.parameters()} == {dtype}
    with as_loaded(loaded, "auto"):
        assert torch.nn.functional.linear(torch.ones(1, 2), torch.ones(2, 2)).dtype == dtype


def test_another_precision_than_the_model_s_is_refused(tiny):
    with pytest.raises(UserError, match="loaded in fp32") as caught:
        as_loaded(load(tiny, precision="fp32"), "bf16")
    assert "bf16" in caught.value.fix


def test_auto_is_one_of_the_two():
    assert dtype_of("auto") in (torch.float32, torch.bfloat16)
