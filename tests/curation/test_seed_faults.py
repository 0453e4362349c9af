"""The shipped seed: every planted fault is found for the right reason, and clean rows are kept."""

from __future__ import annotations

import json
import tomllib

import msgspec
import polars as pl
import pytest

from curation.files import resource
from curation.heldout import freeze
from curation.intake import read_file
from curation.recipe import Augment, Select, Step
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.steps import run_steps
from curation.stored import read_rows
from curation.verify import verify

FAULTS = json.loads(resource("safety", "faults.json").read_text(encoding="utf8"))
PLANTED = {fault["line"]: fault for fault in FAULTS}

REJECTED = {
    "broken_json": ("$", "not JSON"),
    "not_an_object": ("$", "a JSON array, where an object is needed"),
    "missing_messages": ("$", "missing required field `messages`"),
    "null_content": ("$.messages[0].content", "got `null`"),
    "wrong_type": ("$.messages[0].content", "got `int`"),
    "unknown_role": ("$.messages[1].role", "Invalid enum value 'bot'"),
    "duplicate_key": ("$..content", "the key 'content' stands twice"),
    "lone_surrogate": ("$", "lone surrogate"),
}
BROKEN = {
    "empty_prompt": "R101",
    "empty_answer": "R102",
    "no_answer": "R103",
    "truncated_answer": "R302",
    "echo": "R303",
    "refusal": "R304",
    "bad_format": "R305",
    "mojibake": "R401",
    "control_character": "R402",
}
REPEATED = {
    "exact_duplicate": "exact duplicate",
    "normalised_duplicate": "normalised duplicate",
    "near_duplicate": "near duplicate",
}
KINDS = {
    "e-mail address": "EMAIL",
    "phone number": "PHONE",
    "card number": "CARD",
    "IBAN": "IBAN",
    "IPv4 address": "IP",
    "API key": "KEY",
}


def of(*kinds: str) -> list:
    return [pytest.param(f, id=f"{f['line']}-{f['fault']}") for f in FAULTS if f["fault"] in kinds]


@pytest.fixture(scope="module")
def intake():
    return read_file(resource("safety", "seed.jsonl"))


@pytest.fixture(scope="module")
def steps():
    with resource("safety", "regrind.toml").open("rb") as stream:
        return [msgspec.convert(step, Step) for step in tomllib.load(stream)["curate"]["step"]]


@pytest.fixture(scope="module")
def curated(intake, steps):
    """The seed after the cleaning steps; selection and augmentation choose among what is clean."""
    return run_steps(intake.rows, [s for s in steps if not isinstance(s, Select | Augment)])


@pytest.fixture(scope="module")
def heldout():
    return [
        freeze(name, read_file(resource("safety", f"{name}.jsonl")).rows) for name in ("heldout", "general")
    ]


@pytest.fixture(scope="module")
def drops(curated):
    return {row["line"]: row for row in curated.drops.iter_rows(named=True)}


def test_every_kind_of_fault_is_asked_for_here():
    asked = {*REJECTED, *BROKEN, *REPEATED, "pii", "conflict", "heldout_leak", "blank_line"}
    assert {fault["fault"] for fault in FAULTS} == asked


@pytest.mark.parametrize("fault", of(*REJECTED))
def test_a_line_that_is_no_row_is_quarantined(intake, fault):
    where, reason = REJECTED[fault["fault"]]
    (found,) = intake.rejects.filter(line=fault["line"]).rows(named=True)
    assert found["path"] == where
    assert reason in found["reason"]


def test_no_other_line_is_quarantined(intake):
    planted = [fault["line"] for fault in FAULTS if fault["fault"] in REJECTED]
    assert sorted(intake.rejects["line"]) == planted
    blank = {fault["line"] for fault in FAULTS if fault["fault"] == "blank_line"}
    count = resource("safety", "seed.jsonl").read_bytes().count(b"\n")
    assert {*intake.rows["line"], *intake.rejects["line"], *blank} == set(range(1, count + 1))


@pytest.mark.parametrize("fault", of(*BROKEN))
def test_a_row_that_breaks_a_rule_is_dropped_by_it(drops, fault):
    found = drops[fault["line"]]
    assert (found["step"], found["reason"].split()[0]) == ("validate", BROKEN[fault["fault"]])


@pytest.mark.parametrize("fault", of(*REPEATED))
def test_one_of_a_pair_is_dropped_and_the_other_stays(curated, drops, fault):
    pair = {fault["line"], fault["partner"]}
    (gone,) = pair & drops.keys()
    assert (drops[gone]["step"], drops[gone]["reason"]) == ("dedup", REPEATED[fault["fault"]])
    assert {drops[gone]["partner_line"]} == pair - {gone}
    assert pair - {gone} <= set(curated.rows["line"])


@pytest.mark.parametrize("fault", of("conflict"))
def test_a_conflict_is_listed_and_both_rows_stay(curated, fault):
    pairs = {frozenset(pair) for pair in curated.conflicts.select("line", "partner_line").rows()}
    assert frozenset((fault["line"], fault["partner"])) in pairs
    assert {fault["line"], fault["partner"]} <= set(curated.rows["line"])


def test_no_other_conflict_is_listed(curated):
    assert curated.conflicts.height == len(of("conflict"))


@pytest.mark.parametrize("fault", of("pii"))
def test_personal_data_is_replaced(curated, fault):
    kind = next(mark for name, mark in KINDS.items() if name in fault["note"])
    (row,) = curated.rows.filter(line=fault["line"]).rows(named=True)
    assert f"[{kind}]" in row["messages"][0]["content"]
    assert "redacted" in row["tags"]


def test_no_other_row_is_redacted(curated):
    redacted = curated.rows.filter(pl.col("tags").list.contains("redacted"))
    assert sorted(redacted["line"]) == [f["line"] for f in FAULTS if f["fault"] == "pii"]


def test_no_clean_row_is_lost(curated, drops):
    partners = {f["partner"] for f in FAULTS if f["fault"] in REPEATED}
    assert sorted(drops.keys() - PLANTED.keys() - partners) == []
    clean = {line for line in curated.rows["line"] if line not in PLANTED}
    assert len(clean) >= 270


def test_leaks_and_only_they_are_kept_out_of_the_snapshot(tmp_path, curated, heldout):
    written = snapshot(tmp_path, curated, heldout)
    leaks = {f["line"]: f["partner"] for f in FAULTS if f["fault"] == "heldout_leak"}
    assert set(curated.rows["line"]) - set(written["line"]) == leaks.keys()
    gone = pl.read_parquet(next(tmp_path.iterdir()) / "drops.parquet").filter(step="heldout")
    assert dict(gone.select("line", "partner_line").rows()) == leaks


def test_the_whole_recipe_keeps_them_out_too(tmp_path, intake, steps, heldout):
    curated = run_steps(intake.rows, steps)
    written = snapshot(tmp_path, curated, heldout)
    bad = {*REJECTED, *BROKEN, "heldout_leak"}
    assert [line for line in written["line"] if PLANTED.get(line, {"fault": ""})["fault"] in bad] == []
    (picked,), (noisy,) = ([s for s in steps if isinstance(s, kind)] for kind in (Select, Augment))
    tally = {t.step: t for t in curated.tallies}
    covered = tally["select"].notes["safety"]
    assert covered["coverage"] > covered["random_coverage"]
    assert tally["select"].rows_out == pytest.approx(picked.share * tally["select"].rows_in, abs=2)
    assert tally["augment"].notes["children"] == round(noisy.share * tally["select"].rows_out)
    assert written.height >= 0.95 * tally["augment"].rows_out


def snapshot(root, curated, heldout) -> pl.DataFrame:
    manifest = write_snapshot(root, curated, recipe={}, split=Split(0.9, 0.1), heldout=heldout)
    assert verify(root / manifest.id) == []
    return read_rows(root / manifest.id)
