"""Every setting is checked, and each fault is named with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from curation.files import resource
from loop.config import load_config, rule_settings
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pathlib import Path

HELDOUT = '[[heldout]]\nname = "a"\nfile = "f"\nrubric = "r"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "regrind.toml"
    path.write_text(text, encoding="utf8")
    return path


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("seeds = 1", "", "`seeds`"),
        ("model = 3", "model", "Expected `str`"),
        ('model = ""', "model", "matching"),
        ('model = "../other"', "model", "matching"),
        ("[data]\nsed = []", "data", "`sed`"),
        ('[data]\nseed = "x.jsonl"', "data.seed", "Expected `array`"),
        ('[[heldout]]\nname = "a"', "heldout[0]", "`rubric`"),
        (HELDOUT + 'role = "goal"', "heldout[0].role", "goal"),
        (HELDOUT + HELDOUT, "", "one name"),
        ('[[curate.step]]\nstep = "bake"', "curate.step[0].step", "bake"),
        ("[[curate.step]]\nthreshold = 1", "curate.step[0]", "`step`"),
        ('[[curate.step]]\nstep = "dedup"\nthreshold = 0', "curate.step[0].threshold", "> 0"),
        ('[[curate.step]]\nstep = "redact"\nshare = 1', "curate.step[0]", "`share`"),
        ('[[curate.step]]\nstep = "redact"\nkinds = ["NAME"]', "curate.step[0].kinds[0]", "NAME"),
        ("[curate.split]\ntrain = 0.5", "curate.split", "add up to 1"),
        ('[judge]\nkind = "oracle"', "judge.kind", "oracle"),
        ("[judge]\nthreshold = 1.5", "judge.threshold", "<= 1"),
        ("[judge]\nthreshold = nan", "judge.threshold", ">= 0"),
        ("[judge]\nmax_corrections = -1", "judge.max_corrections", ">= 0"),
        ("[generate]\nmax_new_tokens = 0", "generate.max_new_tokens", ">= 1"),
        ("[gate]\nalpha = 0", "gate.alpha", "> 0"),
        ("[gate]\nrounds = 0", "gate.rounds", ">= 1"),
        ("[gate]\nregresion = 0.9", "gate", "`regresion`"),
        ("[rules]\nselct = []", "rules", "`selct`"),
        ('[rules]\nignore = ["X1"]', "rules.ignore", "'X1'"),
        ('[rules]\nlevels = {R304 = "fatal"}', "rules.levels[...]", "fatal"),
        ('[rules]\nlevels = {R9 = "info"}', "rules.levels", "'R9'"),
        ("[rules]\nmax_tokens = 0", "rules.max_tokens", ">= 1"),
        ("[train]\nepoch = 3", "train.epoch", "unknown setting"),
        ('[train]\nepochs = "many"', "train.epochs", "not a value"),
    ],
)
def test_a_wrong_setting_names_file_and_place(tmp_path: Path, text: str, place: str, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert caught.value.where == (f"{path}: {place}" if place else str(path))
    assert problem in caught.value.problem
    assert caught.value.fix


def test_what_is_not_toml_names_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, "[gate]\nalpha = \n")
    with pytest.raises(UserError, match="line 2") as caught:
        load_config(path)
    assert caught.value.where == str(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "regrind.toml"
    path.write_bytes(b"model = '\xff\xfe'\n")
    with pytest.raises(UserError, match="not TOML"):
        load_config(path)


def test_a_folder_without_a_configuration_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no workspace") as caught:
        load_config(tmp_path / "regrind.toml")
    assert "regrind init" in caught.value.fix


def test_the_scaffold_decodes_and_shows_the_defaults_of_training() -> None:
    config = load_config(resource("regrind.toml"))
    assert TrainSettings.from_dict(config.train) == TrainSettings()
    assert [held.role for held in config.heldout] == ["target"]


def test_the_demo_decodes_and_has_a_target_and_a_regression_set() -> None:
    config = load_config(resource("safety", "regrind.toml"))
    assert {held.role for held in config.heldout} == {"target", "regression"}
    assert type(config.curate.step[0]).__name__ == "Validate"
    assert config.data.pool
    assert config.data.references


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("", TrainSettings().max_length),
        ("[train]\nmax_length = 99", 99),
        ("[rules]\nmax_tokens = 7\n[train]\nmax_length = 99", 7),
    ],
)
def test_rows_may_be_as_long_as_training_takes_unless_the_rules_say_otherwise(
    tmp_path: Path, text: str, limit: int
) -> None:
    assert rule_settings(load_config(write(tmp_path, text))).max_tokens == limit
