"""New rows from old ones: proposals go through the guards, and each refusal is counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.augmentation.guards import NOISE, Band, refused
from curation.augmentation.noise import noise
from curation.augmentation.place import Place, child_of, places
from curation.heldout import without_heldout
from curation.near import similar_pairs
from curation.rows import frame, prompt_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from curation.augmentation.settings import Augment
    from curation.heldout import HeldoutSet

NEAR = 0.8


class Proposal(NamedTuple):
    """A new text for a place in a row.

    Attributes:
        parent: The row.
        place: Where in it.
        text: The new text.
        operation: How it came about.
    """

    parent: dict[str, Any]
    place: Place
    text: str
    operation: str


class Checks(NamedTuple):
    """What a child is checked against beside its own text.

    Attributes:
        band: How similar it may be to its parent's text.
        per_parent: Children of one parent at most.
        label_kept: Whether a child (second) still deserves its parent's answer; True for all unless given.
        heldout: Held-out sets that no child may come near to.
    """

    band: Band = NOISE
    per_parent: int = 1
    label_kept: Callable[[dict[str, Any], dict[str, Any]], bool] = lambda _parent, _child: True
    heldout: Sequence[HeldoutSet] = ()


class Augmented(NamedTuple):
    """What came out.

    Attributes:
        children: The new rows alone (schema ROWS), tagged `augmented` and with the operation.
        wanted: How many were asked for.
        refused: Proposals that were refused, by guard.
    """

    children: pl.DataFrame
    wanted: int
    refused: dict[str, int]


def augment(rows: pl.DataFrame, step: Augment, checks: Checks | None = None) -> Augmented:
    """Make noisy copies of some rows; see `curation.augmentation.settings.Augment`.

    The same rows in any order give the same children. Only text that other rows do not share is touched, so
    a policy or a template stays as it is.

    Args:
        rows: Rows with schema ROWS.
        step: How many, how, and the seed.
        checks: What else a child is checked against.
    """
    wanted = round(step.share * rows.height)
    checks = (checks or Checks())._replace(per_parent=step.per_parent)
    return guarded(rows, _noisy(rows, step), wanted, checks)


def _noisy(rows: pl.DataFrame, step: Augment) -> Iterator[Proposal]:
    """One proposal for each row, then one by the next operation, and so on."""
    operations = step.operations
    for turn, number, row, place, rng in places(rows, step.seed, step.per_parent * len(operations)):
        operation = operations[(turn + number) % len(operations)]
        yield Proposal(row, place, noise(place.text, operation, rng), operation)


def guarded(
    rows: pl.DataFrame,
    proposals: Iterable[Proposal],
    wanted: int,
    checks: Checks,
    taken: Counter[str] | None = None,
) -> Augmented:
    """The children of the first proposals that pass every guard, until there are as many as wanted.

    Args:
        rows: All rows, with schema ROWS; no child may come near one that is not its parent.
        proposals: New texts; no more of them are taken than needed.
        wanted: How many children.
        checks: What they are checked against.
        taken: Is kept up to date: children by parent, so that nothing is proposed for one that has enough.
    """
    counts: Counter[str] = Counter()
    source, known = iter(proposals), set(rows["id"])
    of_parent = Counter[str]() if taken is None else taken
    before = Counter(parent for of in rows["parents"].to_list() for parent in of)
    children: list[dict[str, Any]] = []
    while len(children) < wanted:
        of_parent.clear()
        of_parent.update(before + Counter(child["parents"][0] for child in children))
        batch = _take(source, wanted - len(children), of_parent, known, checks, counts)
        if not batch:
            break
        children = _novel(rows, children, batch, checks, counts)
    return Augmented(frame(children), wanted, dict(sorted((+counts).items())))


def _take(
    source: Iterator[Proposal],
    most: int,
    of_parent: Counter[str],
    known: set[str],
    checks: Checks,
    counts: Counter[str],
) -> list[dict[str, Any]]:
    """Children of the next proposals, `most` at most, that their own texts and their parents allow."""
    taken: list[dict[str, Any]] = []
    while len(taken) < most and (proposal := next(source, None)) is not None:
        parent, place, text, operation = proposal
        child = child_of(parent, place, text, operation)
        reason = refused(place.text, text, checks.band)
        if reason is None and of_parent[parent["id"]] >= checks.per_parent:
            reason = "cap per parent"
        elif reason is None and child["id"] in known:
            reason = "copy"
        elif reason is None and not checks.label_kept(parent, child):
            reason = "label"
        if reason is None:
            taken.append(child)
            known.add(child["id"])
            of_parent[parent["id"]] += 1
        else:
            counts[reason] += 1
    return taken


def _novel(
    rows: pl.DataFrame,
    children: list[dict[str, Any]],
    batch: list[dict[str, Any]],
    checks: Checks,
    counts: Counter[str],
) -> list[dict[str, Any]]:
    """The children and those of the batch that are near no row but their kin, and near no held-out item."""
    crowded = _crowded([*rows.iter_rows(named=True), *children], batch)
    # With their parents: noise may carry a child of a held-out item out of its reach.
    leaked = set(without_heldout(pl.concat([rows, frame(batch)]), checks.heldout)[1]["row_id"])
    counts["novelty"] += sum(child["id"] in crowded for child in batch)
    counts["held-out"] += sum(child["id"] in leaked - crowded for child in batch)
    return [*children, *(child for child in batch if child["id"] not in crowded | leaked)]


def _crowded(others: list[dict[str, Any]], batch: list[dict[str, Any]]) -> set[str]:
    """Ids of new rows that are near a row before them which is neither their parent nor a child of it."""
    everything = [*others, *batch]
    kin = [{row["id"], *row["parents"]} for row in everything]
    pairs = similar_pairs([prompt_text(row["messages"]) for row in everything], NEAR)
    near = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    return {batch[b - len(others)]["id"] for a, b in near if b >= len(others) and not kin[a] & kin[b]}
