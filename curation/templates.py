"""Prompt templates: read from TOML, checked, and filled in one pass with text that is never template."""

from __future__ import annotations

import json
import re
import tomllib
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from curation.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")]
PIECE = re.compile(r"\{\{|\}\}|\{(?P<field>[^\W\d][\w-]*(?:\.[\w-]+)*)\}|(?P<stray>[{}])")


class Template(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a prompt is put: `{field}` stands for a field of the row, `{{` and `}}` for braces.

    Fields are `prompt` (the last user turn), `system`, every other field of the row's line, and `task`: the
    first tag that is no stage, unless the line has a task. `{feedback.score}` is `score` in `feedback`.

    Attributes:
        name: What `--template FILE:NAME` calls it.
        user: Text of the last user turn.
        prefix: Stands in front of `user`, such as `[summarise] `.
        system: The system message, in place of the row's own; empty leaves that as it is.
        examples: Tables with `answer` and the fields that `prefix` and `user` name: turns in front.
        stage: Stage of training that the rows are for: general, domain, task or another name.
    """

    name: Name
    user: str = "{prompt}"
    prefix: str = ""
    system: str = ""
    examples: tuple[dict[str, Any], ...] = ()
    stage: Name | None = None

    def __post_init__(self) -> None:
        fields_of(self.system)
        needed = ["answer", *fields_of(self.prefix), *fields_of(self.user)]
        for number, example in enumerate(self.examples, start=1):
            if missing := [name for name in needed if text_of(name, example) is None]:
                raise ValueError(f"example {number} of template {self.name!r} has no field {missing[0]!r}")


def load_template(given: str) -> Template:
    """Read a template from the `[[template]]` tables of a TOML file, which may be a regrind.toml.

    Args:
        given: The file; `FILE:NAME` where it has several templates.

    Raises:
        UserError: The file or the template is not there, or is not well formed.
    """
    path, name = template_file(given), given.rpartition(":")[2]
    templates = _read(path)
    found = [template for template in templates if path == Path(given) or template.name == name]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} templates are called that" if found else f"there is no template {name!r}"
    if path == Path(given):
        problem = "this file has several templates"
    known = ", ".join(template.name for template in templates)
    fix = f"name one of them, as in {path}:{templates[0].name} (there is {known})"
    raise UserError(problem, where=given, fix=fix)


def template_file(given: str) -> Path:
    """The file in `FILE` or `FILE:NAME`; a file may have a colon in its own name."""
    file, colon, _ = given.rpartition(":")
    return Path(file if colon and not Path(given).is_file() else given)


def _read(path: Path) -> list[Template]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf8")).get("template", [])
        templates = msgspec.convert(tables, list[Template])
    except OSError as fault:
        raise UserError("the file cannot be read", where=str(path), fix="check the path") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"not TOML: {fault}", where=str(path), fix="correct the line") from fault
    except msgspec.ValidationError as fault:
        problem, _, place = str(fault).partition(" - at ")
        where = f"{path}: template{place.strip('`$')}"
        raise UserError(problem, where=where, fix="see [[template]] in docs/configuration.md") from fault
    if not templates:
        raise UserError(
            "no [[template]] in this file", where=str(path), fix="add one with a name and a user text"
        )
    return templates


def fields_of(text: str) -> list[str]:
    """The fields that a template's text names.

    Raises:
        ValueError: A brace stands alone, or around something that is no field's name.
    """
    pieces = list(PIECE.finditer(text))
    if stray := next((piece for piece in pieces if piece["stray"]), None):
        around = text[max(0, stray.start() - 10) : stray.start() + 20]
        raise ValueError(f"a brace that belongs to no field in {around!r} (write {{{{ or }}}} for a brace)")
    return [piece["field"] for piece in pieces if piece["field"]]


def fill(text: str, values: Mapping[str, str]) -> str:
    """A template's text with values in the place of its fields; what a value holds is not looked at.

    Args:
        text: Checked by `fields_of`.
        values: A text for every field that it names.
    """
    return PIECE.sub(lambda piece: values[piece["field"]] if piece["field"] else piece[0][0], text)


def text_of(name: str, fields: Mapping[str, Any]) -> str | None:
    """A field as text: under its whole name, or along its dots through tables; None where it is not."""
    value = fields.get(name)
    if value is None and "." in name:
        start: Any = fields
        value = reduce(lambda at, key: at.get(key) if isinstance(at, dict) else None, name.split("."), start)
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
