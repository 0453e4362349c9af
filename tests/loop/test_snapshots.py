"""Snapshots in the store: a child's rows are told without those of its parent being written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curation.parent import Growth
from curation.stored import read_rows
from loop.snapshots import record
from loop.store import query, transaction
from tests.curation.test_growth import corpus, write

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ["id", "split", "source", "line"]


@pytest.mark.parametrize("known", [True, False])
def test_membership_is_what_each_snapshot_has(tmp_path: Path, store: Path, known: bool) -> None:
    first = write(tmp_path, corpus(range(40)))
    second = write(tmp_path, corpus([50]), Growth(first.id, corpus(range(3))["id"].to_list()))
    third = write(tmp_path, corpus([0, 60]), Growth(second.id, corpus([50])["id"].to_list()))
    chain = [first, second, third][0 if known else 1 :]  # else the store never heard of the first one
    with transaction(store) as connection:
        for manifest in chain * 2:
            record(connection, tmp_path / manifest.id, manifest, 0)
    for manifest in chain:
        told = "SELECT row_id AS id, split, source, line FROM membership WHERE snapshot = ?"
        found = query(store, told, [manifest.id])
        assert sorted(found.rows()) == sorted(read_rows(tmp_path / manifest.id).select(COLUMNS).rows())
    (written,) = query(store, "SELECT count(*) FROM layer_rows").row(0)
    assert written == (43 if known else 38 + 2)
