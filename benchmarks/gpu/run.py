# ruff: noqa: ANN401 - the peers and their data are untyped
"""LoRA on one GPU: ours beside transformers' Trainer, TRL and Unsloth where installed. Needs no network.

Random weights of a 1B and an 8B shape, rows of 2,048 tokens of which a policy prompt is shared. It measures
tokens a second, peak memory, and the share of the chip's bf16 matrix rate, which it measures first; and that
packed rows have the loss and gradients of rows alone, with SDPA and with flex attention.

`python benchmarks/gpu/run.py` (8 minutes at most; `--tiny` runs all of it in miniature on a CPU)
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from record import record
from transformers import AutoModelForCausalLM, LlamaConfig

from training.adapters import adapt
from training.encode import Encoded
from training.memory import is_out_of_memory, release
from training.model import LoadedModel, device
from training.pack import answer_loss, pack
from training.settings import TrainSettings
from training.trainer import Run, train

BUDGET = 8 * 60.0


class Shape(NamedTuple):
    """Sizes of a model, and of the rows it is trained on."""

    width: int
    inside: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    tokens: int
    rows: int


SHAPES = {
    "1B": Shape(2048, 8192, 16, 32, 8, 128_256, 2048, 8),
    "8B": Shape(4096, 14_336, 32, 32, 8, 128_256, 2048, 4),
}
TINY = {"tiny": Shape(64, 128, 2, 4, 2, 256, 96, 4)}
SHARED = {"nothing shared": 0.0, "half shared": 0.5}
ANSWER = 0.25


def main() -> None:
    """Measure everything that the time allows, and store it under the chip's name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true")
    tiny = parser.parse_args().tiny
    began = time.monotonic()
    result: dict[str, Any] = {"command": "python benchmarks/gpu/run.py", "device": chip()}
    rate = matrix_rate(256 if tiny else 8192)
    result["matrix_tflops"] = round(rate / 1e12, 2)
    result["exactness"] = exactness(TINY["tiny"])
    result["runs"] = []
    for name, shape in (TINY if tiny else SHAPES).items():
        for sharing, share in SHARED.items():
            for variant in variants():
                if time.monotonic() - began > BUDGET * 0.85:
                    result["runs"].append({"model": name, "variant": variant, "left out": "no time"})
                    continue
                found = {"model": name, "rows": sharing, "variant": variant}
                result["runs"].append(found | measured(variant, shape, share, rate))
                print(result["runs"][-1], file=sys.stderr, flush=True)
    result["seconds"] = round(time.monotonic() - began, 1)
    if not tiny:
        record("gpu_" + chip().lower().replace(" ", "_"), result)


def chip() -> str:
    """The name of what is measured."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def variants() -> list[str]:
    """What can be measured here."""
    found = ["ours sdpa"] + (["ours flex"] if torch.cuda.is_available() else []) + ["trainer padded"]
    return found + [name for name in ("trl", "unsloth") if importlib.util.find_spec(name)]


def matrix_rate(size: int) -> float:
    """Operations a second of bf16 products of square matrices: the most that training could reach."""
    one = torch.randn(size, size, device=device(), dtype=torch.bfloat16)
    for _ in range(3):
        one @ one
    _wait()
    began = time.perf_counter()
    for _ in range(10):
        one @ one
    _wait()
    return 10 * 2 * size**3 / (time.perf_counter() - began)


def exactness(shape: Shape) -> dict[str, Any]:
    """Largest errors of packed rows against rows alone, in fp32."""
    found = {}
    for attention in ["sdpa", "eager"] + (["flex_attention"] if torch.cuda.is_available() else []):
        model = build(shape, torch.float32, attention)
        rows = make_rows(shape, 0.5)
        packed, alone = (_loss_and_gradients(model, rows, size) for size in (10**9, 0))
        scale = max(float(g.abs().max()) for g in alone[1].values())
        error = max(float((packed[1][name] - g).abs().max()) for name, g in alone[1].items())
        found[attention] = {
            "loss_error": abs(packed[0] - alone[0]) / alone[0],
            "gradient_error": error / scale,
        }
    return found


def _loss_and_gradients(model: Any, rows: list[Encoded], size: int) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    packs = [one.to(device()) for one in pack(rows, size)]
    loss = torch.stack([answer_loss(model, one) for one in packs]).sum()
    loss.backward()
    trained = {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}
    return float(loss), trained


def measured(variant: str, shape: Shape, share: float, rate: float) -> dict[str, Any]:
    """Tokens a second, peak memory and share of the matrix rate of one variant, or why there are none."""
    try:
        return _measured(variant, shape, share, rate)
    except Exception as fault:  # noqa: BLE001 - a peer that fails must not take the others along
        said = "out of memory" if is_out_of_memory(fault) else f"{type(fault).__name__}: {fault}"[:300]
        return {"failed": said}
    finally:
        release()


def _measured(variant: str, shape: Shape, share: float, rate: float) -> dict[str, Any]:
    rows = make_rows(shape, share)
    model = build(shape, torch.bfloat16, "flex_attention" if variant == "ours flex" else "sdpa")
    weights = sum(weight.numel() for weight in model.parameters())
    runner = {"trainer padded": _trainer, "trl": _trl, "unsloth": _unsloth}.get(variant, _ours)
    with tempfile.TemporaryDirectory() as scratch:
        runner(model, rows, 1, Path(scratch))  # compiles, and fills the allocator
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        _wait()
        began = time.perf_counter()
        losses = runner(model, rows, 2, Path(scratch))
        _wait()
        took = time.perf_counter() - began
    tokens = 2 * sum(len(row.ids) for row in rows)
    # LoRA's products: forward, and backward to the inputs; the frozen weights have no gradients.
    return {
        "tokens_per_second": round(tokens / took, 1),
        "peak_gb": round(torch.cuda.max_memory_allocated() / 2**30, 2) if torch.cuda.is_available() else None,
        "share_of_matrix_rate": round(4 * weights * tokens / took / rate, 3),
        "losses": [round(loss, 4) for loss in losses],
    }


def build(shape: Shape, dtype: torch.dtype, attention: str) -> Any:
    """A Llama of a shape with random weights and a LoRA of rank 16 on all layers."""
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inside,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        max_position_embeddings=max(4096, shape.tokens),
    )
    torch.manual_seed(0)
    with device():
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    return adapt(model, _settings(1, shape.rows))


def make_rows(shape: Shape, share: float) -> list[Encoded]:
    """Rows of random tokens, a share of each the same for all, a quarter the answer."""
    draw = torch.Generator().manual_seed(0)

    def tokens(count: int) -> list[int]:
        return torch.randint(3, shape.vocabulary, (count,), generator=draw).tolist()

    common, answer = tokens(int(shape.tokens * share)), int(shape.tokens * ANSWER)
    own = shape.tokens - len(common) - answer
    return [Encoded([*common, *tokens(own)], tokens(answer)) for _ in range(shape.rows)]


def _settings(steps: int, rows: int) -> TrainSettings:
    return TrainSettings(
        base_model="random",
        epochs=steps,
        batch_size=rows,
        last_layers=0,
        precision="bf16",
        learning_rate=1e-4,
        warmup_steps=0,
        activation_cache="off",
        gradient_checkpointing=torch.cuda.is_available(),
    )


def _ours(model: Any, rows: list[Encoded], steps: int, scratch: Path) -> list[float]:
    losses: list[float] = []
    names = [str(i) for i in range(len(rows))]
    run = Run(_settings(steps, len(rows)), rows, names, scratch, lambda step: losses.append(step["loss"]))
    train(LoadedModel(model, None, scratch), run)  # type: ignore[arg-type]
    return losses


def _arguments(steps: int, rows: int, scratch: Path) -> dict[str, Any]:
    return {
        "output_dir": str(scratch),
        "num_train_epochs": steps,
        "per_device_train_batch_size": rows,
        "learning_rate": 1e-4,
        "bf16": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "gradient_checkpointing": torch.cuda.is_available(),
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
    }


def _trainer(model: Any, rows: list[Encoded], steps: int, scratch: Path) -> list[float]:
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(**_arguments(steps, len(rows), scratch))
    return _losses(Trainer(model, arguments, train_dataset=_labelled(rows), data_collator=_padded))


def _trl(model: Any, rows: list[Encoded], steps: int, scratch: Path) -> list[float]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from tests.tiny import build_tokenizer

    data = Dataset.from_list(
        [
            {"input_ids": r.ids, "completion_mask": [0] * len(r.prompt_ids) + [1] * len(r.answer_ids)}
            for r in rows
        ]
    )
    chosen = _arguments(steps, len(rows), scratch)
    arguments = SFTConfig(**chosen, max_length=None, completion_only_loss=True)
    trainer = SFTTrainer(model, arguments, train_dataset=data, processing_class=build_tokenizer())
    return _losses(trainer)


def _unsloth(model: Any, rows: list[Encoded], steps: int, scratch: Path) -> list[float]:
    import unsloth  # noqa: F401 - it replaces modules as it is imported

    return _trainer(model, rows, steps, scratch)


def _labelled(rows: list[Encoded]) -> list[dict[str, list[int]]]:
    return [{"input_ids": r.ids, "labels": [-100] * len(r.prompt_ids) + r.answer_ids} for r in rows]


def _padded(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in batch)

    def fill(name: str, value: int) -> torch.Tensor:
        return torch.tensor([row[name] + [value] * (longest - len(row[name])) for row in batch])

    seen = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in batch]
    return {
        "input_ids": fill("input_ids", 0),
        "labels": fill("labels", -100),
        "attention_mask": torch.tensor(seen),
    }


def _losses(trainer: Any) -> list[float]:
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
