"""What a judged trace gives to the next snapshot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from curation.near.shared import nothing_shared
from curation.old_rows import OldRows
from curation.recipe import Dedup
from curation.rows import answer_text, frame, make_row, prompt_text
from curation.state import begin
from curation.stored import read_rows, read_table
from judge.verdict import Item, Verdict
from loop.growth import changed_seed, checked, grow, merge
from loop.offers import FROM_TRACE, offered
from loop.progress import Progress
from loop.steps.curate import curate
from loop.steps.merge import accepted, last_snapshot
from loop.store import insert, transaction
from loop.superseding import superseded
from loop.traces import Judged
from loop.workspace import Workspace
from tests.judge.judges import verdict_frame
from tests.loop.byhand import HELDOUT, JUDGE, build_workspace, filled

if TYPE_CHECKING:
    from pathlib import Path

    from curation.state import Curated

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which river?"}]


def trace(identity: str, score: float | None, output: str = "Danube", tags: tuple[str, ...] = ()) -> Judged:
    state = "unparsable" if score is None else "scored"
    return Judged(Item(identity, PROMPT, output), Verdict(identity, JUDGE, 0, state, score), list(tags))  # type: ignore[arg-type]


def rows_of(traces: list[Judged], corrected: dict[str, tuple[str, str]], threshold: float) -> list[Any]:
    return offered(traces, corrected, threshold).to_dicts()


def merged_with(
    workspace: Workspace, old: pl.DataFrame, new: Curated, seed: Curated | None = None
) -> tuple[Curated, list[str]]:
    how = next((s for s in workspace.config.curate.step if isinstance(s, Dedup)), Dedup()).how
    met = OldRows(old.with_columns(split=pl.lit("train"), live=pl.lit(value=True)), nothing_shared())
    return merge(met, checked(workspace, new), seed or begin(frame([])), how)


def test_a_high_score_is_learned_from_as_it_is() -> None:
    (row,) = rows_of([trace("t", 1.0, tags=("rivers",))], {}, 0.7)
    assert answer_text(row["messages"]) == "Danube"
    assert [m["role"] for m in row["messages"]] == ["system", "user", "assistant"]
    assert row["tags"] == ["rivers", "trace"]
    assert row["source"] == "trace:t"
    assert json.loads(row["meta"]) == {"author": "model", "origin": "trace", "trace": "t"}


@pytest.mark.parametrize(("score", "rows"), [(0.7, 1), (0.69, 0), (0.0, 0)])
def test_the_threshold_belongs_to_the_high_scores(score: float, rows: int) -> None:
    assert offered([trace("t", score)], {}, 0.7).height == rows


def test_an_answer_that_was_cut_is_not_learned_from_but_its_correction_is() -> None:
    cut = trace("t", 1.0)._replace(finish_reason="length")
    assert offered([cut], {}, 0.7).height == 0
    (row,) = rows_of([cut], {"t": ("Rhine", "reference")}, 0.7)
    assert answer_text(row["messages"]) == "Rhine"


def test_a_correction_drops_the_old_answers_to_its_very_prompt() -> None:
    def row(question: str, answer: str, line: int, origin: str = "") -> dict[str, object]:
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        source, meta = (f"trace:{line}", json.dumps({"origin": origin})) if origin else ("s", "{}")
        return make_row(turns, source=source, line=line, meta=meta)

    old = frame(
        [row("Which river?", "Rhine", 1), row("Which river, then?", "Elbe", 2), row("Who?", "Ada", 3)]
    )
    new = frame([row("Which river?", "Danube", 4, "correction"), row("Who?", "Bob", 5, "trace")])
    drops = superseded(old, new)
    (drop,) = drops.select("line", "reason", "partner_line", "similarity").rows()
    assert drop == (1, "superseded by a correction", 4, 1.0)


def test_a_row_that_was_made_from_a_superseded_one_goes_with_it() -> None:
    turns = [{"role": "user", "content": "Which river?"}, {"role": "assistant", "content": "Rhine"}]
    parent = make_row(turns, source="s", line=1)
    noisy = [{"role": "user", "content": "which rivver"}, turns[1]]
    child = make_row(noisy, tags=["augmented", "typo"], parents=[parent["id"]], source="s", line=1)
    unlike = [{"role": "user", "content": "wich river"}, turns[1]]
    other = make_row(unlike, tags=["augmented", "typo"], parents=["another"], source="s", line=2)
    right = [turns[0], {"role": "assistant", "content": "Danube"}]
    new = frame([make_row(right, source="trace:t", line=4, meta='{"origin":"correction"}')])
    drops = superseded(frame([parent, child, other]), new)
    assert drops["row_id"].to_list() == [parent["id"], child["id"]]


def test_a_correction_that_is_known_already_drops_nothing() -> None:
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ada"}]
    rows = frame([make_row(turns, tags=["correction"], source="s", line=1)])
    assert superseded(rows, rows).height == 0


@pytest.mark.parametrize(("policy", "left"), [("report", 2), ("keep_best", 1), ("drop_all", 0)])
def test_the_configured_policy_decides_on_conflicts(tmp_path: Path, policy: str, left: int) -> None:
    build_workspace(tmp_path)
    with (tmp_path / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write(f'[[curate.step]]\nstep = "dedup"\nconflicts = "{policy}"\n')

    def row(answer: str, line: int) -> dict[str, object]:
        question = "Which river crosses the old town of Vienna?"
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return make_row(turns, source="s", line=line)

    old, new = frame([row("Danube", 1)]), begin(frame([row("Rhine", 2)]))
    state, gone = merged_with(Workspace(tmp_path), old, new)
    assert state.rows.height + old.height - len(gone) == left
    assert set(gone) <= set(state.drops["row_id"])


def test_a_trace_without_a_score_gives_no_row() -> None:
    assert offered([trace("t", None)], {}, 0.0).height == 0


@pytest.mark.parametrize("score", [0.0, 1.0, None])
def test_an_accepted_correction_wins_over_what_was_said(score: float | None) -> None:
    corrected = {"t": ("Rhine", "person:ada"), "another": ("Elbe", "reference")}
    (row,) = rows_of([trace("t", score)], corrected, 0.7)
    assert answer_text(row["messages"]) == "Rhine"
    assert row["tags"] == ["correction"]
    assert json.loads(row["meta"]) == {"author": "person:ada", "origin": "correction", "trace": "t"}


def test_only_accepted_corrections_of_the_cycle_count_and_a_persons_comes_first(tmp_path: Path) -> None:
    rows = [
        ("t", "Rhine", "reference", "accepted", 2),
        ("t", "Inn", "person:ada", "accepted", 2),
        ("t", "Elbe", "zephyr-model", "accepted", 2),
        ("u", "Oder", "reference", "rejected", 2),
        ("v", "Main", "reference", "proposed", 2),
        ("w", "Spree", "reference", "accepted", 1),
    ]
    with transaction(tmp_path / "s.duckdb") as connection:
        for identity, output, author, state, cycle in rows:
            values = [identity, JUDGE, author, output, state, "", cycle]
            connection.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        assert accepted(connection, 2) == {"t": ("Inn", "person:ada")}
        assert accepted(connection, 3) == {}


def test_the_parent_is_the_snapshot_of_the_last_finished_cycle(tmp_path: Path) -> None:
    workspace, first, second = filled(tmp_path)
    with transaction(workspace.store) as connection:
        assert last_snapshot(connection, 2, "model") == first.id
        assert last_snapshot(connection, 3, "model") == second.id
        connection.execute("UPDATE cycles SET state = 'abandoned' WHERE id = 2")
        assert last_snapshot(connection, 3, "model") == first.id
        with pytest.raises(AssertionError):
            last_snapshot(connection, 1, "model")


def test_old_rows_are_preferred_and_new_ones_are_checked_and_redacted(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)

    def row(question: str, answer: str, source: str, line: int) -> dict[str, object]:
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return make_row(turns, source=source, line=line)

    old = frame([row("Which river crosses Vienna?", "Danube", "seed", 1)])
    new = frame(
        [
            row("Which river crosses Vienna?", "Danube", "trace:a", 1),
            row("Who answers the mail here?", "write to ada@example.org", "trace:b", 2),
            row("What is left when nothing is said?", " ", "trace:c", 3),
        ]
    )
    state, gone = merged_with(workspace, old, begin(new))
    assert gone == []
    assert [(r["source"], answer_text(r["messages"])) for r in state.rows.iter_rows(named=True)] == [
        ("trace:b", "write to [EMAIL]"),
    ]
    assert dict(state.drops.select("source", "reason").rows()) == {
        "trace:a": "exact duplicate",
        "trace:c": "R102 empty answer",
    }
    assert [t.step for t in state.tallies] == ["validate", "redact", "merge", "dedup"]


def test_a_verdict_of_another_judge_is_not_mixed_in(tmp_path: Path) -> None:
    workspace, *_ = filled(tmp_path)
    from judge.frames import items_of
    from loop.traces import items, judged
    from loop.verdicts import verdict_rows

    with transaction(workspace.store) as connection:
        asked = items_of(items(connection, 2))
        other = [Verdict(i.id, "other", 0, "scored", 0.9) for i in asked]
        insert(connection, "verdicts", verdict_rows(verdict_frame(other, asked)))
        assert {t.verdict.score for t in judged(connection, 2, "other")} == {0.9}
        assert [t.verdict.score for t in judged(connection, 2, JUDGE)] == [1.0, 0.0, None, 0.0]


def test_a_changed_seed_file_is_offered_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    manifest, _ = curate(workspace, Progress(quiet=True))
    seed, rejects = changed_seed(workspace, workspace.snapshots / manifest.id)
    assert (seed.rows.height, rejects) == (0, None)
    with (tmp_path / "data" / "seed.jsonl").open("a", encoding="utf8") as stream:
        stream.write('{"question": "What is the capital of Mali?", "answer": "Bamako"}\nnot a row\n')
    seed, rejects = changed_seed(Workspace(tmp_path), workspace.snapshots / manifest.id)
    assert rejects is not None
    assert rejects.height == 1
    old = read_rows(workspace.snapshots / manifest.id).drop("split")
    merged, gone = merged_with(workspace, old, begin(frame([])), seed)
    assert gone == []
    assert [answer_text(m) for m in merged.rows["messages"].to_list()] == ["Bamako"]


def test_other_fields_of_a_seed_row_come_through_a_merge_in_the_same_split(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    first, _ = curate(workspace, Progress(quiet=True))
    path = tmp_path / "data" / "seed.jsonl"
    lines = [json.loads(line) | {"license": "mit"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest, _ = grow(Workspace(tmp_path), first.id, [trace("t", 1.0)], {}, Progress(quiet=True))
    before, after = (read_rows(workspace.snapshots / m.id) for m in (first, manifest))
    assert set(after.filter(source="data/seed.jsonl")["meta"]) == {'{"license":"mit"}'}
    splits = dict(after.select("id", "split").rows())
    assert {i: splits[i] for i in before["id"]} == dict(before.select("id", "split").rows())
    assert after.height == before.height + 1
    again, _ = grow(Workspace(tmp_path), manifest.id, [trace("t", 1.0)], {}, Progress(quiet=True))
    assert read_rows(workspace.snapshots / again.id).sort("id").equals(after.sort("id"))


def asked(identity: str, question: str, score: float, answer: str = "an answer") -> Judged:
    turns = [{"role": "user", "content": question}]
    verdict = Verdict(identity, JUDGE, 0, "scored", score)
    return Judged(Item(identity, turns, answer), verdict, ["correction"])


def test_caps_are_filled_by_rows_that_come(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    with (tmp_path / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write('\n[[curate.step]]\nstep = "merge"\ntraces = 3\ncorrections = 1\n')
        stream.write('\n[[curate.step]]\nstep = "validate"\n[[curate.step]]\nstep = "dedup"\n')
    workspace = Workspace(tmp_path)
    first, _ = curate(workspace, Progress(quiet=True))
    held = [asked(f"a{i}", question, 1.0) for i, question in enumerate(HELDOUT)]
    known = [asked("b", "Peru: capital?", 1.0, "Lima"), asked("c", "", 1.0)]
    same = [asked(f"d{i}", "How far is the moon from here?", 0.99) for i in range(4)]
    others = [asked(f"e{i}", question, 0.9 - i / 100) for i, question in enumerate(OTHERS)]
    corrected = {f"f{i}": ("right", "person:x") for i in range(3)}
    countries = enumerate(("Cuba", "Oman", "Chile"))
    wrong = [asked(f"f{i}", f"{country}: capital?", 0.1) for i, country in countries]
    offers = [*held, *known, *same, *others, *wrong]
    manifest, _ = grow(workspace, first.id, offers, corrected, Progress(quiet=True))
    folder = workspace.snapshots / manifest.id
    rows = read_rows(folder)
    assert sorted(rows.filter(FROM_TRACE)["source"]) == ["trace:d0", "trace:e0", "trace:e1", "trace:f0"]
    asking = {prompt_text(m) for m in rows["messages"].to_list()}
    assert {"Oman: capital?", "Chile: capital?"} <= asking  # what a correction over the cap said stays unsaid
    drops = dict(read_table(folder, "drops").select("source", "reason").rows())
    assert drops["trace:e2"] == "over the cap of 3 traces"
    assert drops["trace:f1"] == drops["trace:f2"] == "over the cap of 1 corrections"
    assert drops["trace:a0"] == "held-out (exact)"
    assert drops["trace:b"] == drops["trace:d3"] == "exact duplicate"
    assert drops["trace:c"] == "R101 empty prompt"
    for tally in manifest.steps:
        explained = sum(tally.dropped.values()) - tally.old
        assert tally.rows_in - tally.rows_out == explained


OTHERS = ["Who wrote the first novel?", "Why is the sky blue at noon?", "When do owls sleep, if ever?"]


def test_the_rules_of_the_workspace_are_asked_and_belong_to_the_recipe(tmp_path: Path) -> None:
    plain, _ = curate(build_workspace(tmp_path), Progress(quiet=True))
    assert "rules" not in plain.recipe
    with (tmp_path / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write('\n[rules]\nlevels = {R304 = "error"}\n')
    workspace = Workspace(tmp_path)
    strict, _ = curate(workspace, Progress(quiet=True))
    assert strict.recipe["rules"]["levels"] == {"R304": "error"}
    assert strict.id != plain.id
    new = offered([trace("t", 1.0, "I cannot help with that."), trace("u", 1.0)], {}, 0.7)
    merged, _ = merged_with(workspace, frame([]), begin(new))
    assert merged.rows["source"].to_list() == ["trace:u"]
    assert "R304 refusal or boilerplate" in merged.drops["reason"].to_list()
