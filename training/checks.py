"""What makes training settings wrong: kinds, ranges, and values that do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from curation.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
}
_ABOVE_ZERO = (
    "epochs",
    "batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "lora_rank",
    "lora_alpha",
    "num_virtual_tokens",
    "eval_steps",
    "logging_steps",
    "save_total_limit",
)
_ZERO_OR_MORE = (
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "seed",
    "threads",
    "early_stopping_patience",
    "early_stopping_threshold",
    "save_steps",
)
_LIMITS = {
    "epochs": 10_000,
    "batch_size": 100_000,
    "gradient_accumulation_steps": 100_000,
    "learning_rate": 10,
    "warmup_steps": 10**9,
    "weight_decay": 10,
    "max_grad_norm": 10**9,
    "lora_rank": 10_000,
    "lora_alpha": 10**6,
    "num_virtual_tokens": 1000,
    "last_layers": 10_000,
    "max_length": 10**8,
    "eval_steps": 10**9,
    "early_stopping_patience": 10**6,
    "early_stopping_threshold": 10**6,
    "logging_steps": 10**9,
    "save_steps": 10**9,
    "save_total_limit": 10**6,
    "seed": 2**32 - 1,
    "threads": 1024,
}


_VIRTUAL = ("prompt-tuning", "p-tuning", "prefix-tuning")
_LOW_RANK = ("lora", "qlora", "dora", "rslora", "loha", "lokr")
_READ_BY = {
    "lora_rank": (*_LOW_RANK, "vera"),
    "lora_alpha": _LOW_RANK,
    "lora_dropout": (*_LOW_RANK, "vera"),
    "num_virtual_tokens": _VIRTUAL,
}


def check_kinds(
    values: Mapping[str, Any], annotations: Mapping[str, str], choices: Mapping[str, Sequence[str]]
) -> None:
    """Refuse a value of another type than its field has."""
    for name, value in values.items():
        annotation = annotations[name]
        if annotation in choices:
            if value not in choices[annotation]:
                shown = ", ".join(f'"{choice}"' for choice in choices[annotation])
                _refuse(name, f"{value!r} is not a choice", f"use one of: {shown}")
        elif (isinstance(value, bool) and annotation != "bool") or not isinstance(value, _KINDS[annotation]):
            _refuse(name, f"{value!r} is not a value of type {annotation}", f"give a {annotation}")


def check_ranges(values: Mapping[str, Any]) -> None:
    """Refuse what is out of range, and slips on which torch would fail with an error about itself."""
    for name in _ABOVE_ZERO:
        _demand(values, name, values[name] is None or values[name] > 0, "above 0")
    for name in _ZERO_OR_MORE:
        _demand(values, name, values[name] >= 0, "0 or more")
    _demand(values, "max_length", values["max_length"] >= 8, "8 or more")
    _demand(values, "lora_dropout", 0 <= values["lora_dropout"] < 1, "from 0 to below 1")
    _demand(values, "last_layers", (values["last_layers"] or 0) >= 0, "0 (all layers) or more")
    _demand(values, "base_model", bool(values["base_model"].strip()), "a model's name or directory")
    for name, limit in _LIMITS.items():
        _demand(values, name, values[name] is None or values[name] <= limit, f"at most {limit}")


def check_combinations(values: Mapping[str, Any]) -> None:
    """Refuse settings that contradict one another, or of which one would have no effect."""
    method = values["method"]
    watches = values["eval_strategy"] != "no"
    for name in ("early_stopping_patience", "load_best_model_at_end"):
        if values[name] and not watches:
            _refuse(name, "nothing is scored during the run", 'set train.eval_strategy to "epoch" or "steps"')
    if values["last_layers"] and method in _VIRTUAL:
        problem = f"{method} trains virtual tokens, and no layer"
        _refuse("last_layers", problem, "leave train.last_layers out, or set it to 0")
    if values["attention"] == "flex_attention" and method in _VIRTUAL:
        _refuse("attention", f"{method} has no flex attention", 'use attention "auto"')
    if values["gradient_checkpointing"] and method == "prefix-tuning":
        problem = "prefix-tuning's keys and values cannot be computed twice"
        _refuse("gradient_checkpointing", problem, "leave train.gradient_checkpointing off")
    if values["early_stopping_threshold"] and not values["early_stopping_patience"]:
        fix = "set train.early_stopping_patience too"
        _refuse("early_stopping_threshold", "without patience nothing stops early", fix)
    if method == "full" and values["learning_rate"] and values["learning_rate"] > 1e-2:
        fix = "make it 1e-4 or less, or leave it out"
        _refuse("learning_rate", "full fine-tuning at such a rate destroys the model", fix)


def check_effect(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse a value that was set where nothing reads it."""
    method, when = values["method"], values["eval_strategy"]
    for name, readers in _READ_BY.items():
        if values[name] != defaults[name] and method not in readers:
            _refuse(name, f"{method} does not read it", f"leave train.{name} out")
    if when == "no" and values["metric_for_best_model"] != defaults["metric_for_best_model"]:
        fix = 'set train.eval_strategy to "epoch" or "steps"'
        _refuse("metric_for_best_model", "nothing is scored during the run", fix)
    if when != "steps" and values["eval_steps"] != defaults["eval_steps"]:
        problem = f'eval_strategy "{when}" does not read it'
        _refuse("eval_steps", problem, 'set train.eval_strategy to "steps", or leave train.eval_steps out')
    if values["activation_cache"] == "kept" and method in _VIRTUAL:
        problem = f"{method} leaves no layer below it that sees the same in every step"
        _refuse("activation_cache", problem, "leave train.activation_cache out")


def _demand(values: Mapping[str, Any], name: str, holds: bool, allowed: str) -> None:
    if not holds or values[name] in (float("inf"), float("-inf")):
        _refuse(name, f"{values[name]!r} is out of range", f"make it {allowed}")


def _refuse(name: str, problem: str, fix: str) -> NoReturn:
    raise UserError(problem, where=f"train.{name}", fix=fix)
