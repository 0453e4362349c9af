"""Templates: fields filled in one pass, row text never read as template, and faults named before any row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.errors import UserError
from curation.templates import Template, fields_of, fill, load_template, text_of

if TYPE_CHECKING:
    from pathlib import Path

ATTACKS = [
    "{", "}", "{{", "}}", "{prompt}", "{{prompt}}", "{0}", "{}", "{prompt.__class__.__mro__}", "{prompt!r}",
    "%s", "%(prompt)s", "%", "${prompt}", "$prompt", "$$", "{{ 7 * 7 }}", "{% for x in y %}", "{# x #}",
    "{{ prompt.__init__.__globals__ }}", "<%= 1 %>", "`id`", "\\1", "\\g<field>", "\\g<0>", "\\", "\n",
]  # fmt: skip
texts = st.lists(st.sampled_from([*ATTACKS, "a", " ", "ß", "prompt", "context"]), max_size=8).map("".join)


@given(texts, texts)
@example("{context}", "{prompt}")
def test_row_text_arrives_unchanged_whatever_it_looks_like(prompt, context):
    filled = fill("<{prompt}|{context}|{{x}}|{prompt}>", {"prompt": prompt, "context": context})
    assert filled == f"<{prompt}|{context}|{{x}}|{prompt}>"


@given(texts)
def test_a_text_is_refused_or_filled_with_nothing_but_the_fields_it_names(template):
    try:
        names = fields_of(template)
    except ValueError:
        return
    filled = fill(template, dict.fromkeys(names, ""))
    assert all(f"{{{name}}}" in template for name in names)
    assert len(filled) <= len(template)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a}", "1"),
        ("{{a}}", "{a}"),
        ("{{{a}}}", "{1}"),
        ("{{{{a}}}}", "{{a}}"),
        ("{a}{b.c-d}", "12"),
        ("50% of ${a}", "50% of $1"),
        ("", ""),
    ],
)
def test_braces_as_python_writes_them(text, expected):
    assert fill(text, {name: {"a": "1", "b.c-d": "2"}[name] for name in fields_of(text)}) == expected


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{ a }", "{a!r}", "{a:>3}", "{a[0]}", "{0}", "{a.}", "{a..b}", "{{a}"]
)
def test_a_brace_without_a_field_is_refused(text):
    with pytest.raises(ValueError, match="belongs to no field"):
        fields_of(text)


def test_a_field_is_looked_up_in_tables_alone():
    fields = {
        "a": {"b": 1, "c": None},
        "a.c": "whole",
        "text": "x",
        "list": [1, "é"],
        "yes": True,
        "none": None,
    }
    found = {
        "a.b": "1",
        "a.c": "whole",
        "a": '{"b": 1, "c": null}',
        "list": '[1, "é"]',
        "yes": "true",
        "text": "x",
    }
    assert {name: text_of(name, fields) for name in found} == found
    for name in ("text.upper", "text.__class__", "list.0", "a.__class__", "a.keys", "none", "b", "a.b.real"):
        assert text_of(name, fields) is None


GOOD = """
[[template]]
name = "ask"
user = "Question: {prompt}"

[[template]]
name = "triage"
prefix = "[triage] "
examples = [{prompt = "Hi", answer = "none"}]
stage = "task"

[train]
epochs = 3
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "templates.toml"
    path.write_text(text, encoding="utf8")
    return path


def test_a_template_by_its_name(tmp_path):
    path = write(tmp_path, GOOD)
    assert load_template(f"{path}:ask") == Template("ask", user="Question: {prompt}")
    assert load_template(f"{path}:triage").stage == "task"


def test_a_file_with_one_template_needs_no_name_even_with_a_colon_in_its_own(tmp_path):
    path = tmp_path / "my:templates.toml"
    path.write_text('[[template]]\nname = "one"', encoding="utf8")
    assert load_template(str(path)) == load_template(f"{path}:one") == Template("one")


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        (GOOD, "", "this file has several templates"),
        (GOOD, ":other", "there is no template 'other'"),
        (GOOD, ":", "there is no template ''"),
        ('[[template]]\nname = "a"\n' * 2, ":a", "2 templates are called that"),
        ("", "", "no [[template]] in this file"),
        ("name =", "", "not TOML"),
        ("template = 5", "", "Expected `array`, got `int`"),
        ('[[template]]\nuser = "x"', "", "missing required field `name`"),
        ('[[template]]\nname = "a/b"', "", "matching regex"),
        ('[[template]]\nname = "a"\nsytem = "x"', "", "unknown field `sytem`"),
        ('[[template]]\nname = "a"\nuser = "{x"', "", "a brace that belongs to no field in '{x'"),
        ('[[template]]\nname = "a"\nstage = ""', "", "matching regex"),
        ('[[template]]\nname = "a"\nexamples = [{prompt = "x"}]', "", "example 1 of template 'a' has no"),
        ('[[template]]\nname = "a"\nprefix = "{b}"\nexamples = [{answer = "y"}]', "", "has no field 'b'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_a_message(text, name, problem, tmp_path):
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        load_template(f"{path}{name}")
    assert problem in caught.value.problem
    assert str(path) in caught.value.where
    assert caught.value.fix


def test_a_file_that_is_not_there_is_a_message(tmp_path):
    for given_ in (tmp_path / "none.toml", f"{tmp_path}/none.toml:a", tmp_path, "", ":"):
        with pytest.raises(UserError, match="cannot be read"):
            load_template(str(given_))
