"""Curation: data in, data out. Importing this package loads nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curation.report import Report
    from curation.rules import Kind, Settings


def validate_file(path: str | Path, *, kind: Kind = "train", settings: Settings | None = None) -> Report:
    """Check a JSONL file: every line that is no row, and every row that breaks a rule.

    Args:
        path: The file.
        kind: What its rows are for: "train", "prompts" or "evaluation".
        settings: Which rules are asked, their levels and limits.

    Returns:
        `is_valid`, `total_examples`, `average_prompt_length` and `average_response_length` (in characters),
        `findings`, `rejects` and `quality`.

    Raises:
        UserError: The file cannot be read, no line of it is a row, or the settings name an unknown rule.
    """
    from curation import report

    return report.validate_file(Path(path), kind, settings)
