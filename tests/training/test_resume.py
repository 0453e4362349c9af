"""A run that was stopped or broken off goes on to the very same model; what cannot be trusted is refused."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch

from curation.errors import UserError
from tests.tiny import build_tokenizer
from training import job as job_module
from training.__main__ import main
from training.encode import encode
from training.job import StoppedError, run
from training.plan import packed_tokens
from training.state import ask_to_stop, claimed, read_state
from training.watch import without_gain


class KilledError(BaseException):
    """What no handler catches, as a kill."""


def _adapter(job):
    return (job / "model" / "adapter_model.safetensors").read_bytes()


def _metrics(job):
    return [json.loads(line) for line in (job / "metrics.jsonl").read_text().splitlines()]


def _killed_at(job, step):
    def progress(event):
        if event["step"] == step:
            raise KilledError

    with pytest.raises(KilledError):
        run(job, progress)


@pytest.fixture
def two_jobs(make_job):
    def make(**settings):
        chosen = {"epochs": 4, "batch_size": 5, "save_steps": 2, **settings}
        return make_job("whole", **chosen), make_job("broken", **chosen)

    return make


@pytest.mark.parametrize(
    "settings",
    [
        {"last_layers": 1},
        {"lora_dropout": 0.3, "activation_cache": "off", "gradient_accumulation_steps": 2},
        pytest.param({"method": "full", "learning_rate": 1e-3}, marks=pytest.mark.crash),
        pytest.param({"optim": "adafactor"}, marks=pytest.mark.crash),
        pytest.param({"method": "prompt-tuning"}, marks=pytest.mark.crash),
    ],
    ids=str,
)
def test_a_broken_off_run_goes_on_to_the_same_bits(two_jobs, settings):
    whole, broken = two_jobs(**settings)
    run(whole)
    _killed_at(broken, 4)
    resumed = []
    run(broken, resumed.append)
    assert 1 < resumed[0]["step"] <= 4
    names = ["model.safetensors"] if settings.get("method") == "full" else ["adapter_model.safetensors"]
    for name in names:
        assert (broken / "model" / name).read_bytes() == (whole / "model" / name).read_bytes()
    assert _metrics(broken) == _metrics(whole)
    assert not (broken / "checkpoints").exists()


def test_no_pickle_is_written(make_job):
    job = make_job(epochs=2, batch_size=5, save_steps=2)
    _killed_at(job, 5)
    endings = {path.suffix for path in job.rglob("*") if path.is_file()}
    assert endings == {".json", ".jsonl", ".safetensors"}


def test_a_job_that_is_asked_to_stop_stops_after_its_step_and_goes_on_later(two_jobs):
    whole, stopped = two_jobs()
    run(whole)

    def progress(event):
        if event["step"] == 3:
            assert read_state(stopped)["state"] == "running"
            ask_to_stop(stopped)

    with pytest.raises(StoppedError, match="after step 4"):
        run(stopped, progress)
    assert read_state(stopped)["state"] == "stopped"
    with pytest.raises(UserError, match="stopped, not running"):
        ask_to_stop(stopped)
    run(stopped)
    assert _adapter(stopped) == _adapter(whole)


def test_the_state_is_told_to_another_process(make_job, capsys):
    job = make_job(epochs=2, batch_size=5)
    assert read_state(job)["state"] == "prepared"
    _killed_at(job, 2)
    held = json.loads((job / "state.json").read_text())
    with claimed(job):
        (job / "state.json").write_text(json.dumps({**held, "state": "running"}))
        assert read_state(job)["state"] == "running"
    (job / "state.json").write_text(json.dumps({**held, "state": "running", "host": "another", "pid": 7}))
    with pytest.raises(UserError, match="process 7 on another runs this job already"):
        run(job)
    # Nobody holds the job: the number is another program's by now.
    (job / "state.json").write_text(json.dumps({**held, "state": "running", "pid": os.getppid()}))
    assert main(["status", str(job)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "interrupted"
    assert {"step", "total", "epoch", "loss", "learning_rate", "memory_mb", "tokens_per_second"} <= set(told)
    assert main(["stop", str(job)]) == 1
    assert main(["run", str(job / "nowhere")]) == 1
    assert not (job / "nowhere").exists()


@pytest.mark.parametrize(
    "name",
    [
        "weights.safetensors",
        pytest.param("optimizer.safetensors", marks=pytest.mark.crash),
        pytest.param("trainer_state.json", marks=pytest.mark.crash),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_name(make_job, name):
    job = make_job(epochs=2, batch_size=5, save_steps=2)
    _killed_at(job, 5)
    path = job / "checkpoints" / "step-00000004" / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match="damaged") as caught:
        run(job)
    assert caught.value.where == str(path)
    # Without it the run goes on from the one before.
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    seen = []
    run(job, seen.append)
    assert seen[0]["step"] == 3


@pytest.mark.parametrize("change", ["rows", pytest.param("settings", marks=pytest.mark.crash)])
def test_a_checkpoint_of_another_job_is_refused_and_fresh_begins_anew(make_job, change, rows):
    job = make_job(epochs=2, batch_size=5, save_steps=2)
    _killed_at(job, 3)
    if change == "rows":
        (job / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:9]))
    else:
        held = json.loads((job / "settings.json").read_text())
        (job / "settings.json").write_text(json.dumps(held | {"lora_rank": 4}))
    with pytest.raises(UserError, match="another job") as caught:
        run(job)
    assert caught.value.where.endswith("step-00000002")
    seen = []
    run(job, seen.append, fresh=True)
    assert seen[0]["step"] == 1


def test_a_folder_that_is_no_checkpoint_of_ours_is_refused(make_job):
    job = make_job(epochs=1)
    (job / "checkpoints" / "step-00000009").mkdir(parents=True)
    (job / "checkpoints" / "step-00000009" / "pytorch_model.bin").write_bytes(b"\x80\x04pickle")
    with pytest.raises(UserError, match="no checkpoint of ours"):
        run(job)


def test_at_most_the_limit_and_the_best_are_kept(make_job, rows):
    job = make_job(
        validation=rows[:4],
        epochs=4,
        batch_size=5,
        save_steps=1,
        save_total_limit=2,
        eval_strategy="steps",
        eval_steps=3,
        load_best_model_at_end=True,
        metric_for_best_model="score",
    )
    scores = iter([0.1, 0.9, 0.2, 0.3])
    with pytest.raises(KilledError):
        run(job, _kill_at(11), score=lambda _: next(scores))
    kept = sorted(path.name for path in (job / "checkpoints").glob("step-*"))
    assert kept == ["step-00000006", "step-00000009", "step-00000010"]
    result = run(job, score=lambda _: 0.3)
    assert (result["steps"], result["model_of_step"]) == (12, 6)


def _kill_at(step):
    def progress(event):
        if event["step"] == step:
            raise KilledError

    return progress


def test_the_best_model_is_the_one_that_is_written(make_job, rows):
    settings = {"validation": rows[:4], "epochs": 4, "batch_size": 5, "eval_strategy": "epoch"}
    whole = make_job("whole", **settings, load_best_model_at_end=True, metric_for_best_model="score")
    scores = iter([0.1, 0.9, 0.2, 0.3])
    seen = []
    best = run(whole, seen.append, score=lambda _: next(scores))
    assert best["model_of_step"] == 6
    scored = [event for event in seen if "validation_score" in event]
    assert [event["validation_score"] for event in scored] == [0.1, 0.9, 0.2, 0.3]
    assert best["validation_loss_after"] == pytest.approx(scored[1]["validation_loss"], rel=1e-4)


def test_a_run_without_gain_ends_early(make_job, rows):
    settings = {"validation": rows[:4], "epochs": 9, "batch_size": 6, "eval_strategy": "steps"}
    job = make_job(
        **settings, eval_steps=2, early_stopping_patience=2, metric_for_best_model="score", last_layers=1
    )
    scores = iter([0.1, 0.5, 0.4, 0.5, 0.9])
    assert run(job, score=lambda _: next(scores))["steps"] == 8


def test_a_run_killed_after_it_stopped_early_is_over(make_job, rows, monkeypatch):
    wrong = [{"id": "v", "messages": [rows[0]["messages"][0], {"role": "assistant", "content": "travel"}]}]
    settings = {"validation": wrong, "epochs": 30, "batch_size": 6, "learning_rate": 2e-2}
    settings |= {"eval_strategy": "steps", "eval_steps": 2, "save_steps": 2, "early_stopping_patience": 2}
    whole, broken = make_job("whole", **settings), make_job("broken", **settings)
    expected = run(whole)
    assert expected["steps"] < 60
    with monkeypatch.context() as patched:
        patched.setattr(job_module, "save_model", _fail)
        with pytest.raises(KilledError):
            run(broken)
    assert run(broken)["steps"] == expected["steps"]
    assert _adapter(broken) == _adapter(whole)


def _fail(*_):
    raise KilledError


def test_metrics_survive_a_run_that_cannot_go_on(make_job):
    job = make_job(epochs=6, batch_size=6, save_steps=3)
    _killed_at(job, 8)
    before = (job / "metrics.jsonl").read_text()
    newest = max((job / "checkpoints").glob("step-*"))
    (newest / "weights.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        run(job)
    assert (job / "metrics.jsonl").read_text() == before
    shutil.rmtree(newest)
    run(job)
    assert [line["step"] for line in _metrics(job)] == list(range(1, 13))


@pytest.mark.parametrize("change", [{"scheduler": {"base_lrs": [9.0]}}, {"identity": None}, {"step": 1}])
def test_a_changed_seal_is_refused(make_job, change):
    job = make_job(epochs=6, batch_size=6, save_steps=3)
    _killed_at(job, 8)
    seal = max((job / "checkpoints").glob("step-*")) / "checkpoint.json"
    seal.write_text(json.dumps(json.loads(seal.read_text()) | change))
    with pytest.raises(UserError, match="damaged") as caught:
        run(job)
    assert caught.value.where == str(seal)


@pytest.mark.parametrize("content", ["", "{}", '{"state": "running"}', "[]"])
def test_a_torn_state_file_does_not_keep_a_job_from_running(make_job, content):
    job = make_job(epochs=1, batch_size=6)
    (job / "state.json").write_text(content)
    assert read_state(job)["state"] == "interrupted"
    run(job)


def test_of_two_runs_of_one_job_the_second_is_refused(make_job):
    job = make_job(epochs=1)
    with claimed(job), pytest.raises(UserError, match="another process runs this job"):
        run(job)
    run(job)


def test_waiting_is_counted_from_the_last_gain():
    assert without_gain([], 0) == 0
    assert without_gain([3.0, 2.0, 1.0], 0) == 0
    assert without_gain([3.0, 2.0, 2.0, 2.5], 0) == 2
    assert without_gain([3.0, 2.95, 2.9], 0.2) == 2


def test_scoring_by_a_function_needs_the_function(make_job, rows):
    job = make_job(validation=rows[:2], eval_strategy="epoch", metric_for_best_model="score")
    with pytest.raises(UserError, match="no score function"):
        run(job)


@pytest.fixture
def short_memory(monkeypatch):
    """A machine whose memory holds so many tokens of a batch; a real forward pass fails beyond."""

    def limit(tokens, after=0):
        calls = []
        real = job_module.adapt

        def adapt(model, settings):
            def check(_module, _args, kwargs):
                given = kwargs.get("input_ids")
                given = kwargs["inputs_embeds"] if given is None else given
                calls.append(given.shape[1])
                if torch.is_grad_enabled() and given.shape[1] > tokens and len(calls) > after:
                    raise torch.OutOfMemoryError("CUDA out of memory")

            adapted = real(model, settings)
            adapted.register_forward_pre_hook(check, with_kwargs=True)
            return adapted

        monkeypatch.setattr(job_module, "adapt", adapt)

    return limit


def test_when_memory_runs_out_the_same_steps_go_on_in_smaller_batches(make_job, short_memory, rows):
    settings = {"epochs": 2, "batch_size": 12, "last_layers": 1}
    whole = make_job("whole", **settings)
    expected = run(whole)
    tokenizer = build_tokenizer()
    encoded = [encode(tokenizer, row["messages"], 512) for row in rows]
    short_memory(packed_tokens(encoded) - 1, after=4)
    short = make_job("short", **settings)
    notes = []
    result = run(short, lambda event: notes.append(event.get("note")))
    assert (result["batch_size"], result["gradient_accumulation_steps"]) == (6, 2)
    assert any(note and "batches of 6, 2 to a step" in note for note in notes)
    assert result["steps"] == expected["steps"]
    assert result["train_loss_last"] == pytest.approx(expected["train_loss_last"], rel=1e-4)


def test_when_one_row_is_too_much_the_message_says_what_to_lower(make_job, short_memory):
    short_memory(5)
    with pytest.raises(UserError, match="memory ran out with 1 row") as caught:
        run(make_job(epochs=1, batch_size=12))
    assert "max_length" in caught.value.fix


def test_a_loss_that_is_no_number_names_step_and_rows(make_job, monkeypatch):
    job = make_job(epochs=1, batch_size=4, learning_rate=10, max_grad_norm=0, warmup_steps=0, optim="sgd")
    text = (job / "train.jsonl").read_text()
    real = job_module.adapt

    def adapt(model, settings):
        model.get_output_embeddings().weight.data *= 1e30
        return real(model, settings)

    monkeypatch.setattr(job_module, "adapt", adapt)
    with pytest.raises(UserError, match=r"the loss became (nan|inf) at step \d, on the rows r\d+"):
        run(job)
    assert (job / "train.jsonl").read_text() == text
    assert read_state(job)["state"] == "failed"
