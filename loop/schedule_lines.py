"""The schedule as lines for cron and as units for systemd, each of which takes one look."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import UserError
from loop.schedule import trigger

if TYPE_CHECKING:
    from loop.config import Schedule
    from loop.workspace import Workspace


def command(workspace: Workspace) -> list[str]:
    """The command line of one look, with whole paths."""
    program = str(Path(sys.argv[0]).resolve())
    return [program, "cycle", "schedule", "--once", "-w", str(workspace.root.resolve())]


def cron_line(workspace: Workspace) -> str:
    """Lines for `crontab -e`.

    Raises:
        UserError: No expression says the interval.
    """
    how = workspace.config.schedule
    _ = trigger(how)
    log = shlex.quote(str(workspace.hidden.resolve() / "schedule.log"))
    words = shlex.join(command(workspace)).replace("%", "\\%")
    return f"CRON_TZ={how.timezone}\n{how.cron or _as_cron(how.every)} {words} >> {log} 2>&1"


def _as_cron(every: str) -> str:
    number, unit = int(every[:-1]), every[-1]
    if unit == "m" and 60 % number == 0:
        return "* * * * *" if number == 1 else f"*/{number} * * * *"
    if unit == "h" and 24 % number == 0:
        return "0 * * * *" if number == 1 else f"0 */{number} * * *"
    if every == "1d":
        return "0 0 * * *"
    fix = "use --print systemd, or an interval that divides an hour or a day"
    raise UserError(f"no cron expression says every {every}", where="regrind.toml: schedule.every", fix=fix)


def systemd_units(workspace: Workspace) -> str:
    """A service and a timer for `~/.config/systemd/user/`."""
    how = workspace.config.schedule
    _ = trigger(how)
    name = f"regrind-{workspace.config.model}"
    when = f"OnUnitActiveSec={how.every}\nOnBootSec=1m" if how.every else f"OnCalendar={_calendar(how)}"
    words = " ".join(_unit_word(word) for word in command(workspace))
    return (
        f"# ~/.config/systemd/user/{name}.service\n[Unit]\nDescription=One look of the regrind schedule\n\n"
        f"[Service]\nType=oneshot\nExecStart={words}\n\n"
        f"# ~/.config/systemd/user/{name}.timer\n[Unit]\nDescription=When regrind looks\n\n"
        f"[Timer]\n{when}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n\n"
        f"# systemctl --user daemon-reload && systemctl --user enable --now {name}.timer"
    )


def _unit_word(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'


def _calendar(how: Schedule) -> str:
    """A cron expression in systemd's words."""
    minute, hour, day, month, weekday = (field.replace("-", "..") for field in how.cron.split())
    days = "" if weekday == "*" else weekday.title() + " "
    date = "-".join(field.replace("*/", "1/") for field in (month, day))
    return f"{days}*-{date} {hour.replace('*/', '0/')}:{minute.replace('*/', '0/')}:00 {how.timezone}"
