# ruff: noqa: ANN401 - the peers and their data are untyped
"""Tokens per CPU-second and peak memory of LoRA: ours beside transformers' Trainer with peft, and TRL.

The same rows, adapter, steps and learning rate, one thread, fp32, each in a process of its own. The rows
share a system prompt of so many tokens; beside a long one TRL has its own defaults (bf16, checkpointing).

`python benchmarks/training/cpu_packing.py --prefix 60` (or 300); needs `pip install 'regrind[train,dev]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from record import record

ROWS = 8
STEPS = {60: 2, 300: 1}
VARIANTS = {60: ("ours", "trainer_padded", "trl_fp32"), 300: ("ours", "trl_defaults")}
MESSAGES = [
    ("My card was declined in a shop in Lisbon.", "cards"),
    ("Please move 200 to my savings account.", "accounts"),
    ("Which gate does my flight leave from?", "travel"),
    ("Tell me a joke about accountants who never sleep.", "none"),
    ("Block my card, I lost it on the train this morning.", "cards"),
    ("What did I spend on groceries in October?", "accounts"),
    ("My suitcase did not arrive. Whom do I call?", "travel"),
    ("Who are you?", "none"),
]
POLICY = (
    "You sort help desk messages. Answer with one word: cards, accounts, travel or none. Cards are lost, "
    "blocked, declined or new. Accounts are balances, spending and transfers. Travel is flights and luggage. "
)


def main() -> None:
    """Measure every variant in a process of its own, and store ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix", type=int, choices=sorted(STEPS), default=60)
    parser.add_argument("--variant", help="only this one, printed and not stored")
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options.variant, options.prefix)))
        return
    found = {}
    for variant in VARIANTS[options.prefix]:
        command = [sys.executable, __file__, "--prefix", str(options.prefix), "--variant", variant]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            raise SystemExit(1)
        found[variant] = json.loads(done.stdout.splitlines()[-1])
        print(variant, found[variant], file=sys.stderr)
    ours = found["ours"]
    ratios = {
        f"ours_over_{name}": round(ours["tokens_per_cpu_second"] / other["tokens_per_cpu_second"], 2)
        for name, other in found.items()
        if name != "ours"
    }
    if "trainer_padded" in found:
        padded = found["trainer_padded"]["extra_peak_mb"]
        ratios["memory_of_trainer_padded"] = round(ours["extra_peak_mb"] / padded, 2)
    command = f"python benchmarks/training/cpu_packing.py --prefix {options.prefix}"
    record(f"cpu_packing_{options.prefix}", {"command": command, "variants": found, "ratios": ratios})


def measure(variant: str, prefix: int) -> dict[str, Any]:
    """Train with one variant: losses, useful tokens per CPU-second, memory above the loaded model."""
    import torch

    from loop.models import cache
    from training.adapters import adapt
    from training.embedded import find_model
    from training.encode import encode_many
    from training.model import load_base
    from training.settings import TrainSettings

    torch.set_num_threads(1)
    settings = TrainSettings(
        precision="fp32",
        last_layers=0,
        epochs=STEPS[prefix],
        batch_size=ROWS,
        warmup_steps=0,
        lr_scheduler="linear",
        activation_cache="off",
        threads=1,
    )
    torch.manual_seed(0)
    loaded = load_base(find_model(settings.base_model, cache()), torch.float32)
    loaded.model = adapt(loaded.model, settings)
    system = (POLICY * 10)[: prefix * 5]
    chats = [
        [{"role": r, "content": c} for r, c in (("system", system), ("user", asked), ("assistant", said))]
        for asked, said in MESSAGES
    ]
    rows = encode_many(loaded.tokenizer, chats)
    trainer = {"ours": _ours, "trainer_padded": _trainer}.get(variant) or partial(_trl, variant)
    with tempfile.TemporaryDirectory() as scratch:
        run = trainer(loaded, rows, settings, Path(scratch))
        Path("/proc/self/clear_refs").write_text("5")
        before, began = _memory("VmRSS"), time.process_time()
        losses = run()
        took = time.process_time() - began
    tokens = sum(len(row.ids) for row in rows) * STEPS[prefix]
    return {
        "losses": [round(loss, 5) for loss in losses],
        "tokens_per_cpu_second": round(tokens / took, 1),
        "extra_peak_mb": round(_memory("VmHWM") - before, 1),
    }


def _ours(loaded: Any, rows: Any, settings: Any, scratch: Path) -> Any:
    from training.trainer import Run, train

    losses: list[float] = []
    names = [str(i) for i in range(len(rows))]
    run = Run(settings, rows, names, scratch, lambda step: losses.append(step["loss"]))
    return lambda: train(loaded, run) and losses


def _trainer(loaded: Any, rows: Any, settings: Any, scratch: Path) -> Any:
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    data = [
        {
            "input_ids": r.ids,
            "attention_mask": [1] * len(r.ids),
            "labels": [-100] * len(r.prompt_ids) + r.answer_ids,
        }
        for r in rows
    ]
    arguments = TrainingArguments(**_arguments(settings, scratch))
    collator = DataCollatorForSeq2Seq(loaded.tokenizer)
    trainer = Trainer(loaded.model, arguments, train_dataset=data, data_collator=collator)
    return lambda: _losses(trainer)


def _trl(variant: str, loaded: Any, rows: Any, settings: Any, scratch: Path) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    data = Dataset.from_list(
        [
            {"input_ids": r.ids, "completion_mask": [0] * len(r.prompt_ids) + [1] * len(r.answer_ids)}
            for r in rows
        ]
    )
    plain = {"bf16": False, "gradient_checkpointing": False} if variant == "trl_fp32" else {}
    arguments = SFTConfig(**_arguments(settings, scratch), completion_only_loss=True, **plain)
    trainer = SFTTrainer(loaded.model, arguments, train_dataset=data, processing_class=loaded.tokenizer)
    return lambda: _losses(trainer)


def _arguments(settings: Any, scratch: Path) -> dict[str, Any]:
    return {
        "output_dir": str(scratch),
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.rate,
        "warmup_steps": 0,
        "lr_scheduler_type": "linear",
        "optim": settings.optim,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }


def _losses(trainer: Any) -> list[float]:
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def _memory(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="utf8").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


if __name__ == "__main__":
    main()
