"""The data card of a snapshot: what a reader must know before training on it, as Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curation.contents import CHARACTERS, NOT_GIVEN
from curation.state import SAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from curation.manifest import Manifest
    from curation.state import Tally

LISTED = 20


def card(manifest: Manifest) -> str:
    """The card of a snapshot, as Markdown; everything in it is in the manifest."""
    about, steps = manifest.contents, manifest.steps
    total = sum(manifest.splits.values())
    grown = f"It grew from snapshot {manifest.parent}." if manifest.parent else "It grew from no other one."
    drops = _sum(tally.dropped for tally in steps)
    return "\n".join(
        [
            f"# Snapshot {manifest.id}",
            "",
            f"{total} conversations for fine-tuning a language model. {grown}",
            *_table("Rows", ("split", "rows", "share"), _shares(manifest.splits, total)),
            *_table("Where they come from", ("source", "rows"), _most(about.sources)),
            *_table("", ("origin", "rows"), _most(about.origins)),
            *_table("Licences, as given with the rows", ("licence", "rows"), _most(about.licences)),
            *_table("Tags", ("tag", "rows"), _most(about.tags)),
            *_table(
                "Lengths", (f"tokens (of about {CHARACTERS} characters)", "rows"), _lengths(about.tokens)
            ),
            *_table("Steps", ("step", "rows in", "rows out", "dropped"), _steps(manifest)),
            *_table("Dropped, by reason", ("reason", "rows"), _most(drops)),
            *_table("Splits, asked and realised", ("stratum", "rows by split"), _strata(manifest)),
            *_table("Kept out", ("held-out set", "versions"), _kept_out(manifest)),
            *_list("Known limits", _limits(manifest)),
            *_rebuild(manifest),
            "",
        ]
    )


def _table(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A section with a table; nothing where there is no row."""
    lines = [list(map(str, row)) for row in rows]
    if not lines:
        return []
    cells = [headers, ["---"] * len(headers), *lines]
    told = ["| " + " | ".join(map(_cell, line)) + " |" for line in cells]
    return ["", *([f"## {title}", ""] if title else []), *told]


def _cell(text: str) -> str:
    """Text of the data's own: one line, and no Markdown or HTML where that would end or hide something."""
    line = " ".join(text.split())
    for mark in "\\|<`":
        line = line.replace(mark, f"\\{mark}")
    return line


def _list(title: str, entries: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {entry}" for entry in entries)]


def _most(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The most frequent, and how many rows the others have."""
    entries = list(counts.items())
    rest = entries[LISTED:]
    return [*entries[:LISTED], *([(f"{len(rest)} others", sum(n for _, n in rest))] if rest else [])]


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in parts:
        for name, n in part.items():
            found[name] = found.get(name, 0) + n
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def _shares(splits: dict[str, int], total: int) -> list[tuple[str, int, str]]:
    return [(name, n, f"{100 * n / total:.1f}%") for name, n in splits.items()]


def _lengths(tokens: dict[str, int]) -> list[tuple[str, int]]:
    return [(f"up to {size}", n) for size, n in tokens.items()]


def _steps(manifest: Manifest) -> list[tuple[str, int, int, str]]:
    return [(t.step, t.rows_in, t.rows_out, _dropped(t)) for t in manifest.steps]


def _dropped(tally: Tally) -> str:
    """What explains the difference of rows in and out."""
    told = str(sum(tally.dropped.values()))
    if tally.old:
        told += f", {tally.old} of them rows that the parent had"
    return told + (f"; {same} are the parent's already" if (same := tally.notes.get(SAME)) else "")


def _strata(manifest: Manifest) -> list[tuple[str, str]]:
    notes = next((t.notes for t in reversed(manifest.steps) if t.step == "split"), {})
    told = [("asked", _by_split(notes.get("asked", {}))), ("realised", _by_split(notes.get("realised", {})))]
    return [
        *told,
        *((name or "(none)", _by_split(counts)) for name, counts in notes.get("strata", {}).items()),
    ]


def _by_split(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _kept_out(manifest: Manifest) -> list[tuple[str, str]]:
    return [(name, ", ".join(versions)) for name, versions in manifest.heldout.items()]


def _limits(manifest: Manifest) -> list[str]:
    steps = {step["step"]: step for step in manifest.recipe.get("steps", []) if isinstance(step, dict)}
    checks = manifest.recipe["checks"]
    found = [
        "No held-out set is registered: nothing was kept out."
        if not manifest.heldout
        else f"Held-out items are found by equal prompts, by prompts with a Jaccard similarity of"
        f" {checks['threshold']} and by {checks['words']} words in a row; one said in other words is not.",
        "Lengths are estimates; `regrind curate tokens` counts with a tokenizer.",
    ]
    if n := manifest.contents.licences.get(NOT_GIVEN, 0):
        found.append(f"{n} rows came without a licence (a field `license`): ask where they come from.")
    if "redact" not in steps:
        found.append("Personal data were not looked for: the steps have no `redact`.")
    else:
        found.append("Personal data and secrets are found by their form; names and places of people are not.")
    if "dedup" not in steps:
        found.append("Duplicates were not looked for: the steps have no `dedup`.")
    return found


def _rebuild(manifest: Manifest) -> list[str]:
    recipe = json.dumps(manifest.recipe, indent=2, sort_keys=True, ensure_ascii=False)
    command = "regrind cycle run" if "merge" in manifest.recipe else "regrind curate run"
    inputs = "inputs, settings and held-out sets" + (
        f", and from {manifest.parent}" if manifest.parent else ""
    )
    told = f"With the {inputs}, as the recipe names them, this writes it again, with the same id:"
    return [
        "",
        "## Rebuild",
        "",
        told,
        "",
        "```sh",
        command,
        "```",
        "",
        "## Recipe",
        "",
        "```json",
        recipe,
        "```",
    ]
