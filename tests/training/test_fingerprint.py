"""Two directories have one fingerprint exactly when they hold one model."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.tiny import build_tiny_model
from training.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny, tmp_path / "copy")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_copy_elsewhere_is_the_same_model(tiny: Path, copy: Path) -> None:
    assert fingerprint(copy) == fingerprint(tiny)
    edit(copy / "config.json", transformers_version="99.0", _name_or_path="/elsewhere")
    assert fingerprint(copy) == fingerprint(tiny)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: flip(folder / "model.safetensors"),
        lambda folder: (folder / "model.safetensors").write_bytes(b"cut"),
        lambda folder: edit(folder / "config.json", rope_theta=5.0),
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: (folder / "chat_template.jinja").write_text("{{ messages }}"),
        lambda folder: (folder / "config.json").write_text("not JSON"),
    ],
)
def test_any_change_is_seen(tiny: Path, copy: Path, change: Callable[[Path], object]) -> None:
    change(copy)
    assert fingerprint(copy) != fingerprint(tiny)


def test_other_weights_of_the_same_shape_are_another_model(tiny: Path, tmp_path: Path) -> None:
    assert fingerprint(build_tiny_model(tmp_path / "other", seed=1)) != fingerprint(tiny)
