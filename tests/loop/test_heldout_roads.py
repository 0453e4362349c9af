"""No held-out row gets into a snapshot, by whatever road: they are planted into every one there is."""

from __future__ import annotations

import functools
import json
import random
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.heldout import without_heldout
from curation.rows import row_id
from curation.stored import read_rows
from judge.frames import keyed_frame
from judge.verdict import Verdict
from loop.growth import grow
from loop.heldout import kept_out
from loop.heldout_sets import add_version
from loop.progress import Progress
from loop.snapshots import record
from loop.steps.curate import curate, run_recipe
from loop.steps.merge import accepted
from loop.store import insert, publish, transaction
from loop.traces import all_judged, items
from loop.verdicts import verdict_rows
from loop.workspace import Workspace
from tests.loop.byhand import JUDGE, add_trace, build_workspace, write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from curation.manifest import Manifest

QUIET = Progress(quiet=True)


def prose(seed: object, length: int = 20) -> str:
    rng = random.Random(str(seed))
    return " ".join("".join(rng.choices("abcdefghij", k=rng.randrange(3, 8))) for _ in range(length))


def last_word(text: str) -> str:
    return text.rsplit(" ", 1)[0] + " instead"


def inside(text: str) -> str:
    return f"{prose(('around', text))} {text} {prose(('behind', text))}"


def changed(place: int, text: str) -> str:
    words = text.split()
    words[place] += "ing"
    return " ".join(words)


def inside_and_changed(text: str) -> str:
    return inside(changed(10, text))


CHANGES = [functools.partial(changed, place) for place in range(20)]
EDITS = [str, str.upper, last_word, inside, inside_and_changed, *CHANGES]
ITEMS = [prose(("item", i)) for i in range(8)]
REGISTERED = [prose(("registered", i)) for i in range(4)]
ROADS = ["seed", "grown seed", "trace", "correction", "augmented", "messages"]
PLANTS = st.lists(
    st.tuples(st.sampled_from([*ITEMS, *REGISTERED]), st.sampled_from(EDITS), st.sampled_from(ROADS)),
    min_size=1,
    max_size=12,
)


def pair(prompt: str, answer: str = "an answer") -> dict[str, Any]:
    return {"question": prompt, "answer": answer}


def planted(plants: list[tuple[str, Any, str]], *roads: str) -> list[str]:
    return [edit(item) for item, edit, road in plants if road in roads]


def as_messages(prompts: list[str]) -> list[dict[str, Any]]:
    """Hand-made JSONL that claims an id, a family and a parent of its own."""
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    return [
        {
            "id": "0" * 16,
            "family": "mine",
            "split": "train",
            "messages": [*turns, {"role": "user", "content": p}, {"role": "assistant", "content": "so"}],
        }
        for p in prompts
    ]


def augmented(prompts: list[str]) -> list[dict[str, Any]]:
    """A leaked row, and a child of it that resembles nothing."""
    found = []
    for number, prompt in enumerate(prompts):
        parent = {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": "a"}]}
        turns = [{**m, "extra": None} for m in parent["messages"]]
        child = [{"role": "user", "content": prose(("child", number))}, {"role": "assistant", "content": "a"}]
        found += [parent, {"messages": child, "tags": ["augmented"], "parents": [row_id(turns)]}]
    return found


def add_traces(workspace: Workspace, plants: list[tuple[str, Any, str]]) -> None:
    """Traces as an import brings them: high scores, and low ones with an accepted correction."""
    with transaction(workspace.store) as connection:
        for road, score in (("trace", 1.0), ("correction", 0.0)):
            prompts = [*planted(plants, road), prose((road, "good")), prose((road, "better"))]
            for number, prompt in enumerate(prompts):
                messages = json.dumps([{"role": "user", "content": prompt}])
                add_trace(connection, f"{road}-{number}", "said", messages=messages, origin="import")
            asked = [i for i in items(connection, 1)["id"] if i.startswith(road)]
            verdicts = keyed_frame((i, Verdict(i, JUDGE, 0, "scored", score)) for i in asked)
            insert(connection, "verdicts", verdict_rows(verdicts))
            if road == "correction":
                for i in asked:
                    values = [i, JUDGE, "person:ada", "a better answer", "accepted", "", 1]
                    connection.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def write(workspace: Workspace, manifest: Manifest) -> Path:
    with transaction(workspace.store) as connection:
        record(connection, workspace.snapshots / manifest.id, manifest, 0)
    publish(workspace.store, workspace.view)
    return workspace.snapshots / manifest.id


@pytest.mark.slow
@given(PLANTS)
@settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.too_slow])
def test_planted_items_are_in_no_snapshot(
    tmp_path_factory: pytest.TempPathFactory, plants: list[tuple[str, Any, str]]
) -> None:
    root = tmp_path_factory.mktemp("roads")
    build_workspace(root)
    config = (root / "regrind.toml").read_text(encoding="utf8")
    steps = "".join(
        f'[[curate.step]]\nstep = "{name}"\n' for name in ("validate", "redact", "dedup", "augment")
    )
    config = config.replace("[data]", '[data]\nseed = ["data/seed.jsonl", "data/hand.jsonl"]')
    (root / "regrind.toml").write_text(config + steps + "share = 1.0\n", encoding="utf8")
    write_lines(root / "data" / "heldout.jsonl", [pair(item) for item in ITEMS])
    others = [pair(prose(("other", i)), prose(("said", i), 5)) for i in range(30)]
    hand = as_messages(planted(plants, "messages")) + augmented(planted(plants, "augmented"))
    write_lines(root / "data" / "seed.jsonl", [*others, *map(pair, planted(plants, "seed"))])
    write_lines(root / "data" / "hand.jsonl", [*hand, *as_messages([prose("made by hand")])])
    workspace = Workspace(root)
    extra = write_lines(root / "extra.jsonl", [pair(item) for item in REGISTERED])
    with transaction(workspace.store) as connection:
        add_version(workspace, connection, "extra", extra)
    first = write(workspace, curate(workspace, QUIET)[0])
    with (root / "data" / "seed.jsonl").open("a", encoding="utf8") as stream:
        for prompt in [*planted(plants, "grown seed"), prose("a new one")]:
            stream.write(json.dumps(pair(prompt)) + "\n")
    add_traces(workspace, plants)
    workspace = Workspace(root)
    with transaction(workspace.store) as connection:
        traces, corrected = all_judged(connection), accepted(connection)
    second = write(workspace, grow(workspace, first.name, traces, corrected, Progress(quiet=True))[0])
    third = write(workspace, curate(workspace, QUIET)[0])
    for folder, least in ((first, 30), (second, 35), (third, 31)):
        rows = read_rows(folder)
        assert rows.height >= least
        text = " ".join(m["content"].lower() for turns in rows["messages"].to_list() for m in turns)
        assert not any(edit(item).lower() in text for item, edit, _ in plants)
        assert not any(last_word(item).rsplit(" ", 1)[0] in text for item in (*ITEMS, *REGISTERED))
        assert without_heldout(rows.drop("split"), kept_out(workspace))[1].height == 0
        assert not any(prose(("child", n)).lower() in text for n in range(12))
    for road, folders in {"seed": [first], "trace": [second], "correction": [second]}.items():
        found = sum((pl.read_parquet(f / "drops.parquet").height for f in folders), 0)
        assert found >= bool(planted(plants, road))


def test_a_merge_step_brings_what_the_store_has_up_to_its_caps(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    add_traces(workspace, [])
    first = write(workspace, curate(workspace, QUIET)[0])
    with (tmp_path / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write('[[curate.step]]\nstep = "dedup"\n[[curate.step]]\nstep = "merge"\ntraces = 1\n')
    workspace = Workspace(tmp_path)
    manifest, _ = run_recipe(workspace, QUIET)
    folder = write(workspace, manifest)
    assert manifest.parent == first.name
    new = read_rows(folder).filter(pl.col("source").str.starts_with("trace:"))
    assert sorted(new["source"].str.replace(r"-\d$", "")) == [
        "trace:correction",
        "trace:correction",
        "trace:trace",
    ]
    assert manifest.contents.origins == {"seed": 12, "correction": 2, "trace": 1}
    drops = pl.read_parquet(folder / "drops.parquet")
    assert drops["reason"].to_list() == ["over the cap of 1 traces"]
    assert manifest.recipe["merge"]["caps"]["traces"] == 1
    again, _ = run_recipe(workspace, QUIET)
    assert read_rows(workspace.snapshots / again.id)["id"].sort().equals(read_rows(folder)["id"].sort())


def test_a_second_run_on_grown_data_keeps_the_splits_and_one_on_the_same_data_is_the_same(
    tmp_path: Path,
) -> None:
    workspace = build_workspace(tmp_path)
    first = write(workspace, curate(workspace, QUIET)[0])
    assert curate(Workspace(tmp_path), QUIET)[0].id == first.name
    with (tmp_path / "data" / "seed.jsonl").open("a", encoding="utf8") as stream:
        for number in range(20):
            stream.write(json.dumps(pair(prose(("new", number)))) + "\n")
    second = write(workspace, curate(Workspace(tmp_path), QUIET)[0])
    before = dict(read_rows(first).select("id", "split").rows())
    after = dict(read_rows(second).select("id", "split").rows())
    assert len(after) == len(before) + 20
    assert all(after[row] == split for row, split in before.items())
