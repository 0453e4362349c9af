"""SIGKILL at random moments: the run goes on, and ends with the bits of an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from training.job import run
from training.metrics import read_metrics

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("kill_runner.py")
KILLS = 20
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.crash
def test_killed_twenty_times_the_run_ends_with_the_same_bits(make_job, rows):
    settings = {
        "validation": rows[:3],
        "epochs": 200,  # more work than twenty lives get done, on a fast machine too
        "batch_size": 4,
        "save_steps": 3,
        "lora_dropout": 0.1,
        "activation_cache": "off",
        "eval_strategy": "steps",
        "eval_steps": 10,
        "load_best_model_at_end": True,
    }
    whole, killed = make_job("whole", **settings), make_job("killed", **settings)
    expected = run(whole)
    draw = random.Random(9)
    kills, ended = 0, False
    while kills < KILLS and not ended:
        delay = draw.uniform(0, 0.6)
        command = [sys.executable, str(RUNNER), str(killed), str(delay)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        ended = done.returncode == 0
        kills += not ended
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        read_metrics(killed / "metrics.jsonl")
        if not ended:
            json.loads((killed / "state.json").read_text())
            assert not (killed / "result.json").exists()
    assert kills == KILLS
    result = run(killed) if not ended else json.loads((killed / "result.json").read_text())
    name = "model/adapter_model.safetensors"
    assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert read_metrics(killed / "metrics.jsonl") == read_metrics(whole / "metrics.jsonl")
    told = {"seconds"}
    assert {k: v for k, v in result.items() if k not in told} == {
        k: v for k, v in expected.items() if k not in told
    }
    given = {"settings.json", "manifest.json", "train.jsonl", "validation.jsonl"}
    left = {"metrics.jsonl", "state.json", "result.json", "curves.svg", "model"}
    assert {path.name for path in killed.iterdir()} == given | left
