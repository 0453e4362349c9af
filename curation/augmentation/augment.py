"""New rows from old ones: proposals go through the guards, and each refusal is counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.augmentation.guards import NOISE, Band, refused
from curation.augmentation.noise import noise
from curation.augmentation.novelty import novel
from curation.augmentation.place import Place, child_of, places
from curation.augmentation.thesaurus import SYNONYM, synonyms
from curation.rows import frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from curation.augmentation.settings import Augment
    from curation.augmentation.thesaurus import Thesaurus
    from curation.heldout import HeldoutSet

Pair = tuple[dict[str, Any], dict[str, Any]]
"""A parent and its child."""


def _all_kept(pairs: Sequence[Pair]) -> list[str | None]:
    return [None] * len(pairs)


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
        label: Why each child no longer deserves its parent's answer, None where it does. It is asked last,
            of the children that nothing else speaks against, because it may cost something.
        ended: Whether no more can be checked, as where a budget is spent.
        heldout: Held-out sets that no child may come near to.
    """

    band: Band = NOISE
    per_parent: int = 1
    label: Callable[[Sequence[Pair]], Sequence[str | None]] = _all_kept
    ended: Callable[[], bool] = lambda: False
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

    @property
    def why_fewer(self) -> str:
        """Why there are fewer children than wanted, or none wanted; empty otherwise."""
        if not self.wanted:
            return "the share of these rows is not one row"
        if self.children.height >= self.wanted:
            return ""
        if not self.refused:
            return "no row has words of its own that can be changed: what many rows share is left alone"
        guard, count = Counter(self.refused).most_common(1)[0]
        total = sum(self.refused.values())
        return f"there is nothing left to try: of {total} refused proposals {count} fell to the guard {guard}"


def augment(
    rows: pl.DataFrame, step: Augment, checks: Checks | None = None, thesaurus: Thesaurus | None = None
) -> Augmented:
    """Make noisy copies of some rows; see `curation.augmentation.settings.Augment`.

    The same rows in any order give the same children. Only text that other rows do not share is touched, so
    a policy or a template stays as it is.

    Args:
        rows: Rows with schema ROWS.
        step: How many, how, and the seed.
        checks: What else a child is checked against.
        thesaurus: Words are replaced by synonyms from here, instead of the step's operations.
    """
    wanted = round(step.share * rows.height)
    checks = (checks or Checks())._replace(per_parent=step.per_parent)
    return guarded(rows, _noisy(rows, step, thesaurus), wanted, checks)


def _noisy(rows: pl.DataFrame, step: Augment, thesaurus: Thesaurus | None) -> Iterator[Proposal]:
    """One proposal for each row, then one by the next operation, and so on."""
    operations = step.operations
    for turn, number, row, place, rng in places(rows, step.seed, step.per_parent * len(operations)):
        operation = operations[(turn + number) % len(operations)]
        if thesaurus is None:
            yield Proposal(row, place, noise(place.text, operation, rng), operation)
        else:
            yield Proposal(row, place, synonyms(place.text, thesaurus, rng), SYNONYM)


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
    while len(children) < wanted and not checks.ended():
        of_parent.clear()
        of_parent.update(before + Counter(child["parents"][0] for child in children))
        batch = _take(source, wanted - len(children), of_parent, known, checks, counts)
        if not batch:
            break
        batch = novel(rows, children, batch, checks.heldout, counts)
        children += _labelled(rows, batch, checks, counts)
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
        if reason is None:
            taken.append(child)
            known.add(child["id"])
            of_parent[parent["id"]] += 1
        else:
            counts[reason] += 1
    return taken


def _labelled(
    rows: pl.DataFrame, batch: list[dict[str, Any]], checks: Checks, counts: Counter[str]
) -> list[dict[str, Any]]:
    """The children of a batch that keep their parents' answers."""
    if not batch or checks.label is _all_kept:
        return batch
    named = [child["parents"][0] for child in batch]
    parents = {row["id"]: row for row in rows.filter(pl.col("id").is_in(named)).iter_rows(named=True)}
    pairs = [(parents[name], child) for name, child in zip(named, batch, strict=True)]
    why = checks.label(pairs)
    counts.update(reason for reason in why if reason)
    return [child for child, reason in zip(batch, why, strict=True) if reason is None]
