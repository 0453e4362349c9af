"""The user's error: its text, its way across processes, and that it costs nothing to import."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from curation.errors import UserError


@pytest.mark.parametrize(
    ("where", "fix", "text"),
    [
        ("", "", "it broke"),
        ("a.jsonl:3", "", "a.jsonl:3: it broke"),
        ("", "mend it", "it broke\n  fix: mend it"),
        ("a.jsonl:3", "mend it", "a.jsonl:3: it broke\n  fix: mend it"),
    ],
)
def test_the_text_joins_the_parts_that_there_are(where, fix, text):
    assert str(UserError("it broke", where=where, fix=fix)) == text


def test_the_three_parts_survive_pickling():
    again = pickle.loads(pickle.dumps(UserError("it broke", where="here", fix="mend it")))
    assert (again.problem, again.where, again.fix) == ("it broke", "here", "mend it")


def test_importing_the_room_and_its_error_loads_nothing_heavy():
    code = (
        "import sys, curation, curation.errors, curation.files;"
        "print(sorted({'polars', 'torch', 'numpy', 'scipy', 'sklearn', 'msgspec'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
