"""When a look is due, what it does, who gets it, and who is told when it fails."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest

from curation.errors import UserError
from judge.frames import keyed_frame
from judge.verdict import Verdict
from loop.config import Schedule
from loop.inputs import inputs_key, inputs_of
from loop.ledger import Ledger
from loop.lock import only_one
from loop.progress import Progress
from loop.schedule import keep_looking, look_once, looks_around, next_due, trigger
from loop.schedule_lines import cron_line, systemd_units
from loop.store import insert, query, transaction, utc_now
from loop.telling import tell_failure
from loop.ticks import Tick, tick
from loop.verdicts import verdict_rows
from loop.workspace import Workspace
from tests.loop.byhand import JUDGE, add_trace, build_workspace
from tests.loop.processes import python

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

QUIET = Progress(quiet=True)
NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
DUE = datetime(2026, 3, 2, 12, 0, 0)  # noqa: DTZ001  (the store keeps UTC without a zone)


def scheduled(root: Path, text: str) -> Workspace:
    """A workspace in which both kinds of cycles are finished, so that the next one has nothing to do."""
    workspace = build_workspace(root)
    with (root / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write(f"[schedule]\n{text}\n")
    workspace = Workspace(root)
    ledger = Ledger(workspace.store, workspace.view, "model")
    for kind in ("seed", "feedback"):
        ledger.close(ledger.begin(kind, inputs_key(inputs_of(workspace))), "finished")
    return workspace


def look(workspace: Workspace, due: datetime, progress: Progress) -> Tick:
    return tick(workspace, workspace.config.schedule, due, 30, progress)


def verdicts(identity: str, score: float) -> pl.DataFrame:
    return verdict_rows(keyed_frame([(identity, Verdict(identity, JUDGE, 0, "scored", score))]))


def add_scores(workspace: Workspace, scores: list[float], cycle: int | None) -> None:
    with transaction(workspace.store) as connection:
        for number, score in enumerate(scores):
            identity = f"{cycle}-{number}"
            add_trace(connection, identity, "said", cycle, origin="import")
            insert(connection, "verdicts", verdicts(identity, score))


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        (Schedule(cron="0 2 * * *"), "2026-03-03 02:00"),
        (Schedule(cron="0 2 * * *", timezone="Europe/Berlin"), "2026-03-03 01:00"),
        (Schedule(cron="30 2 29 3 *", timezone="Europe/Berlin"), "2026-03-29 01:30"),
        (Schedule(cron="*/15 9-17 * * mon-fri"), "2026-03-02 12:15"),
        (Schedule(every="6h"), "2026-03-02 18:00"),
        (Schedule(every="30m"), "2026-03-02 12:30"),
    ],
)
def test_a_moment_is_what_its_expression_says(settings: Schedule, due: str) -> None:
    found = next_due(trigger(settings), NOON)
    assert found >= NOON
    if settings.cron.startswith("30 2"):  # half past two does not exist in that night
        assert found.date() == datetime.fromisoformat(due).date()
    else:
        assert f"{found:%Y-%m-%d %H:%M}" == due


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (Schedule(), "no schedule is set"),
        (Schedule(cron="soon"), "no cron expression that all programs read alike"),
        (Schedule(cron="61 * * * *"), "not a cron expression"),
        (Schedule(cron="0 2 * * 1"), "no cron expression that all programs read alike"),
        (Schedule(cron="0 2 * jan *"), "no cron expression that all programs read alike"),
        (Schedule(cron="0 2 last * *"), "no cron expression that all programs read alike"),
        (Schedule(cron="0 2 1 * mon"), "both a day of the month and one of the week"),
        (Schedule(cron="0 2 * * *", timezone="Mars/Olympus"), "no time zone"),
        (Schedule(cron="0 2 * * *", timezone="../etc"), "no time zone"),
        (Schedule(cron="0 0 30 2 *"), "names no moment"),
    ],
)
def test_what_is_no_schedule_is_said(settings: Schedule, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        next_due(trigger(settings), NOON)
    assert str(caught.value.where).startswith("regrind.toml: schedule")


@pytest.mark.parametrize(
    ("settings", "looks"),
    [
        (Schedule(every="1d"), 60),
        (Schedule(cron="0 2 * * *", timezone="Europe/Berlin"), 60),
        (Schedule(cron="* * * * *"), 86400),
        (Schedule(cron="*/10 * 20-31 * *"), 144 * (12 + 9)),  # until 1 April, from 30 January
        (Schedule(cron="0 * * 4 *"), 24),
    ],
)
def test_looks_of_the_month_before_and_the_month_after(settings: Schedule, looks: int) -> None:
    assert looks_around(settings, NOON) == pytest.approx(looks, rel=0.15)


def test_a_look_runs_and_is_recorded_once(tmp_path: Path) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"')
    assert look(workspace, DUE, QUIET)[1:] == ("unchanged", "the schedule", 2)
    assert look(workspace, DUE, QUIET).outcome == "taken"
    (row,) = query(workspace.view, "SELECT * FROM ticks").to_dicts()
    assert (row["due"], row["outcome"], row["cycle"]) == (DUE, "unchanged", 2)
    assert row["finished"] >= row["started"]


def test_of_five_processes_one_gets_the_look(tmp_path: Path) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"')
    code = f"""
import datetime, pathlib, sys
from loop.progress import Progress
from loop.ticks import Tick, tick
from loop.workspace import Workspace
sys.stdin.readline()
due = datetime.datetime.fromisoformat({DUE.isoformat()!r})
space = Workspace(pathlib.Path(sys.argv[1]))
print(tick(space, space.config.schedule, due, 30, Progress(quiet=True)).outcome)
"""
    others = [python(code, workspace.root) for _ in range(5)]
    for other in others:
        assert other.stdin
        other.stdin.write("go\n")
        other.stdin.flush()
    told = sorted(other.communicate()[0].strip() for other in others)
    assert told == ["taken"] * 4 + ["unchanged"]
    assert query(workspace.store, "SELECT count(*) AS n FROM ticks")["n"][0] == 1


def test_without_a_reason_nothing_runs(tmp_path: Path) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"\nlow_scores = 3\nmax_age_hours = 24\ndrift = true')
    add_scores(workspace, [0.1, 0.2, 0.9], None)
    assert look(workspace, DUE, QUIET).outcome == "quiet"
    with transaction(workspace.store) as connection:
        add_trace(connection, "low", "said", None, origin="import")
        insert(connection, "verdicts", verdicts("low", 0.3))
        connection.execute("UPDATE traces SET reference = NULL")
    done = look(workspace, DUE + timedelta(hours=6), QUIET)
    assert (done.outcome, done.detail) == ("unchanged", "3 new low scores")


def test_the_age_of_the_last_cycle_is_a_reason(tmp_path: Path) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"\nmax_age_hours = 24')
    assert look(workspace, DUE, QUIET).outcome == "quiet"
    with transaction(workspace.store) as connection:
        connection.execute("UPDATE cycles SET finished = ?", [utc_now() - timedelta(hours=25)])
    done = look(workspace, DUE + timedelta(hours=6), QUIET)
    assert done.detail == "the last cycle ended 25.0 hours ago"


def test_a_fall_of_the_mean_is_a_reason(tmp_path: Path) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"\ndrift = true')
    add_scores(workspace, [0.9] * 60, 2)
    add_scores(workspace, [0.9] * 40, None)
    with transaction(workspace.store) as connection:
        connection.execute("UPDATE traces SET reference = NULL")
    assert look(workspace, DUE, QUIET).outcome == "quiet"
    with transaction(workspace.store) as connection:
        connection.execute("UPDATE verdicts SET score = 0.2 WHERE trace LIKE 'None-%'")
    done = look(workspace, DUE + timedelta(hours=6), QUIET)
    assert done.detail == "the mean score fell from 0.900 to 0.200"


def test_a_busy_workspace_is_no_failure(tmp_path: Path) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"\non_failure = "touch told"')
    with only_one(workspace.lock):
        done = look(workspace, DUE, QUIET)
    assert (done.outcome, "works in this workspace" in done.detail) == ("busy", True)
    assert not (tmp_path / "told").exists()


class Hook(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    got: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200 if len(self.got) == 1 else 500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_failure_is_told_and_the_schedule_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = f'webhook = "http://127.0.0.1:{server.server_port}/"'
    command = "on_failure = 'printf %s \"$REGRIND_PROBLEM\" > told'"
    workspace = scheduled(tmp_path, f'every = "6h"\n{hook}\n{command}')
    (tmp_path / "data" / "pool.jsonl").unlink()
    first = look(workspace, DUE, QUIET)
    second = look(workspace, DUE + timedelta(hours=6), Progress())
    server.shutdown()
    server.server_close()
    assert (first.outcome, second.outcome) == ("failed", "failed")
    outcomes = query(workspace.view, "SELECT outcome FROM ticks")["outcome"].to_list()
    assert outcomes == ["failed", "failed"]
    assert "pool.jsonl: there is no such file" in first.detail
    assert (tmp_path / "told").read_text() == first.detail
    assert [hook["outcome"] for hook in Hook.got] == ["failed", "failed"]
    assert Hook.got[0]["workspace"] == str(tmp_path.resolve())
    assert "the failure could not be told: webhook" in capsys.readouterr().err


def test_a_store_that_is_held_fails_the_look_and_not_the_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"')
    workspace.store.write_bytes(b"no database")
    done = look(workspace, DUE, QUIET)
    assert done.outcome == "failed"
    assert "the store cannot be read" in done.detail


def test_a_wrong_setting_is_told_and_the_schedule_goes_on(tmp_path: Path) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"\non_failure = "touch told"')
    how = workspace.config.schedule
    text = (tmp_path / "regrind.toml").read_text(encoding="utf8")
    (tmp_path / "regrind.toml").write_text(text + "threshold = = 1\n", encoding="utf8")
    done = tick(Workspace(tmp_path), how, DUE, 30, QUIET)
    assert (done.outcome, "not TOML" in done.detail) == ("failed", True)
    assert (tmp_path / "told").exists()


@pytest.mark.parametrize(
    "how",
    [
        Schedule(webhook=f"http://{'a' * 70}.example/"),
        Schedule(webhook="no address"),
        Schedule(on_failure="exit 3"),
        Schedule(on_failure="true\0"),
    ],
)
def test_a_failure_that_cannot_be_told_stops_nothing(tmp_path: Path, how: Schedule) -> None:
    (said,) = tell_failure(how, tmp_path, {"detail": "nul \0 in it"})
    assert said.startswith(("webhook: ", "on_failure: "))


def test_a_cycle_that_ended_well_is_not_told_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = scheduled(tmp_path, 'every = "6h"\non_failure = "touch told"')

    def held(*_: object) -> None:
        raise UserError("the store is held by ipython", where="traces.duckdb")

    monkeypatch.setattr("loop.ticks.publish", held)
    assert look(workspace, DUE, QUIET).outcome == "unchanged"
    assert not (tmp_path / "told").exists()


def test_without_a_pool_and_imports_a_look_is_quiet(tmp_path: Path) -> None:
    scheduled(tmp_path, 'every = "6h"')
    text = (tmp_path / "regrind.toml").read_text(encoding="utf8")
    (tmp_path / "regrind.toml").write_text(text.replace('pool = "data/pool.jsonl"', 'pool = ""'))
    assert look(Workspace(tmp_path), DUE, QUIET).outcome == "quiet"


def test_it_waits_for_the_moment_and_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = scheduled(tmp_path, 'every = "1m"')
    clock = [NOON]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return clock[0]

    def sleep(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)

    monkeypatch.setattr("loop.schedule.datetime", Clock)
    monkeypatch.setattr("loop.schedule.time.sleep", sleep)
    looking = keep_looking(workspace, QUIET)
    looks = [next(looking) for _ in range(3)]
    assert [look.due - DUE for look in looks] == [timedelta(minutes=m) for m in (1, 2, 3)]
    assert {look.outcome for look in looks} == {"unchanged"}
    assert look_once(workspace, QUIET).outcome == "taken"


def test_lines_for_cron_and_systemd(tmp_path: Path) -> None:
    workspace = scheduled(
        tmp_path / "my 100% loop", 'cron = "*/15 9-17 * * mon-fri"\ntimezone = "Europe/Berlin"'
    )
    zone, line = cron_line(workspace).splitlines()
    assert zone == "CRON_TZ=Europe/Berlin"
    assert line.startswith("*/15 9-17 * * mon-fri ")
    assert "cycle schedule --once -w" in line
    assert "my 100\\% loop" in line
    units = systemd_units(workspace)
    assert "OnCalendar=Mon..Fri *-*-* 9..17:0/15:00 Europe/Berlin" in units
    assert "my 100%% loop" in units


@pytest.mark.parametrize(
    ("every", "cron"),
    [("30m", "*/30 * * * *"), ("6h", "0 */6 * * *"), ("1d", "0 0 * * *"), ("1h", "0 * * * *")],
)
def test_an_interval_that_cron_can_say(tmp_path: Path, every: str, cron: str) -> None:
    workspace = scheduled(tmp_path, f'every = "{every}"')
    assert cron_line(workspace).startswith(f"CRON_TZ=UTC\n{cron} ")
    assert f"OnUnitActiveSec={every}" in systemd_units(workspace)


def test_an_interval_that_cron_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no cron expression says every 7h") as caught:
        cron_line(scheduled(tmp_path, 'every = "7h"'))
    assert "systemd" in caught.value.fix


def test_both_ways_at_once_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="either cron or every"):
        msgspec.convert({"cron": "0 2 * * *", "every": "6h"}, Schedule)
