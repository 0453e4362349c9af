"""`regrind judge` on files: where verdicts lie, what is asked again, and what a terminal is spared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from curation.errors import UserError
from loop.cli import app
from loop.store import query
from tests.judge.loopback import Loopback, Said, error, grades
from tests.loop.byhand import filled
from tests.loop.commands import lines

if TYPE_CHECKING:
    from pathlib import Path

GOOD = grades(verdict="right", categories="right")
ITEM = {"id": "t", "messages": [{"role": "user", "content": "q"}], "output": "safe", "reference": "safe"}
RUN = ("judge", "run")
CLAUDE = ("--rubric", "safety", "--judge", "anthropic", "--json")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Loopback(GOOD) as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        yield running


def write(path: Path, *outputs: str) -> None:
    items = [ITEM | {"id": str(i), "output": output} for i, output in enumerate(outputs)]
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf8")


def regrind(*args: object) -> Result:
    return CliRunner().invoke(app, list(map(str, args)), catch_exceptions=True)


def asked(*args: object) -> int:
    done = regrind(*args)
    assert done.exit_code in {0, 3}, done.output
    return int(json.loads(done.stdout)["asked"])


def test_another_name_for_the_output_is_not_paid_again(here: Path, server: Loopback) -> None:
    write(here / "a.v1.jsonl", "safe", "unsafe")
    write(here / "a.v2.jsonl", "safe", "fine")
    assert asked(*RUN, "a.v1.jsonl", *CLAUDE) == 2
    assert asked(*RUN, "a.v1.jsonl", *CLAUDE, "-o", "other.jsonl") == 0
    assert asked(*RUN, "a.v1.jsonl", *CLAUDE, "-o", "/dev/null") == 0
    assert asked(*RUN, "a.v2.jsonl", *CLAUDE) == 2
    assert [len(lines(here / f"a.{v}.verdicts.jsonl")) for v in ("v1", "v2")] == [2, 2]
    assert [v["judge_id"] for v in lines(here / "other.jsonl")] == [
        v["judge_id"] for v in lines(here / "a.v1.verdicts.jsonl")
    ]


@pytest.mark.parametrize("output", [".", "here", "here/a.jsonl/v.jsonl", "n" * 300])
def test_a_place_that_cannot_be_written_to_is_found_before_anything_is_paid(
    here: Path, server: Loopback, output: str
) -> None:
    (here / "here").mkdir()
    write(here / "here" / "a.jsonl", "safe")
    done = regrind(*RUN, "here/a.jsonl", *CLAUDE, "-o", output)
    assert isinstance(done.exception, UserError)
    assert done.exception.fix
    assert server.requests == []
    assert [path.name for path in (here / "here").iterdir()] == ["a.jsonl"]


def test_a_dry_run_writes_nothing_and_a_torn_line_is_cut_by_the_next_verdict(
    here: Path, server: Loopback
) -> None:
    write(here / "a.jsonl", "safe")
    assert asked(*RUN, "a.jsonl", *CLAUDE) == 1
    kept = here / ".a.jsonl.judged" / "verdicts.jsonl"
    kept.write_bytes(kept.read_bytes() + b'{"key": "to')
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    found = json.loads(regrind(*RUN, "a.jsonl", *CLAUDE, "--dry-run").stdout)
    assert (found["items"], found["cached"]) == (0, 1)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
    write(here / "a.jsonl", "safe", "unsafe")
    assert asked(*RUN, "a.jsonl", *CLAUDE) == 1
    assert len(lines(kept)) == 2
    assert asked(*RUN, "a.jsonl", *CLAUDE) == 0


def test_what_was_of_no_use_is_asked_again(here: Path, server: Loopback) -> None:
    write(here / "a.jsonl", "safe", "unsafe")
    server._script = [Said("So so."), GOOD]
    done = regrind(*RUN, "a.jsonl", *CLAUDE, "--concurrency", 1)
    assert done.exit_code == 3
    assert "--retry unparsable" in done.stderr
    assert asked(*RUN, "a.jsonl", *CLAUDE) == 0
    assert asked(*RUN, "a.jsonl", *CLAUDE, "--retry", "refused") == 0
    assert asked(*RUN, "a.jsonl", *CLAUDE, "--retry", "refused, unparsable") == 1
    assert asked(*RUN, "a.jsonl", *CLAUDE) == 0
    assert {v["state"] for v in lines(here / "a.verdicts.jsonl")} == {"scored"}
    assert regrind(*RUN, "a.jsonl", *CLAUDE, "--retry", "scored").exit_code == 2


def test_a_folder_is_no_file(here: Path, server: Loopback) -> None:
    done = regrind(*RUN, ".", *CLAUDE)
    assert isinstance(done.exception, UserError)
    assert "Is a directory" in done.exception.problem


def test_a_terminal_gets_no_control_characters(here: Path) -> None:
    write(here / "a.jsonl", "\x1b[2J\x07 \u202eevil\u009b\tü 北京")
    shown = regrind("judge", "show", "a.jsonl", "--rubric", "safety")
    assert "\\x1b[2J\\x07 \\u202eevil\\x9b\tü 北京" in shown.stdout
    exact = json.loads(regrind("judge", "show", "a.jsonl", "--rubric", "safety", "--json").stdout)
    assert "\x1b[2J\x07 \u202eevil\u009b\tü 北京" in exact["user"]


def test_a_panel_says_how_many_were_asked_and_whether_the_cost_is_known(here: Path, server: Loopback) -> None:
    write(here / "a.jsonl", "safe", "unsafe")
    (here / "mine.py").write_text("def grade(point):\n    return {'score': 1, 'reason': 'so'}\n")
    members = '[[judge.member]]\nkind = "anthropic"\n[[judge.member]]\nkind = "{}"\nfunction = "mine:grade"\n'
    config = '[judge]\nkind = "panel"\nrubric = "safety"\n' + members
    (here / "regrind.toml").write_text(config.format("plugin"))
    done = regrind(*RUN, "a.jsonl", "-w", ".")
    assert "4 of 4 asked now by 2 judges" in done.stdout
    assert "and what is not known" in done.stdout
    found = json.loads(regrind(*RUN, "a.jsonl", "-w", ".", "--json").stdout)
    assert found["judge"].startswith("panel/safety-v1/")
    done = regrind(*RUN, "a.jsonl", "-w", ".", "--token-budget", 10**6)
    assert done.exception is None, done.exception
    write(here / "a.jsonl", "new")
    done = regrind(*RUN, "a.jsonl", "-w", ".", "--token-budget", 10**6)
    assert "how many tokens" in str(done.exception)
    (here / "regrind.toml").write_text(config.format("anthropic").replace('function = "mine:grade"\n', ""))
    assert "the same judge" in str(regrind(*RUN, "a.jsonl", "-w", ".").exception)


def test_a_judge_of_the_command_is_not_told_the_model_of_the_configuration(
    here: Path, server: Loopback
) -> None:
    write(here / "a.jsonl", "safe")
    (here / "regrind.toml").write_text('[judge]\nkind = "anthropic"\nmodel = "claude-opus-5"\n')
    openai = ("--judge", "openai", "--url", f"{server.url}/v1", "--rubric", "safety", "-w", ".", "--json")
    assert "needs a model" in str(regrind(*RUN, "a.jsonl", *openai).exception)
    assert asked(*RUN, "a.jsonl", *openai, "--model", "m") == 1
    assert server.requests[0]["model"] == "m"


def test_another_folder_for_the_output_is_not_paid_again(here: Path, server: Loopback) -> None:
    write(here / "a.jsonl", "safe", "unsafe")
    (here / "link.jsonl").symlink_to("a.jsonl")
    assert asked(*RUN, "a.jsonl", *CLAUDE, "-o", "o/x.jsonl") == 2
    assert asked(*RUN, "a.jsonl", *CLAUDE, "-o", "p/y.jsonl") == 0
    assert asked(*RUN, "link.jsonl", *CLAUDE) == 0
    assert [path.name for path in (here / "o").iterdir()] == ["x.jsonl"]


def test_a_file_that_has_no_folder_keeps_its_verdicts_beside_the_output(here: Path, server: Loopback) -> None:
    write(here / "a.jsonl", "safe")
    with (here / "a.jsonl").open() as stream:
        (here / "a.jsonl").unlink()
        done = regrind(*RUN, f"/proc/self/fd/{stream.fileno()}", *CLAUDE, "-o", "o/x.jsonl")
    assert done.exit_code == 0, done.output
    assert [path.name for path in (here / "o").rglob("*.jsonl")] == ["x.jsonl", "verdicts.jsonl"]
    assert "nothing can be kept beside" in done.stderr


def test_asking_again_in_vain_leaves_what_was_paid_for(here: Path, server: Loopback) -> None:
    write(here / "a.jsonl", "safe")
    server._script = [Said("So so."), error(413), GOOD]
    assert asked(*RUN, "a.jsonl", *CLAUDE) == 1
    (paid,) = lines(here / "a.verdicts.jsonl")
    assert asked(*RUN, "a.jsonl", *CLAUDE, "--retry", "unparsable") == 1
    assert lines(here / "a.verdicts.jsonl") == [paid]
    assert paid["cost"] > 0
    assert asked(*RUN, "a.jsonl", *CLAUDE) == 0
    assert asked(*RUN, "a.jsonl", *CLAUDE, "--retry", "unparsable") == 1
    assert lines(here / "a.verdicts.jsonl")[0]["state"] == "scored"


def test_an_address_is_used_or_refused(here: Path, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here / "a.jsonl", "safe")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    assert asked(*RUN, "a.jsonl", *CLAUDE, "--url", server.url) == 1
    assert len(server.requests) == 1
    done = regrind(*RUN, "a.jsonl", "--rubric", "safety", "--judge", "reference", "--url", server.url)
    assert "has no address" in str(done.exception)


def test_another_server_is_another_judge(here: Path, server: Loopback) -> None:
    write(here / "a.jsonl", "safe")
    common = ("--rubric", "safety", "--judge", "openai", "--model", "m", "--json")
    with Loopback(GOOD) as other:
        assert asked(*RUN, "a.jsonl", *common, "--url", f"{server.url}/v1") == 1
        assert asked(*RUN, "a.jsonl", *common, "--url", f"{other.url}/v1") == 1
        assert asked(*RUN, "a.jsonl", *common, "--url", f"{other.url}/v1/") == 0


@pytest.mark.parametrize("kind", ["http", "openai"])
def test_an_address_keeps_its_secrets(here: Path, kind: str) -> None:
    write(here / "a.jsonl", "safe")
    for address in ("ftp://me:hush@host/x?key=hush", "me:hush@host?key=hush"):
        done = regrind(
            *RUN, "a.jsonl", "--rubric", "safety", "--judge", kind, "--model", "m", "--url", address
        )
        assert isinstance(done.exception, UserError)
        assert "hush" not in f"{done.exception!r} {done.exception} {done.exception.where} {done.output}"


def test_the_store_keeps_what_was_paid_for_and_knows_that_a_failure_costs_nothing(
    here: Path, server: Loopback
) -> None:
    workspace = filled(here / "loop")[0]
    run = (
        *RUN,
        "--traces",
        "cycle = 2",
        "-w",
        "loop",
        "--rubric",
        "answer",
        "--judge",
        "anthropic",
        "--json",
    )
    server._script = [Said("So so."), error(413)]
    assert asked(*run, "--concurrency", 1) == 4
    sql = "SELECT * FROM verdicts WHERE state = 'unparsable'"
    paid = query(workspace.view, sql).to_dicts()
    assert len(paid) == 1
    assert asked(*run, "--retry", "unparsable") == 4
    assert query(workspace.view, sql).to_dicts() == paid
    found = json.loads(regrind("judge", "cost", "-w", "loop", "--by", "judge", "--json").stdout)
    (cost,) = [row for row in found if row["judge"] == paid[0]["judge"]]
    assert (cost["cost"], cost["cost_unknown"]) == (paid[0]["cost"], 0)
    assert f"{cost['cost']:.4f}" in regrind("judge", "cost", "-w", "loop").stdout


def test_a_dry_run_says_when_a_budget_is_too_small(here: Path, server: Loopback) -> None:
    write(here / "a.jsonl", "safe", "unsafe")
    small = regrind(*RUN, "a.jsonl", *CLAUDE, "--dry-run", "--budget", 0.00001, "--token-budget", 10**6)
    assert json.loads(small.stdout)["above"] == ["--budget"]
    told = regrind(*RUN, "a.jsonl", *CLAUDE[:-1], "--dry-run", "--budget", 0.00001)
    assert "above --budget" in told.stdout
    assert json.loads(regrind(*RUN, "a.jsonl", *CLAUDE, "--dry-run", "--budget", 1).stdout)["above"] == []
