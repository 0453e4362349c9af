"""Did it beat random? What a selection's notes say, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MEASURES = {"coverage": "share of rows near a pick", "facility": "mean similarity to a pick"}
VERDICTS = {True: "yes", False: "no", None: "a tie"}


def lines(notes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """For each group of rows how many were picked, why no more, and whether that beat a random pick.

    Args:
        notes: Of `curation.selection.rows.select_rows`, by group.
    """
    return [line for group, note in notes.items() for line in _of_group(group, note)]


def _of_group(group: str, note: Mapping[str, Any]) -> Iterator[str]:
    picked, wanted, rows = (note[name] for name in ("picked", "wanted", "rows"))
    asked = f", {wanted} wanted" if picked < wanted and wanted != rows else ""
    yield f"{group}: {picked} of {rows} picked{asked}, {note['tokens']} tokens; {note['stopped']}"
    if "overlap" in note:
        yield f"  {note['overlap']} of its rows have another tag with a quota; a row's first one counts"
    if "coverage" not in note:
        return
    if note["coverage"] is None:
        yield "  did it beat random? every row is kept, so there is nothing to beat"
        return
    for measure, what in MEASURES.items():
        ours, chance = note[measure], note[f"random_{measure}"]
        verdict = VERDICTS[note[f"{measure}_beats_random"]]
        told = "it is random" if chance is None else f"{verdict}, {ours:.3f} against {chance:.3f}"
        yield f"  did it beat random? {what}: {told}" + (f", {ours:.3f}" if chance is None else "")
