"""A job directory goes in, a model and its measurements come out, the same every time."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from curation.errors import UserError
from tests.tiny import build_tokenizer
from training.__main__ import main
from training.encode import encode
from training.exact import exact_match
from training.job import run
from training.metrics import read_metrics
from training.model import load

ROOT = Path(__file__).parents[2]
LONG = {
    "id": "long",
    "messages": [{"role": "user", "content": "word " * 300}, {"role": "assistant", "content": "none"}],
}


def _adapter(job):
    return (job / "model" / "adapter_model.safetensors").read_bytes()


def _json(path):
    return json.loads(path.read_text())


def test_a_run_learns_its_rows_and_writes_what_it_promises(make_job, rows, tiny):
    job = make_job(
        train=[*rows, LONG], validation=[*rows[:3], LONG], epochs=15, batch_size=6, learning_rate=1e-2
    )
    seen = []
    result = run(job, seen.append)

    given = {"settings.json", "manifest.json", "train.jsonl", "validation.jsonl"}
    written = {"metrics.jsonl", "state.json", "result.json", "curves.svg", "model"}
    assert {path.name for path in job.iterdir()} == given | written
    assert sorted(path.name for path in (job / "model").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert _json(job / "result.json") == result
    state = _json(job / "state.json")
    assert (state["state"], state["step"], state["total"], state["seconds_left"]) == ("completed", 30, 30, 0)
    assert state["tokens_per_second"] > 0
    assert state["memory_mb"] > 0
    metrics = [json.loads(line) for line in (job / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == list(range(1, 31))
    assert all(set(line) == {"step", "epoch", "loss", "learning_rate", "grad_norm"} for line in metrics)
    assert [step["loss"] for step in seen] == [line["loss"] for line in metrics]

    assert result["snapshot"] == "snapshot-1"
    assert (result["rows"], result["left_out"]) == (12, ["long"])
    assert (result["validation_rows"], result["validation_left_out"]) == (3, ["long"])
    assert result["train_loss_last"] < result["train_loss_first"] / 4
    assert result["validation_loss_after"] < result["validation_loss_before"] / 4
    trained = load(tiny, job / "model", "fp32")
    assert sum(exact_match(trained, [row["messages"] for row in rows])) >= 10


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_job_gives_the_same_adapter_bit_for_bit(make_job, precision):
    first, second = (make_job(name, epochs=2, batch_size=5, precision=precision) for name in "ab")
    run(first)
    torch.rand(3)  # what the process drew before must not matter
    run(second)
    assert _adapter(first) == _adapter(second)
    before = _adapter(first)
    run(first)
    assert _adapter(first) == before


def test_another_seed_gives_another_adapter(make_job):
    first, second = make_job("a", epochs=1, seed=0), make_job("b", epochs=1, seed=1)
    run(first)
    run(second)
    assert _adapter(first) != _adapter(second)


def test_full_fine_tuning_writes_a_model_that_can_be_a_base(make_job, tiny):
    first = make_job("first", method="full", epochs=8, learning_rate=2e-3)
    result = run(first)
    assert result["train_loss_last"] < result["train_loss_first"]
    assert load(tiny, first / "model").model.config.model_type == "llama"
    chained = make_job("chained", base_model=str(first / "model"), epochs=1)
    assert run(chained)["train_loss_first"] < result["train_loss_first"]


@pytest.mark.parametrize(
    "extra", [{}, {"eval_strategy": "steps", "eval_steps": 1, "early_stopping_patience": 1}]
)
def test_a_run_of_fewer_steps_than_between_two_lines_has_its_last_one(make_job, rows, extra):
    job = make_job(validation=rows[:2], logging_steps=50, epochs=1, batch_size=6, **extra)
    result = run(job)
    assert result["steps"] == 2
    lines = [line for line in read_metrics(job / "metrics.jsonl") if "loss" in line]
    assert lines[-1]["step"] == 2
    assert (job / "model").is_dir()


def test_a_warm_up_longer_than_the_run_is_told(make_job):
    said = " ".join(run(make_job(epochs=1, batch_size=6, warmup_steps=100))["warnings"])
    assert "train.warmup_steps" in said


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"optim": "adamw_8bit"}, "optim"), ({"attention": "flex_attention"}, "attention")],
)
def test_what_this_machine_lacks_is_refused_before_anything_is_loaded(make_job, monkeypatch, settings, field):
    monkeypatch.setattr("training.adapters.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("torch.cuda.is_available", bool)
    with pytest.raises(UserError) as caught:
        run(make_job(**settings))
    assert caught.value.where == f"train.{field}"


def test_a_row_longer_than_the_model_reads_is_left_out_and_counted(make_job, tiny, rows, tmp_path):
    short = tmp_path / "short"
    shutil.copytree(tiny, short)
    config = json.loads((short / "config.json").read_text())
    lengths = sorted(len(encode(build_tokenizer(), row["messages"], 512).ids) for row in rows)
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": lengths[-1] - 1}))
    result = run(make_job(base_model=str(short), epochs=1))
    assert len(result["left_out"]) == sum(length == lengths[-1] for length in lengths)


def test_rows_that_are_no_text_are_named_by_line(make_job):
    job = make_job(epochs=1)
    first = (job / "train.jsonl").read_bytes().split(b"\n")[0]
    (job / "train.jsonl").write_bytes(first + b"\n\xff\n")
    with pytest.raises(UserError, match="UTF-8") as caught:
        run(job)
    assert caught.value.where.endswith("train.jsonl:2")


def test_the_activation_cache_changes_no_loss(make_job, rows):
    found = {}
    for how in ("off", "run", "kept"):
        settings = {"last_layers": 1, "epochs": 3, "batch_size": 4, "activation_cache": how}
        found[how] = [
            run(make_job(f"{how}{part}", train=rows[:count], **settings)) for part, count in ((0, 9), (1, 12))
        ]
    for name in ("train_loss_first", "train_loss_last"):
        for how in ("run", "kept"):
            for result, expected in zip(found[how], found["off"], strict=True):
                assert result[name] == pytest.approx(expected[name], rel=1e-4)


def test_a_torn_activation_cache_is_thrown_away(make_job):
    run(make_job("one", last_layers=1, epochs=1, activation_cache="kept"))
    job = make_job("two", last_layers=1, epochs=1, activation_cache="kept")
    (kept,) = (job.parent / "cache" / "activations").glob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:100])
    run(job)
    assert kept.stat().st_size > 100


def test_a_full_disk_is_told_as_such(make_job, monkeypatch):
    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("training.tensors.save_file", full)
    with pytest.raises(UserError, match="no disk space left"):
        run(make_job(epochs=2, batch_size=6, save_steps=2))


def test_qlora_learns_through_weights_of_four_bits(make_job, rows):
    pytest.importorskip("bitsandbytes")
    job = make_job(validation=rows[:3], method="qlora", epochs=15, batch_size=6, learning_rate=1e-2)
    result = run(job)
    assert result["train_loss_last"] < result["train_loss_first"] / 4


def test_threads_are_given_back(make_job):
    before = torch.get_num_threads()
    assert run(make_job(epochs=1, threads=2))["threads"] == 2
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("not json", "not a training row"),
        ('{"id": "x"}', "messages"),
        ('["x"]', "not a training row"),
        ('{"id": "x", "messages": [{"role": "user", "content": "q"}]}', "assistant"),
    ],
)
def test_a_bad_row_is_named_by_its_line(make_job, line, named):
    job = make_job()
    with (job / "train.jsonl").open("a") as stream:
        stream.write("\n" + line + "\n")
    with pytest.raises(UserError, match=named) as caught:
        run(job)
    assert caught.value.where == f"{job / 'train.jsonl'}:14"
    assert not (job / "result.json").exists()
    state = _json(job / "state.json")
    assert state["state"] == "failed"
    assert named in state["error"]


@pytest.mark.parametrize("missing", ["settings.json", "manifest.json", "train.jsonl", "validation.jsonl"])
def test_a_missing_file_is_named(make_job, missing):
    job = make_job()
    (job / missing).unlink()
    with pytest.raises(UserError) as caught:
        run(job)
    assert caught.value.where == str(job / missing)


@pytest.mark.parametrize(("train", "fix"), [([LONG], "max_length"), ([], "train split")])
def test_a_job_without_a_usable_row_is_refused(make_job, train, fix):
    with pytest.raises(UserError, match="no row") as caught:
        run(make_job(train=train))
    assert fix in caught.value.fix


def test_the_manifest_needs_an_id(make_job):
    job = make_job()
    (job / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match="id"):
        run(job)


def test_a_failed_run_leaves_no_model_of_an_earlier_one(make_job):
    job = make_job(epochs=1)
    run(job)
    (job / "train.jsonl").write_text("")
    with pytest.raises(UserError):
        run(job)
    assert not (job / "model").exists()
    assert not (job / "result.json").exists()


def test_the_command_says_what_is_wrong_and_returns_1(make_job, capsys):
    job = make_job()
    (job / "settings.json").write_text('{"epochs": 0}')
    assert main(["run", str(job)]) == 1
    captured = capsys.readouterr()
    assert "train.epochs" in captured.err
    assert captured.out == ""


ALLOWED = ("torch", "transformers", "peft", "accelerate")


def _modules_of_others():
    """Modules of all installed distributions but the allowed ones and those that they need themselves."""
    wanted, known = list(ALLOWED), set()
    while wanted:
        name = re.split(r"[^\w.-]", wanted.pop())[0].lower().replace("_", "-")
        if name not in known:
            known.add(name)
            with contextlib.suppress(PackageNotFoundError):
                wanted += [need for need in requires(name) or [] if "extra" not in need.partition(";")[2]]
    modules = packages_distributions().items()
    return {m for m, of in modules if not known & {d.lower().replace("_", "-") for d in of}}


def test_it_runs_with_torch_transformers_peft_and_accelerate_alone(make_job):
    job = make_job(epochs=1)
    absent = (_modules_of_others() | {"judge", "loop"}) - {"training", "curation"}
    assert {"polars", "duckdb", "datasets", "msgspec", "numba", "sklearn"} <= absent
    program = f"""
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
def find_others(name, path=None, target=None):
    return None if name.split(".")[0] in {sorted(absent)!r} else find(name, path, target)
PathFinder.find_spec = staticmethod(find_others)
from training.__main__ import main
code = main(["run", {str(job)!r}])
ours = sorted(name for name in sys.modules if name.split(".")[0] == "curation")
assert ours == ["curation", "curation.errors", "curation.files"], ours
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert _json(job / "state.json")["state"] == "completed"
    lines = done.stderr.splitlines()
    assert lines[0].startswith("step 1/2  loss ")
    assert [line.split()[0] for line in lines[2:4]] == ["loss", "learning_rate"]
    assert lines[4].startswith("warning: only 2 steps")
    assert lines[5].startswith("done: 2 steps")
