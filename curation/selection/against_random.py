"""Did it beat random? What a selection's notes say, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MEASURES = {"coverage": "share of rows near a pick", "facility": "mean similarity to a pick"}


def lines(notes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """For each group of rows how many were picked, why no more, and whether that beat a random pick.

    Args:
        notes: Of `curation.selection.rows.select_rows`, by group.
    """
    said = []
    for group, note in notes.items():
        said.append(f"{group}: {note['picked']} picked, {note['tokens']} tokens; {note['stopped']}")
        for measure, what in MEASURES.items():
            verdict = "yes" if note[f"{measure}_beats_random"] else "no"
            figures = f"{note[measure]:.3f} against {note[f'random_{measure}']:.3f}"
            said.append(f"  did it beat random? {what}: {verdict}, {figures}")
    return said
