"""The plug-in judge: a Python function of the user's, named as `module:function`."""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import redirect_stdout
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from curation.errors import UserError
from judge.datapoint import datapoint, verdict_of
from judge.identity import Identity
from judge.protocol import UNKNOWN, Forecast
from judge.side_by_side import side_by_side
from judge.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from judge.protocol import Arrivals
    from judge.verdict import Item


class PluginJudge:
    """Calls `function(datapoint)` for each item and reads `{"score", "reason"}` from what it returns.

    An exception that it raises is a failed verdict of that item alone.

    Args:
        name: `module:function`; the module is imported from where Python finds it, or else from `folder`.
        model: Handed to the function; part of the judge's id, as is the function's `version` if it has one.
        folder: Where modules are looked for after all other places, so that none of them hides ours.
        threads: Calls at once; 1 unless the function is safe to call from several threads.

    Raises:
        UserError: There is no such function.
    """

    def __init__(self, name: str, model: str = "", folder: Path | None = None, threads: int = 1) -> None:
        self._function, self._model, self._threads = _load(name, folder or Path()), model, threads
        version = getattr(self._function, "version", 1)
        self.identity = Identity("plugin", model, name, 1, {"version": str(version)})
        self._id = self.identity.id

    def verdicts(self, items: Iterable[Item]) -> Arrivals:
        """Judge the items; see `judge.protocol.Judge`."""
        with redirect_stdout(sys.stderr):  # what the function prints is no part of a command's result
            yield from side_by_side(self._judge, items, self._threads, lambda: None)

    def forecast(self, item: Item) -> Forecast:  # noqa: ARG002  what the function takes is not known
        """Tokens and cost are not known."""
        return UNKNOWN

    def _judge(self, item: Item) -> Verdict:
        try:
            answer = self._function(datapoint(item, self._model))
            raw = json.dumps(answer, ensure_ascii=False, default=_plain)
            return structs.replace(verdict_of(item.id, self._id, answer), raw=raw)
        except UserError:
            raise
        except (Exception, SystemExit) as fault:  # noqa: BLE001  (the function is not ours: anything may come)
            problem = f"the function raised {type(fault).__name__}: {_said(fault)}"
            return Verdict(item.id, self._id, 0, "failed", feedback=problem)


def _plain(value: object) -> float | str:
    return float(value) if isinstance(value, Real) else str(value)


def _said(fault: BaseException) -> str:
    try:
        return str(fault)
    except Exception:  # noqa: BLE001  (its text is not ours either)
        return "without a text"


def _load(name: str, folder: Path) -> Callable[[dict[str, Any]], Any]:
    module, _, function = name.partition(":")
    place = str(folder.absolute())
    fix = f"name it as module:function; a module of yours may lie in {place}"
    if place not in sys.path:
        sys.path.append(place)  # it stays: the function may import more when it is called
    try:
        with redirect_stdout(sys.stderr):
            found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as fault:  # what the module does when it is loaded is not ours
        raise UserError(f"there is no such function: {fault}", where=f"--judge {name}", fix=fix) from fault
    if not callable(found):
        raise UserError("this is no function", where=f"--judge {name}", fix=fix)
    return found  # type: ignore[no-any-return]
