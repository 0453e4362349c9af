"""Plug-ins: a function of the user's gives scores, and its faults stay its own."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from curation.errors import UserError
from judge.plugin import PluginJudge
from judge.verdict import Item
from tests.judge.judges import all_of

ITEM = Item("t1", [{"role": "user", "content": "q"}], "said", "right")


@pytest.fixture
def module(monkeypatch):
    made = ModuleType("my_judges")
    monkeypatch.setitem(sys.modules, "my_judges", made)
    return made


@pytest.mark.parametrize(
    ("answer", "state", "score"),
    [
        ({"score": 0.5, "reason": "so so"}, "scored", 0.5),
        ({"score": 1, "feedback": "good"}, "scored", 1.0),
        ({"score": None, "reason": "not mine"}, "refused", None),
        ({"score": "1", "reason": "x"}, "unparsable", None),
        ({"score": 1.5, "reason": "x"}, "unparsable", None),
        ({"score": float("nan"), "reason": "x"}, "unparsable", None),
        ({"score": True, "reason": "x"}, "unparsable", None),
        ({"score": 10**400, "reason": "x"}, "unparsable", None),
        ({"score": 1}, "unparsable", None),
        ({"score": 1, "reason": " "}, "unparsable", None),
        (None, "unparsable", None),
        (0.5, "unparsable", None),
    ],
)
def test_what_a_function_returns(module, answer, state, score):
    module.grade = lambda _: answer
    verdict = all_of(PluginJudge("my_judges:grade"), [ITEM])["t1"]
    assert (verdict.state, verdict.score) == (state, score)
    assert verdict.raw


def test_what_a_function_is_given(module):
    given = []
    module.grade = lambda point: given.append(point) or {"score": 1, "reason": "x"}
    all_of(PluginJudge("my_judges:grade", "big"), [ITEM])
    assert given == [{"messages": ITEM.messages, "prediction": "said", "reference": "right", "model": "big"}]


def test_an_exception_is_a_failed_verdict_of_that_item(module):
    def grade(point):
        if point["prediction"] == "bad":
            raise KeyError("oops")
        return {"score": 1, "reason": "x"}

    module.grade = grade
    verdicts = all_of(PluginJudge("my_judges:grade"), [ITEM, Item("t2", [], "bad", None)])
    assert (verdicts["t1"].state, verdicts["t2"].state) == ("scored", "failed")
    assert "KeyError: 'oops'" in verdicts["t2"].feedback


@pytest.mark.parametrize(
    "name", ["my_judges:none", "no_such_module:grade", "my_judges:number", ":x", "my_judges:"]
)
def test_no_such_function(module, name):
    module.number = 3
    with pytest.raises(UserError, match="function") as caught:
        PluginJudge(name)
    assert caught.value.fix


def test_the_identity_follows_name_model_and_version(module):
    def grade(point):
        return None

    module.grade = module.other = grade
    ids = {PluginJudge("my_judges:grade").identity.id, PluginJudge("my_judges:other").identity.id}
    ids.add(PluginJudge("my_judges:grade", "m").identity.id)
    grade.version = 2
    ids.add(PluginJudge("my_judges:grade").identity.id)
    assert len(ids) == 4


def test_a_plug_in_can_end_neither_the_run_nor_the_item(module):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    def mute(datapoint):
        datapoint["messages"].append("changed")
        datapoint["messages"][0]["content"] = "changed"
        raise MuteError

    def leave(datapoint):
        sys.exit(0)

    def half(datapoint):
        return {"score": 1, "reason": "\ud800 x"}

    module.mute, module.leave, module.half = mute, leave, half
    for name, state in (("mute", "failed"), ("leave", "failed"), ("half", "scored")):
        (verdict,) = all_of(PluginJudge(f"my_judges:{name}"), [ITEM]).values()
        assert verdict.state == state
        verdict.feedback.encode()
    assert ITEM.messages == [{"role": "user", "content": "q"}]


def test_a_module_is_found_in_the_folder_and_hides_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    said = "def grade(point):\n    return {'score': 1, 'reason': 'mine'}\n"
    for name in ("found_in_folder", "json"):
        (tmp_path / f"{name}.py").write_text(said)
    judge = PluginJudge("found_in_folder:grade", folder=tmp_path)
    assert all_of(judge, [ITEM])["t1"].feedback == "mine"
    with pytest.raises(UserError, match="no such function"):
        PluginJudge("json:grade", folder=tmp_path)


def test_what_a_function_prints_is_not_a_commands_result(module, capsys):
    module.grade = lambda _: sys.stdout.write("hello") and {"score": 1, "reason": "x"}
    all_of(PluginJudge("my_judges:grade"), [ITEM])
    sys.stdout.write("after")
    assert capsys.readouterr() == ("after", "hello")


def test_a_number_of_numpy_is_a_score(module):
    module.grade = lambda _: {"score": np.float32(0.5), "reason": "x"}
    verdict = all_of(PluginJudge("my_judges:grade"), [ITEM])["t1"]
    assert (verdict.state, verdict.score, verdict.raw) == ("scored", 0.5, '{"score": 0.5, "reason": "x"}')
