"""When a look is due: a cron expression or an interval, and the looks themselves."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from curation.errors import UserError
from loop.ticks import Tick, tick
from loop.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop.config import Schedule
    from loop.progress import Progress

UNITS = {"m": 60, "h": 3600, "d": 86400}
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
"""Intervals are counted from here, so that all processes have the same moments."""
MONTH = timedelta(days=30)
NUMBERS = r"(\*|\d+(-\d+)?)(/\d+)?(,(\*|\d+(-\d+)?)(/\d+)?)*"
DAYS = r"\*|(mon|tue|wed|thu|fri|sat|sun)([-,](mon|tue|wed|thu|fri|sat|sun))*"
"""What cron, systemd and APScheduler read alike; numbers of weekdays and names of months they do not."""
NAP = 30.0
"""Seconds after which a waiting process reads the clock again: it may have been set, or have slept."""


class Trigger(Protocol):
    """What APScheduler's triggers offer."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The first moment at or after `now`."""


def trigger(how: Schedule) -> Trigger:
    """The configured moments.

    Raises:
        UserError: Neither `cron` nor `every` is set, the expression is wrong, or there is no such zone.
    """
    from apscheduler.triggers.interval import IntervalTrigger

    if how.every:
        made: Trigger = IntervalTrigger(seconds=seconds_of(how.every), start_date=EPOCH, timezone=UTC)
        return made
    if not how.cron:
        fix = 'set cron = "0 2 * * *" or every = "6h" under [schedule]'
        raise UserError("no schedule is set", where="regrind.toml: schedule", fix=fix)
    return _by_cron(how)


def _by_cron(how: Schedule) -> Trigger:
    from apscheduler.triggers.cron import CronTrigger

    zone, fields, where = _zone(how), how.cron.split(), "regrind.toml: schedule.cron"
    if len(fields) != 5 or not all(map(re.fullmatch, (*[NUMBERS] * 4, DAYS), fields)):
        fix = "five fields: minute, hour, day, month in numbers, and the days of the week as mon to sun"
        raise UserError("no cron expression that all programs read alike", where=where, fix=fix)
    if "*" not in (fields[2], fields[4]):
        fix = "leave one of them at *"
        raise UserError("both a day of the month and one of the week", where=where, fix=fix)
    try:
        made: Trigger = CronTrigger.from_crontab(how.cron, timezone=zone)
    except ValueError as fault:
        fix = "keep each number within its range"
        raise UserError(f"not a cron expression: {fault}", where=where, fix=fix) from fault
    return made


def _zone(how: Schedule) -> ZoneInfo:
    try:
        return ZoneInfo(how.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
        problem, fix = f"there is no time zone {how.timezone!r}", "use a name such as Europe/Berlin or UTC"
        raise UserError(problem, where="regrind.toml: schedule.timezone", fix=fix) from fault


def seconds_of(every: str) -> int:
    """The seconds of an interval such as `30m`."""
    return int(every[:-1]) * UNITS[every[-1]]


def next_due(moments: Trigger, after: datetime) -> datetime:
    """The first moment after a time; both in UTC, with a zone.

    Raises:
        UserError: There is none, as with the 30th of February.
    """
    found = moments.get_next_fire_time(None, after + timedelta(seconds=1))
    if found is None:
        fix = "correct the expression"
        raise UserError("the schedule names no moment", where="regrind.toml: schedule.cron", fix=fix)
    return found.astimezone(UTC)


def looks_around(how: Schedule, now: datetime) -> float:
    """How many looks the 30 days before and the 30 days after a moment have together.

    Every span of 30 days that a look is in lies within those 60, so a test at one over this number is
    expected to alarm at most once in any 30 days, however unevenly the looks are spread.
    """
    if how.every:
        return 2 * MONTH.total_seconds() / seconds_of(how.every)
    moments, zone, end = trigger(how), _zone(how), now + MONTH
    due, days, a_day = next_due(moments, now - MONTH), 0, 0
    while due < end:
        day = due.astimezone(zone).date()
        midnight = datetime.combine(day, datetime.min.time(), zone)
        a_day = a_day or _count(moments, midnight, midnight + timedelta(days=1))
        days += 1
        due = next_due(moments, midnight + timedelta(days=1, seconds=-1))
    return max(days * a_day, 1)


def _count(moments: Trigger, start: datetime, end: datetime) -> int:
    count, due = 0, next_due(moments, start - timedelta(seconds=1))
    while due < end:
        count, due = count + 1, next_due(moments, due)
    return count


def keep_looking(workspace: Workspace, progress: Progress) -> Iterator[Tick]:
    """Wait for each moment, look, and give what came of it; moments that pass during a cycle are left out.

    The moments, and who is told of a failure, are those of the start; all else is read afresh each time.
    """
    how = workspace.config.schedule
    moments = trigger(how)
    while True:
        due = next_due(moments, datetime.now(UTC))
        progress.say(f"next look at {due:%Y-%m-%d %H:%M:%S} UTC")
        while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
            time.sleep(min(left, NAP))
        afresh, looks = Workspace(workspace.root), looks_around(how, due)
        yield tick(afresh, how, due.replace(tzinfo=None), looks, progress)


def look_once(workspace: Workspace, progress: Progress) -> Tick:
    """Look now, as cron or systemd asks; a look belongs to its minute."""
    now, how = datetime.now(UTC), workspace.config.schedule
    due = now.replace(second=0, microsecond=0, tzinfo=None)
    return tick(workspace, how, due, looks_around(how, now), progress)
