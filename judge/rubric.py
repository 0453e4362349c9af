"""The rubric: what a judge looks at, read from a TOML file and checked before anything is asked."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from curation.errors import UserError
from judge.form import pattern_fault, schema_fault

Check = Literal[
    "exact",
    "first_line",
    "label_set",
    "contains",
    "one_of",
    "regex",
    "json_schema",
    "similarity",
    "numeric",
]
"""The deterministic rule that the reference judge applies to a criterion (`judge/rules.py`)."""

Grade = int | str
MOST = 1e12
"""No weight or tolerance is larger: sums of them stay numbers."""
Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]*\Z")]

DEFAULT_REFERENCE = (
    "When a reference answer is given, take it as right and compare by meaning: other words for the same "
    "content are as good, content that contradicts the reference is wrong."
)


class Level(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One grade of a criterion: the grade as the judge writes it, what earns it, what it scores (0 to 1)."""

    grade: Grade
    anchor: Text
    score: Annotated[float, Meta(ge=0, le=1)]


class Criterion(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One question put to an answer. `weight` is relative to the other criteria's weights.

    The fields after `levels` are for the reference judge's `check` of the same name: `labels` for `one_of`,
    `pattern` for `regex`, `schema` for `json_schema` (where these two are empty, the item's reference is
    the pattern or the schema); `tolerance` and `relative`, the larger of which counts, for `numeric`.
    """

    name: Name
    description: Text
    weight: Annotated[float, Meta(gt=0, le=MOST)]
    check: Check
    levels: Annotated[list[Level], Meta(min_length=2)]
    labels: list[Text] = []
    pattern: str = ""
    schema: dict[str, Any] = {}
    tolerance: Annotated[float, Meta(ge=0, le=MOST)] = 0.0
    relative: Annotated[float, Meta(ge=0, le=MOST)] = 0.0

    def scores(self) -> dict[Grade, float]:
        """Score (0 to 1) of each grade."""
        return {level.grade: level.score for level in self.levels}


class Example(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A judged answer shown to a language model judge: `grades` holds one grade per criterion."""

    prompt: Text
    output: str
    feedback: Text
    grades: dict[str, Grade]
    reference: str | None = None


class Rubric(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a judge looks at. `reference` says what a reference answer, where there is one, is for."""

    name: Name
    version: Annotated[int, Meta(ge=1)]
    task: Text
    criteria: Annotated[list[Criterion], Meta(min_length=1)]
    examples: list[Example] = []
    reference: Text = DEFAULT_REFERENCE

    def weighted(self, criteria: dict[str, float]) -> float:
        """Weighted mean of one score (0 to 1) per criterion, 0 to 1."""
        total = math.fsum(criterion.weight for criterion in self.criteria)
        mean = math.fsum(c.weight / total * criteria[c.name] for c in self.criteria)
        return min(1.0, mean)  # rounding may carry a mean of ones past one


def load_rubric(path: Path | str) -> Rubric:
    """Read and check a rubric.

    Args:
        path: A TOML file.

    Raises:
        UserError: The file cannot be read, is not TOML, or a field is missing, unknown or out of range.
            The error names the file and the path of the field.
    """
    try:
        rubric = msgspec.toml.decode(Path(path).read_text(encoding="utf-8-sig"), type=Rubric)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the rubric cannot be read: {error}",
            where=str(path),
            fix="give a TOML file, or one of the shipped rubrics that `regrind judge run --help` names",
        ) from error
    except msgspec.ValidationError as error:
        problem, field = _field(str(error))
        raise UserError(problem, where=f"{path}: {field}", fix="correct this field of the rubric") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"not TOML: {error}", where=str(path), fix="correct the file's syntax") from error
    for field, problem in _faults(rubric):
        raise UserError(problem, where=f"{path}: {field}", fix="correct this field of the rubric")
    return rubric


def _field(message: str) -> tuple[str, str]:
    """Split msgspec's message into the problem and the path of the field in the file."""
    found = re.search(r" - at `\$\.?([^`]*)`$", message)
    return (message[: found.start()], found[1] or "top level") if found else (message, "top level")


def _faults(rubric: Rubric) -> list[tuple[str, str]]:
    """What the field types cannot say, as (field path, problem)."""
    faults = []
    names = [criterion.name for criterion in rubric.criteria]
    for i, criterion in enumerate(rubric.criteria):
        at = f"criteria[{i}]"
        if names.index(criterion.name) != i:
            faults.append((f"{at}.name", f"the name '{criterion.name}' is used twice"))
        if len(criterion.scores()) < len(criterion.levels):
            faults.append((f"{at}.levels", "two levels have the same grade"))
        if len({type(level.grade) for level in criterion.levels}) > 1:
            faults.append((f"{at}.levels", "grades must be all numbers or all words"))
        faults += [(f"{at}.{field}", problem) for field, problem in _check_faults(criterion)]
    for i, example in enumerate(rubric.examples):
        faults += [(f"examples[{i}].grades", problem) for problem in grade_faults(rubric, example.grades)]
    return faults


def _check_faults(criterion: Criterion) -> list[tuple[str, str]]:
    """What is wrong with the fields that a check takes, as (field, problem)."""
    faults = [
        (field, f"this is for the check {check}")
        for field, check in _FIELDS.items()
        if getattr(criterion, field) and criterion.check != check
    ]
    if criterion.check == "one_of" and not criterion.labels:
        faults.append(("labels", "the check one_of needs labels"))
    if problem := pattern_fault(criterion.pattern):
        faults.append(("pattern", problem))
    if criterion.schema and (problem := schema_fault(criterion.schema)):
        faults.append(("schema", problem))
    return faults


_FIELDS = {
    "labels": "one_of",
    "pattern": "regex",
    "schema": "json_schema",
    "tolerance": "numeric",
    "relative": "numeric",
}


def grade_faults(rubric: Rubric, grades: dict[str, Grade]) -> list[str]:
    """What is wrong with a set of grades: empty when each criterion has one of its own grades."""
    expected = {criterion.name: criterion.scores() for criterion in rubric.criteria}
    faults = [f"no grade for '{name}'" for name in expected if name not in grades]
    faults += [f"no criterion is called '{name}'" for name in grades if name not in expected]
    faults += [
        f"'{grade}' is no grade of '{name}'"
        for name, grade in grades.items()
        if name in expected and grade not in expected[name]
    ]
    return faults
