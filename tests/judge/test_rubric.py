"""Rubrics: the shipped ones load, broken ones name the file and the field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from curation.errors import UserError
from judge.reference import ReferenceJudge
from judge.rubric import grade_faults, load_rubric

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
name = "tiny"
version = 1
task = "Grade."
[[criteria]]
name = "answer"
description = "Right?"
weight = 1.0
check = "exact"
levels = [{grade = 0, anchor = "no", score = 0.0}, {grade = 1, anchor = "yes", score = 1.0}]
[[examples]]
prompt = "p"
output = "o"
feedback = "f"
grades = {answer = 1}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_rubrics_are_sound(rubrics):
    assert {"general", "helpfulness", "safety", "format", "answer"} == set(rubrics)
    for name, rubric in rubrics.items():
        assert rubric.name == name
        assert len(rubric.examples) <= 3
        assert sum(criterion.weight for criterion in rubric.criteria) == pytest.approx(1)
        for criterion in rubric.criteria:
            assert {0.0, 1.0} <= set(criterion.scores().values())


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("weight = 1.0", "weight = 0.0", "criteria[0].weight", "> 0"),
        ("weight = 1.0", "weight = nan", "criteria[0].weight", "> 0"),
        ("weight = 1.0", "weight = inf", "criteria[0].weight", "<= 1"),
        ("weight = 1.0", "weight = 1e308", "criteria[0].weight", "<= 1"),
        ("weight = 1.0", 'weight = "heavy"', "criteria[0].weight", "float"),
        ("score = 1.0", "score = 1.5", "criteria[0].levels[1].score", "<= 1"),
        ("score = 0.0", "score = -0.5", "criteria[0].levels[0].score", ">= 0"),
        ("grade = 1,", "grade = 0,", "criteria[0].levels", "same grade"),
        ("grade = 1,", 'grade = "1",', "criteria[0].levels", "all numbers or all words"),
        ("version = 1", "version = 0", "version", ">= 1"),
        ("version = 1", "", "top level", "version"),
        ('"Grade."', '"Grade."\ntaks = 1', "top level", "taks"),
        ('check = "exact"', 'check = "exactly"', "criteria[0].check", "exactly"),
        ('name = "answer"', 'name = "the answer"', "criteria[0].name", "regex"),
        (
            "grades = {answer = 1}",
            "grades = {answer = 2}",
            "examples[0].grades",
            "'2' is no grade of 'answer'",
        ),
        ("grades = {answer = 1}", "grades = {other = 1}", "examples[0].grades", "no grade for 'answer'"),
        ('check = "exact"', 'check = "one_of"', "criteria[0].labels", "needs labels"),
        (
            'check = "exact"',
            'check = "regex"\npattern = "a{99999999999}"',
            "criteria[0].pattern",
            "not a regular expression",
        ),
        (
            'check = "exact"',
            'check = "json_schema"\nschema = {"$ref" = "#/nope"}',
            "criteria[0].schema",
            "cannot be applied",
        ),
        (
            'check = "exact"',
            'check = "json_schema"\nschema = {properties = {a = {"$ref" = "#/nope"}}}',
            "criteria[0].schema",
            "refers to '#/nope'",
        ),
        (
            'check = "exact"',
            'check = "json_schema"\nschema = {"$ref" = "#"}',
            "criteria[0].schema",
            "cannot be applied",
        ),
        (
            'check = "exact"',
            'check = "json_schema"\nschema = {properties = {a = {pattern = "("}}}',
            "criteria[0].schema",
            "not a JSON schema",
        ),
        ('check = "exact"', 'check = "exact"\nlabels = ["a"]', "criteria[0].labels", "the check one_of"),
        ('check = "exact"', 'check = "exact"\npattern = "a"', "criteria[0].pattern", "the check regex"),
        (
            'check = "exact"',
            'check = "regex"\npattern = "("',
            "criteria[0].pattern",
            "not a regular expression",
        ),
        (
            'check = "exact"',
            'check = "json_schema"\nschema = {type = "thing"}',
            "criteria[0].schema",
            "not a JSON schema",
        ),
        (
            'check = "exact"',
            'check = "exact"\nschema = {type = "object"}',
            "criteria[0].schema",
            "the check json_schema",
        ),
        ('check = "exact"', 'check = "exact"\ntolerance = 1.0', "criteria[0].tolerance", "the check numeric"),
        ('check = "exact"', 'check = "numeric"\nrelative = nan', "criteria[0].relative", ">= 0"),
    ],
)
def test_a_broken_field_is_named_with_its_file(tmp_path, old, new, field, says):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load_rubric(path)
    assert caught.value.where == f"{path}: {field}"
    assert says in caught.value.problem
    assert caught.value.fix


def test_a_name_used_twice_is_refused(tmp_path):
    criterion = GOOD[GOOD.index("[[criteria]]") : GOOD.index("[[examples]]")]
    with pytest.raises(UserError, match="used twice"):
        load_rubric(write(tmp_path, GOOD + criterion))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path, content):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_rubric(path)
    assert caught.value.where == str(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.toml"):
        load_rubric(tmp_path / "nowhere.toml")


def test_the_identity_follows_the_content_and_not_the_layout(tmp_path):
    def identity(rubric):
        return ReferenceJudge(rubric).identity.id

    rubric = load_rubric(write(tmp_path, GOOD))
    again = load_rubric(write(tmp_path, "# a comment\n" + GOOD.replace(" = ", "=")))
    assert identity(rubric) == identity(again)
    assert identity(rubric).startswith("reference/tiny-v1/")
    assert identity(msgspec.structs.replace(rubric, task="Grade!")) != identity(rubric)


def test_the_weighted_mean_uses_the_weights(safety):
    assert safety.weighted({"verdict": 1.0, "categories": 0.0}) == pytest.approx(0.6)
    assert safety.weighted({"verdict": 1.0, "categories": 1.0}) == 1.0


def test_grades_must_be_the_rubrics_own(helpfulness):
    good = {"relevance": 4, "helpfulness": 1, "accuracy": 2}
    assert grade_faults(helpfulness, good) == []
    assert grade_faults(helpfulness, good | {"relevance": "4"}) == ["'4' is no grade of 'relevance'"]
    assert grade_faults(helpfulness, good | {"charm": 1}) == ["no criterion is called 'charm'"]


def test_nesting_without_end_is_no_toml(tmp_path):
    with pytest.raises(UserError, match="not TOML"):
        load_rubric(write(tmp_path, "a = " + "[" * 100_000))


def test_a_schema_may_refer_to_its_own_parts(tmp_path):
    schema = '{"$defs" = {n = {type = "number"}}, properties = {a = {"$ref" = "#/$defs/n"}}}'
    text = GOOD.replace('check = "exact"', f'check = "json_schema"\nschema = {schema}')
    assert load_rubric(write(tmp_path, text)).criteria[0].check == "json_schema"


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert load_rubric(path).name == "tiny"
