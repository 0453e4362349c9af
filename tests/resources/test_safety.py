"""Checks that the shipped safety data is what its README and its fault manifest say it is."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

Row = dict[str, Any]

DATA = Path(__file__).parents[2] / "resources" / "safety"
POLICY = (DATA / "policy.txt").read_text(encoding="utf-8").strip()
PREFIX = POLICY + "\n\nMessage: "
TRAINED = ("violence", "crime", "self-harm", "hate", "sexual")
ANSWER = re.compile(rf"safe|unsafe\n({'|'.join([*TRAINED, 'privacy'])})")
NEAR = 0.82  # a planted near-duplicate reaches it
APART = 0.5  # two rows that are no planted pair stay below it
LEAST = {
    "broken_json": 2, "not_an_object": 1, "missing_messages": 1, "null_content": 1, "wrong_type": 1,
    "unknown_role": 1, "duplicate_key": 1, "lone_surrogate": 1, "blank_line": 1,
    "empty_prompt": 1, "empty_answer": 2, "no_answer": 1, "truncated_answer": 2, "bad_format": 3,
    "refusal": 3, "echo": 1, "mojibake": 2, "control_character": 1,
    "exact_duplicate": 6, "normalised_duplicate": 4, "near_duplicate": 8, "conflict": 5,
    "pii": 8, "heldout_leak": 4,
}  # fmt: skip
INTAKE = list(LEAST)[:9]
PII = {
    "e-mail address": r"[\w.]+@example\.(?:com|org)\b",
    "phone number": r"\(?\b\d{3}\)?[ -]555-01\d\d\b",
    "card number": r"\b(?:\d{4} ){3}\d{4}\b",
    "IBAN": r"\b[A-Z]{2}\d\d(?: \d{2,4})+\b",
    "IPv4 address": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    "API key": r"\bsk-\w{20,}",
}


def load(name: str) -> list[Row]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").split("\n")[:-1]]


LINES = (DATA / "seed.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
FAULTS: list[Row] = json.loads((DATA / "faults.json").read_text(encoding="utf-8"))
FAULT_AT = {fault["line"]: fault for fault in FAULTS}
CLEAN = {n: json.loads(line) for n, line in enumerate(LINES, 1) if n not in FAULT_AT}
POOL, HELDOUT, GENERAL = load("pool.jsonl"), load("heldout.jsonl"), load("general.jsonl")
REFERENCES = load("pool.references.jsonl")


def at(number: int) -> Row:
    return dict(json.loads(LINES[number - 1]))


def prompt(row: Row) -> str:
    return str(row["messages"][0]["content"])


def text(row: Row) -> str:
    return prompt(row).removeprefix(PREFIX)


def answer(row: Row) -> str:
    return str(row["messages"][-1]["content"])


def words(of: str) -> set[str]:
    return set(re.findall(r"\w+", of.lower()))


def normalised(words: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", words).lower().split())


def shingles(row: Row) -> frozenset[tuple[str, ...]]:
    words = normalised(prompt(row).removeprefix(POLICY)).split()
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def jaccard(a: Row, b: Row) -> float:
    one, two = shingles(a), shingles(b)
    return len(one & two) / len(one | two)


def close_pairs(left: list[Row], right: list[Row]) -> list[tuple[str, str]]:
    one, two = ([(row["id"], shingles(row)) for row in rows] for rows in (left, right))
    return [(a, b) for (a, x), (b, y) in product(one, two) if len(x & y) >= APART * len(x | y)]


def label_tags(row: Row) -> list[str]:
    verdict, _, categories = answer(row).partition("\n")
    benign = ["benign", *(tag for tag in row["tags"] if tag == "contrast")]
    return ["safety", *(benign if verdict == "safe" else categories.split(","))]


def assert_well_formed(row: Row) -> None:
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
    if "safety" in row["tags"]:
        assert prompt(row).startswith(PREFIX)
        assert 6 <= len(text(row).split()) <= 40
        assert ANSWER.fullmatch(answer(row))
        assert row["tags"] == label_tags(row)
    else:
        assert (row["tags"][0], len(row["tags"])) == ("general", 2)
        assert POLICY not in prompt(row)
        assert 1 <= len(answer(row).split()) <= (4 if row["id"].startswith("general") else 10)


def repeats_a_key(line: str) -> bool:
    objects: list[list[tuple[str, Any]]] = []

    def note(pairs: list[tuple[str, Any]]) -> Row:
        objects.append(pairs)
        return dict(pairs)

    json.loads(line, object_pairs_hook=note)
    return any(len(dict(pairs)) < len(pairs) for pairs in objects)


def passes_luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def passes_mod97(iban: str) -> bool:
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def has_pii(row: Row, note: str) -> bool:
    kind = next((kind for kind in PII if kind in note), "e-mail address")
    found = re.findall(PII[kind], text(row))
    checks = {"card number": passes_luhn, "IBAN": passes_mod97}
    return len(found) == 1 and checks.get(kind, bool)(found[0].replace(" ", ""))


def partner_of(fault: Row) -> Row:
    partner: int = fault["partner"]
    return HELDOUT[partner - 1] if fault["fault"] == "heldout_leak" else dict(CLEAN[partner])


def has_intake_fault(kind: str, line: str) -> bool:
    if kind in ("broken_json", "blank_line"):
        with pytest.raises(ValueError, match="line 1"):
            json.loads(line)
        return (line == "") == (kind == "blank_line")
    row = json.loads(line)
    if kind in ("not_an_object", "missing_messages"):
        return isinstance(row, list) == (kind == "not_an_object") and {"messages"}.isdisjoint(row)
    contents = [message["content"] for message in row["messages"]]
    found = {
        "null_content": None in contents,
        "wrong_type": any(isinstance(content, int) for content in contents),
        "unknown_role": "bot" in [message["role"] for message in row["messages"]],
        "duplicate_key": repeats_a_key(line),
        "lone_surrogate": re.search("[\ud800-\udfff]", "".join(map(str, contents))) is not None,
    }
    return [name for name, there in found.items() if there] == [kind]


def has_row_fault(fault: Row, row: Row) -> bool:
    said, well_said = answer(row), ANSWER.fullmatch(answer(row)) is not None
    return {
        "empty_prompt": prompt(row) == "" and well_said,
        "empty_answer": said.strip() == "",
        "no_answer": [message["role"] for message in row["messages"]] == ["user"],
        "truncated_answer": not well_said and bool(said) and f"unsafe\n{row['tags'][-1]}".startswith(said),
        "bad_format": not well_said and "safe" in said.lower() and said not in "unsafe\nS",
        "refusal": re.search("cannot help|unable to|must decline", said) is not None,
        "echo": said == prompt(row),
        "mojibake": "â€™" in text(row) and well_said,
        "control_character": re.search(r"[\x00-\x08\x0b-\x1f]", text(row)) is not None and well_said,
        "pii": well_said and has_pii(row, fault["note"]),
    }[fault["fault"]]


def has_pair_fault(fault: Row, row: Row, partner: Row) -> bool:
    same_text, agree = text(row) == text(partner), answer(row) == answer(partner)
    near = jaccard(row, partner) >= NEAR
    same_when_normalised = normalised(text(row)) == normalised(text(partner))
    return {
        "exact_duplicate": same_text and agree,
        "normalised_duplicate": not same_text and same_when_normalised and agree,
        "near_duplicate": near and not same_when_normalised and agree and len(text(row).split()) >= 15,
        "conflict": near
        and not agree
        and "right: " + answer(partner).replace("\n", " and ") in fault["note"],
        "heldout_leak": near and agree,
    }[fault["fault"]]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['line']}-{fault['fault']}")
def test_each_line_of_the_manifest_has_its_fault(fault: Row) -> None:
    line = LINES[fault["line"] - 1]
    if fault["fault"] in INTAKE:
        assert has_intake_fault(fault["fault"], line)
    elif fault["partner"] is None:
        assert has_row_fault(fault, json.loads(line))
    else:
        row = json.loads(line)
        assert_well_formed(row)
        assert has_pair_fault(fault, row, partner_of(fault))


def test_the_manifest_plants_every_kind_often_enough_and_all_over_the_file() -> None:
    counts = Counter(fault["fault"] for fault in FAULTS)
    assert {kind: counts[kind] for kind in LEAST if counts[kind] < LEAST[kind]} == {}
    assert set(counts) == set(LEAST)
    assert len(FAULT_AT) == len(FAULTS)
    assert {fault["line"] * 4 // (len(LINES) + 1) for fault in FAULTS} == {0, 1, 2, 3}
    partners = [fault["partner"] for fault in FAULTS if fault["partner"] and fault["fault"] != "heldout_leak"]
    assert len(partners) == len(set(partners))
    leaks = [f for f in FAULTS if f["fault"] == "heldout_leak"]
    exact = [text(at(f["line"])) == text(partner_of(f)) for f in leaks]
    assert sum(exact) == len(exact) - sum(exact) == 2
    assert {kind for kind in PII if any(kind in f["note"] for f in FAULTS if f["fault"] == "pii")} == set(PII)


def test_the_clean_seed_is_large_balanced_and_well_formed() -> None:
    for row in CLEAN.values():
        assert_well_formed(row)
    assert 25 <= len(POLICY.split()) <= 100
    ids = Counter(row["id"] for row in [*CLEAN.values(), *POOL, *HELDOUT, *GENERAL])
    assert set(ids.values()) == {1}
    answers = Counter(answer(row) for row in CLEAN.values() if "safety" in row["tags"])
    assert len(LINES) >= 280
    assert answers.total() >= 200
    assert 0.45 <= answers["safe"] / answers.total() <= 0.55
    assert all(answers[f"unsafe\n{name}"] >= 18 for name in TRAINED)
    assert len(CLEAN) - answers.total() >= 50


def test_the_seed_knows_nothing_of_privacy_or_contrast() -> None:
    rows = [
        json.loads(line)
        for n, line in enumerate(LINES, 1)
        if n in CLEAN or FAULT_AT[n]["fault"] not in INTAKE
    ]
    found = [
        row["id"] for row in rows if {"privacy", "contrast"} & set(row["tags"]) or "\nprivacy" in answer(row)
    ]
    assert found == []


def test_no_two_rows_are_close_but_for_the_planted_pairs() -> None:
    seed = [row for row in CLEAN.values() if "safety" in row["tags"]]
    other = ("pii", "mojibake", "refusal", "bad_format")
    seed += [at(fault["line"]) for fault in FAULTS if fault["fault"] in other]
    for rows in (seed, POOL, HELDOUT):
        assert [(a["id"], b["id"]) for a, b in combinations(rows, 2) if jaccard(a, b) >= APART] == []
    assert close_pairs(HELDOUT, seed + POOL) == []
    assert close_pairs(POOL, seed) == []
    leaks = {partner_of(f)["id"]: at(f["line"]) for f in FAULTS if f["fault"] == "heldout_leak"}
    assert {held for held, _ in close_pairs(HELDOUT, list(leaks.values()))} == set(leaks)


def test_the_pool_has_a_complete_reference_for_each_prompt() -> None:
    assert len(POOL) >= 220
    assert [row["id"] for row in POOL] == [row["id"] for row in REFERENCES]
    for row, reference in zip(POOL, REFERENCES, strict=True):
        assert [message["role"] for message in row["messages"]] == ["user"]
        assert prompt(row).startswith(PREFIX)
        assert 6 <= len(text(row).split()) <= 40
        assert row["tags"] == ["safety"]
        assert ANSWER.fullmatch(reference["reference"])
    answers = Counter(row["reference"] for row in REFERENCES)
    assert answers["unsafe\nprivacy"] >= 35
    assert all(answers[f"unsafe\n{name}"] >= 9 for name in TRAINED)


def test_the_held_out_rows_cover_what_the_seed_leaves_out() -> None:
    for row in HELDOUT:
        assert_well_formed(row)
    tags = Counter(tag for row in HELDOUT for tag in row["tags"])
    assert len(HELDOUT) >= 140
    assert 0.40 <= tags["benign"] / len(HELDOUT) <= 0.50
    assert 0.18 <= tags["contrast"] / len(HELDOUT) <= 0.22
    assert tags["privacy"] >= 20
    assert all(tags[name] >= 10 for name in TRAINED)
    openings = {str(text(row).lower().split()[:3]) for row in [*CLEAN.values(), *POOL]}
    assert [row["id"] for row in HELDOUT if str(text(row).lower().split()[:3]) in openings] == []


def test_general_questions_are_short_and_new() -> None:
    for row in GENERAL:
        assert_well_formed(row)
        assert "general" in row["tags"]
    assert len(GENERAL) >= 70
    filler = words(
        "a the is are of in on do does what which how many name tell me give answer one word please"
    )
    trained = [row for row in CLEAN.values() if "general" in row["tags"]]
    for new, old in product(GENERAL, trained):
        same_answer = words(answer(new)) <= words(answer(old)) - words(prompt(old))
        assert not same_answer or len(words(prompt(new)) & words(prompt(old)) - filler) < 2


@pytest.mark.parametrize("rows", [[*CLEAN.values()], POOL, HELDOUT, GENERAL])
def test_at_most_three_messages_share_an_opening(rows: list[Row]) -> None:
    openings = Counter(" ".join(text(row).lower().split()[:4]) for row in rows)
    assert {opening: n for opening, n in openings.items() if n > 3} == {}
