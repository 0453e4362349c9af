"""What a run of a judge came to, as `regrind judge run` tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from loop.cli.common import out, out_json, table

if TYPE_CHECKING:
    from judge.estimate import Estimate
    from judge.settings import ServiceSettings
    from judge.verdict import State


def states_of(names: str | None) -> set[State]:
    """The states in a list such as `unparsable,refused`."""
    known: tuple[State, ...] = ("unparsable", "refused", "truncated", "failed")
    chosen = {name.strip() for name in (names or "").split(",")} - {""}
    if unknown := sorted(chosen - set(known)):
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(known)}", param_hint="--retry")
    return {state for state in known if state in chosen}


def tell(said: dict[str, Any], *, as_json: bool) -> None:
    """Print the report of a run (`loop.judge_report.report`)."""
    if as_json:
        out_json(said)
        return
    table(["state", "verdicts"], list(said["states"].items()))
    out("")
    table(
        ["", "scored", "mean score", "95% interval"],
        [(name, s["scored"], s["mean"], _interval(s["interval"])) for name, s in said["scores"].items()],
    )
    price = f"${said['cost']:.4f}" if said["cost_known"] else f"${said['cost']:.4f} and what is not known"
    by = f" by {said['judges']} judges" if said["judges"] > 1 else ""
    total = said["items"] * said["judges"]
    out(f"\n{said['asked']} of {total} asked now{by}, {said['tokens']} tokens, {price}")
    if said["undone"]:
        out(f"{said['undone']} items are not judged: the budget is used up")


def dollars(amount: float | None) -> str:
    """Money in a table: one item can cost less than a hundredth of a cent."""
    return "-" if amount is None else f"{amount:.6f}"


def _interval(interval: list[float] | None) -> str:
    return f"[{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "-"


def held(said: dict[str, Any], max_abstained: float) -> str:
    """Why a run ends with exit 3; empty when it does not."""
    if said["undone"]:
        return f"raise the budget and run the same command again: {said['undone']} items are left"
    judged = sum(said["states"].values())
    abstained = judged - said["states"].get("scored", 0)
    if abstained <= max_abstained * judged:
        return ""
    problem = f"read why {abstained} of {judged} have no score, and run the same command again"
    kept = [state for state in said["states"] if state not in {"scored", "failed"}]
    return f"{problem} with --retry {','.join(kept)}" if kept else problem


def tell_estimate(found: Estimate, service: ServiceSettings, *, as_json: bool) -> None:
    """Print what a run would take, and whether that is more than it may."""
    above = [name for name, value, limit in _limits(found, service) if limit and (value or 0) > limit]
    if as_json:
        out_json(found._asdict() | {"above": above})
        return
    members = f", {found.asked} times in all" if found.asked > found.items else ""
    out(f"items to ask: {found.items} ({found.cached} are known already){members}")
    out(f"tokens to read: {found.input_tokens} ({found.tokens_are})")
    out(f"tokens to write: {found.output_tokens} (estimated)")
    out(
        f"cost: ${found.cost:.4f}"
        if found.cost is not None
        else "cost: not known; add a [[price]] to regrind.toml"
    )
    for name in above:
        out(f"this is above {name}: the run would leave items undone")


def _limits(found: Estimate, service: ServiceSettings) -> list[tuple[str, float | None, float]]:
    tokens = found.input_tokens + found.output_tokens
    return [("--budget", found.cost, service.budget), ("--token-budget", tokens, service.token_budget)]
