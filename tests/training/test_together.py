"""Two processes under a launcher train as one does, and only the first one writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from curation.errors import UserError
from training.batches import NOBODY, RowOrder
from training.job import run

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
TORCHRUN = ["torch.distributed.run", "--nproc-per-node=2", "--master-port=29531"]
ACCELERATE = ["accelerate.commands.launch", "--num_processes=2", "--num_machines=1", "--mixed_precision=no"]
ACCELERATE += ["--dynamo_backend=no", "--main_process_port=29532"]
LAUNCH = [sys.executable, "-m"]


@pytest.mark.crash
@pytest.mark.parametrize("launcher", [TORCHRUN, [*ACCELERATE, "--multi_gpu"]], ids=["torchrun", "accelerate"])
def test_two_processes_train_as_one_does(make_job, rows, launcher):
    # Nine rows in batches of four: the last one is one process's alone.
    settings = {"train": rows[:9], "validation": rows[9:], "epochs": 2, "batch_size": 4, "last_layers": 1}
    settings |= {"eval_strategy": "epoch", "save_steps": 2}
    one, two = make_job("one", **settings), make_job("two", **settings)
    expected = run(one)
    command = [*LAUNCH, *launcher, "-m", "training", "run", str(two)]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((two / "result.json").read_text())
    assert result["processes"] == 2
    for name in ("steps", "rows", "answer_tokens"):
        assert result[name] == expected[name]
    for name in ("train_loss_first", "train_loss_last", "validation_loss_after"):
        assert result[name] == pytest.approx(expected[name], rel=1e-4)
    name = "model/adapter_model.safetensors"
    mine, theirs = load_file(one / name), load_file(two / name)
    for key, weight in mine.items():
        assert (weight - theirs[key]).abs().max() < 1e-4
    assert len((two / "metrics.jsonl").read_text().splitlines()) == result["steps"] + 2
    assert done.stderr.count("done: ") == 1
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}


@pytest.mark.crash
def test_fsdp_is_refused_by_each_process_with_what_to_use(make_job):
    job = make_job(epochs=1)
    command = [*LAUNCH, *ACCELERATE, "--use_fsdp", "--fsdp_version=2", "-m", "training", "run", str(job)]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FSDP and DeepSpeed keep the model in parts" in done.stderr
    assert not (job / "model").exists()


def test_a_batch_that_processes_cannot_share_is_refused(make_job, monkeypatch):
    monkeypatch.setattr("training.possible.processes", lambda: 4)
    with pytest.raises(UserError, match="cannot share a batch of 10") as caught:
        run(make_job())
    assert caught.value.where == "train.batch_size"


def test_a_model_in_parts_is_refused(make_job, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match="FSDP"):
        run(make_job())


@pytest.mark.parametrize(("rows", "batch"), [(9, 4), (8, 4), (1, 3)])
def test_each_epoch_has_every_row_once_in_whole_batches(rows, batch):
    order = RowOrder(rows, batch, seed=3)
    epochs = []
    for epoch in range(3):
        order.set_epoch(epoch)
        numbers = list(order)
        assert len(numbers) == len(order) == -(-rows // batch) * batch
        assert sorted(n for n in numbers if n != NOBODY) == list(range(rows))
        assert NOBODY not in numbers[:rows]
        epochs.append(numbers)
    assert rows == 1 or epochs[0] != epochs[1]
    order.set_epoch(0)
    assert list(order) == epochs[0]
