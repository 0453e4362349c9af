"""Runs the `regrind` commands of the README in an empty folder, as they stand there.

usage: check_readme.py DEMO     (a finished demo; its ids stand in for those of the README's run)
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from curation.files import resource
from loop.store import query
from loop.workspace import Workspace
from tests.tiny import build_tiny_model

ROOT = Path(__file__).parents[1]
FINDS = {"validate", "run"}  # exit 3: `validate` found errors, the gate of `cycle run` held
QUESTIONS = 40


def commands() -> list[str]:
    """Every line of the README's shell blocks that begins with regrind."""
    text = (ROOT / "README.md").read_text(encoding="utf8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [
        line.partition("    #")[0].partition(" > ")[0].strip() for line in lines if line.startswith("regrind")
    ]


def write(path: Path, records: list[dict[str, object]]) -> None:
    """Write records as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf8")


def prepare(folder: Path) -> None:
    """The files that the recipes name: plain questions and answers of our own."""
    lines = resource("chain", "software_engineering.jsonl").read_text(encoding="utf8").splitlines()
    pairs = [json.loads(line) for line in lines]
    write(folder / "data.jsonl", pairs)
    turns = [[{"role": "user", "content": p["question"]}] for p in pairs]
    answers = [
        {"id": p["id"], "messages": t, "output": p["answer"], "reference": p["answer"]}
        for p, t in zip(pairs, turns, strict=True)
    ]
    write(folder / "answers.jsonl", answers)
    logged = [
        {"input": p["question"], "output": p["answer"], "feedback": {"score": 1 + i % 5}, "latency": i / 10}
        for i, p in enumerate(pairs)
    ]
    write(folder / "log.jsonl", logged)
    asked = [
        {"id": f"p-{p['id']}", "prompt": p["question"], "output": p["answer"], "user_id": "u-17", "rating": 5}
        for p in pairs[:10]
    ]
    write(folder / "production.jsonl", [a | {"reference": a["output"]} for a in asked])
    shutil.copytree(resource("rubrics"), folder / "rubrics")
    text = (ROOT / "README.md").read_text(encoding="utf8")
    for name, content in re.findall(r"```toml\n# (\S+)\n(.*?)```", text, re.DOTALL):
        (folder / name).write_text(content, encoding="utf8")


def fill_workspace(folder: Path) -> None:
    """What the user puts into `my-loop/data`, and a model that trains in seconds."""
    lines = resource("chain", "ml_engineering.jsonl").read_text(encoding="utf8").splitlines()
    pairs = [json.loads(line) for line in lines]
    chats = [
        {
            "messages": [
                {"role": "user", "content": p["question"]},
                {"role": "assistant", "content": p["answer"]},
            ]
        }
        for p in pairs
    ]
    write(folder / "data" / "seed.jsonl", chats[:QUESTIONS])
    write(folder / "data" / "heldout.jsonl", chats[QUESTIONS : QUESTIONS + 10])
    rest = pairs[QUESTIONS + 10 : QUESTIONS + 20]
    write(folder / "data" / "pool.jsonl", [{"id": p["id"], "prompt": p["question"]} for p in rest])
    write(
        folder / "data" / "pool.references.jsonl", [{"id": p["id"], "reference": p["answer"]} for p in rest]
    )
    build_tiny_model(folder / "tiny")
    path = folder / "regrind.toml"
    text = path.read_text(encoding="utf8").replace("smollm2-135m-instruct", "tiny")
    path.write_text(text.replace("last_layers = 10", "last_layers = 1"), encoding="utf8")


def as_of(demo: Path, command: str) -> str:
    """A command of the demo with the ids of this run in place of the README's."""
    view = Workspace(demo).view
    older, newer = query(view, "SELECT id FROM snapshots ORDER BY created")["id"].to_list()
    row = query(view, "SELECT row_id FROM membership WHERE origin = 'correction' LIMIT 1")["row_id"][0]
    command = re.sub(r"explain -w \S+ \S+", f"explain -w {demo} {row}", command)
    shown = re.findall(
        r"^snapshot \d \((\w+)\)", (ROOT / "README.md").read_text(encoding="utf8"), re.MULTILINE
    )
    for ours, theirs in zip(shown, (older, newer), strict=True):
        command = command.replace(ours, theirs)
    return command.replace("regrind-demo", str(demo))


def main() -> None:
    """Run them in the README's order."""
    demo = Path(sys.argv[1]).resolve()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder)
        for command in (as_of(demo, line) for line in commands()):
            done = subprocess.run(
                shlex.split(command),
                cwd=folder,
                env=os.environ | {"PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            found = done.returncode == 3 and bool(FINDS & set(command.split()))
            assert done.returncode == 0 or found, f"{command} ended with {done.returncode}:\n{done.stderr}"
            print(f"ok: {command}")
            if command == "regrind init my-loop":
                fill_workspace(folder / "my-loop")


if __name__ == "__main__":
    main()
