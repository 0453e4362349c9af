"""The summary of a workspace: rows in and out, scores with intervals, decisions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from curation.manifest import NAME, read_manifest
from loop.gate import interval
from loop.store import query

if TYPE_CHECKING:
    from collections.abc import Callable

    from loop.workspace import Workspace

ALPHA = 0.05

COMPARABLE = (
    "SELECT * FROM evaluations WHERE model = $model AND (heldout, heldout_version, judge, setup) IN"
    " (SELECT (heldout, heldout_version, judge, setup) FROM evaluations WHERE model = $model"
    "  QUALIFY dense_rank() OVER (PARTITION BY heldout ORDER BY version DESC) = 1)"
)
"""Scores of the content, by the judge and in the setup that the newest version has: others do not compare."""


INCOMPARABLE = """
SELECT heldout, version, count(DISTINCT heldout_version) AS versions FROM evaluations
WHERE model = $model AND (heldout, version) NOT IN (SELECT (heldout, version) FROM (COMPARABLE))
GROUP BY heldout, version ORDER BY heldout, version
""".replace("COMPARABLE", COMPARABLE)
"""What was scored, but not so: on another version of the set, by another judge or in another setup."""


def summarise(workspace: Workspace) -> dict[str, Any]:
    """What the store says about a workspace.

    Returns:
        `snapshots` (with drops by reason, and what the selection was worth beside a random one), `scores`
        (mean score and exact match of each version on each held-out set with 95% intervals),
        `not_compared` (versions that have only scores that these may not be compared with), `decisions`,
        `example_row` (one that was corrected, where there is one) and `paths`.
    """
    view = workspace.view
    snapshots = query(view, "SELECT * EXCLUDE created FROM snapshots ORDER BY created").to_dicts()
    for entry in snapshots:
        entry["dropped"] = json.loads(entry["dropped"])
        rejects = workspace.snapshots / entry["id"] / "rejects.jsonl"
        entry["rejected"] = len(rejects.read_text(encoding="utf8").splitlines()) if rejects.exists() else 0
        folder = workspace.snapshots / entry["id"]
        steps = read_manifest(folder).steps if (folder / NAME).exists() else []
        entry["selection"] = next((step.notes for step in steps if step.step == "select"), {})
    decisions = query(view, "SELECT * EXCLUDE time FROM promotions ORDER BY id").to_dicts()
    for entry in decisions:
        entry |= {key: json.loads(entry[key]) for key in ("slices", "regressions")}
    example = query(
        view,
        "SELECT m.row_id FROM membership m JOIN snapshots s ON s.id = m.snapshot"
        " ORDER BY m.origin = 'correction' DESC, s.created DESC, m.row_id LIMIT 1",
    )
    return {
        "snapshots": snapshots,
        "scores": score_rows(query(view, COMPARABLE, {"model": workspace.config.model})),
        "not_compared": query(view, INCOMPARABLE, {"model": workspace.config.model}).to_dicts(),
        "decisions": decisions,
        "example_row": example["row_id"][0] if example.height else None,
        "paths": {
            "store": str(view),
            "snapshots": str(workspace.snapshots),
            "models": str(workspace.model(0).parent),
        },
    }


def score_rows(evaluations: pl.DataFrame) -> list[dict[str, Any]]:
    """Mean score, share of right first criteria and exact match by version and held-out set.

    Args:
        evaluations: Rows of the table `evaluations`, of one model.
    """
    found = []
    keys = ["heldout", "heldout_version", "judge", "setup", "version"]
    ordered = evaluations.sort(*keys, "item")
    for (heldout, _, _, _, version), group in ordered.group_by(keys, maintain_order=True):
        entry: dict[str, Any] = {"heldout": heldout, "version": version, "items": group.height}
        entry["scored"] = group["score"].count()
        entry["score"] = _interval(group["score"].drop_nulls())
        for name, values in _criteria(group).items():
            entry[name] = _interval(values)
        entry["exact match"] = _interval(group["exact"].cast(pl.Float64))
        found.append(entry)
    return found


def _criteria(group: pl.DataFrame) -> dict[str, pl.Series]:
    """Scores of each criterion, where a rubric has more than one."""
    read = [json.loads(text) for text in group["criteria"]]
    names = list(read[0]) if read else []
    return {n: pl.Series([r[n] for r in read if n in r]) for n in names} if len(names) > 1 else {}


def _interval(values: pl.Series) -> str:
    if not len(values):
        return "-"
    mean, low, high = interval(values.to_list(), ALPHA)
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def render(summary: dict[str, Any], out: Callable[[str], None], table: Callable[..., None]) -> None:
    """Print a summary.

    Args:
        summary: From `summarise`.
        out: Prints a line.
        table: Prints headers and rows.
    """
    for number, entry in enumerate(summary["snapshots"], start=1):
        splits = ", ".join(f"{entry[name]} {name}" for name in ("train", "validation", "test") if entry[name])
        out(f"snapshot {number} ({entry['id']}): {entry['rows_in']} rows in, {splits}")
        reasons = {"rejected lines (not readable)": entry["rejected"], **entry["dropped"]}
        gone = [(f"  {reason}", n) for reason, n in reasons.items() if n]
        table(["  out, by reason", "rows"], gone or [("  nothing", 0)])
        out("")
    for name in dict.fromkeys(entry["heldout"] for entry in summary["scores"]):
        rows = [entry for entry in summary["scores"] if entry["heldout"] == name]
        columns = [key for key in rows[0] if key not in {"heldout", "version"}]
        out(f"held-out set {name}, mean with 95% interval")
        table(["version", *columns], [(_name(r["version"]), *(r[c] for c in columns)) for r in rows])
        others = [_name(r["version"]) for r in summary["not_compared"] if r["heldout"] == name]
        if others:
            out(f"not compared: {', '.join(others)}; scored on another version of this set, by another judge")
            out("or in another setup: `regrind model evaluate VERSION` scores them anew")
        out("")
    for d in summary["decisions"]:
        out(
            f"gate, cycle {d['cycle']}: v{d['candidate']} against {_name(d['incumbent'])}: "
            f"{d['decision']}, {d['reason']}"
        )
    out("")
    for what, path in summary["paths"].items():
        out(f"{what}: {path}")


def _name(version: int) -> str:
    return f"v{version}" if version else "base"
