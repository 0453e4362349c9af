"""What the machine lacks comes with what to do about it."""

from __future__ import annotations

import importlib.metadata

import pytest

from loop.doctor import examine


def found() -> dict[str, dict[str, str]]:
    return {entry["what"]: entry for entry in examine()}


def test_every_entry_has_a_state_and_what_is_missing_has_a_fix() -> None:
    entries = found()
    assert {
        "python",
        "torch",
        "peft",
        "embedded model",
        "accelerator",
        "free disk",
        "processor cores",
    } <= set(entries)
    for entry in entries.values():
        assert entry["state"]
        assert entry["fix"] or entry["state"] != "missing"


def test_versions_are_those_installed() -> None:
    assert found()["transformers"]["state"] == importlib.metadata.version("transformers")


@pytest.mark.parametrize("key", [None, "secret-value"])
def test_the_key_is_looked_for_and_never_shown(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    if key:
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    else:
        monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    entry = found()["ANTHROPIC_API_KEY"]
    assert entry["state"] == ("there" if key else "missing")
    assert bool(entry["fix"]) is not bool(key)
    assert "secret-value" not in str(examine())
