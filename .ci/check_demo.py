"""Checks what `make demo` left, as a user would: through the command line and the files.

usage: check_demo.py WORKSPACE
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from curation.near import similar_pairs
from curation.rows import prompt_text
from curation.stored import read_rows
from curation.verify import verify
from loop.heldout import read_heldout
from loop.workspace import Workspace

REGRIND = str(Path(sys.executable).with_name("regrind"))


def regrind(*arguments: str) -> str:
    """Run a command that must succeed; its stdout."""
    done = subprocess.run([REGRIND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stderr}"
    assert "next: " in done.stderr, f"{arguments} names no next command"
    return done.stdout


def sql(workspace: Workspace, statement: str) -> list[dict[str, Any]]:
    """Rows of a statement."""
    rows: list[dict[str, Any]] = json.loads(regrind("sql", statement, "-w", str(workspace.root), "--json"))
    return rows


def check_store(workspace: Workspace) -> None:
    """Everything that a run should leave is in the published copy."""
    (traces,) = sql(workspace, "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM traces")
    assert traces["n"] == traces["ids"] >= 200
    (verdicts,) = sql(workspace, "SELECT count(*) AS n, count(judge) AS judged FROM verdicts")
    assert verdicts["n"] == verdicts["judged"] == traces["n"]
    assert sql(workspace, "SELECT count(*) AS n FROM corrections WHERE state = 'accepted'")[0]["n"] > 20
    assert len(sql(workspace, "SELECT id FROM snapshots")) == 2
    versions = sql(workspace, "SELECT version, status FROM models ORDER BY version")
    assert [v["status"] for v in versions] == ["archived", "archived", "production"]
    decisions = [p["decision"] for p in sql(workspace, "SELECT decision FROM promotions ORDER BY id")]
    assert decisions == ["promoted", "promoted"]


def check_scores(workspace: Workspace) -> None:
    """The first line of the answer rises from the base to v2, which is right on nine items of ten."""
    statement = (
        "SELECT version, avg((criteria->>'$.verdict')::DOUBLE) AS first FROM evaluations"
        " WHERE heldout = 'safety' GROUP BY version ORDER BY version"
    )
    base, first, second = (row["first"] for row in sql(workspace, statement))
    assert base < 0.3 < first < second
    assert second > 0.9, f"the promoted model is right on {second:.3f}"


def check_no_leak(workspace: Workspace) -> None:
    """No held-out prompt, exact or near, is in any snapshot."""
    held = [prompt_text(m) for h in read_heldout(workspace) for m in h.items["messages"].to_list()]
    for folder in workspace.snapshots.iterdir():
        assert verify(folder) == []
        rows = [prompt_text(m) for m in read_rows(folder)["messages"].to_list()]
        pairs = similar_pairs([*held, *rows], 0.8)
        crossing = (pairs.left < len(held)) & (pairs.right >= len(held))
        assert not crossing.any()


def check_commands(workspace: Workspace) -> None:
    """The commands that the demo names next do what they say."""
    where = ("-w", str(workspace.root))
    (row,) = sql(
        workspace, "SELECT row_id FROM membership WHERE origin = 'correction' ORDER BY row_id LIMIT 1"
    )
    story = regrind("explain", row["row_id"], *where)
    parts = (
        "said by guard v1",
        "judged by reference/safety",
        "corrected by reference",
        "trained into guard v2",
    )
    for part in parts:
        assert part in story, story
    older, newer = (s["id"] for s in sql(workspace, "SELECT id FROM snapshots ORDER BY created"))
    assert "added: " in regrind("snapshot", "diff", older, newer, *where)
    for command in (("snapshot", "list"), ("model", "list"), ("cycle", "status"), ("check",)):
        assert regrind(*command, *where)


def main() -> None:
    """Run all checks."""
    workspace = Workspace(Path(sys.argv[1]))
    for check in (check_store, check_scores, check_no_leak, check_commands):
        check(workspace)
        print(f"{check.__name__}: ok")


if __name__ == "__main__":
    main()
