"""A result that drops suspiciously much is refused, with the rows to look at."""

from __future__ import annotations

import pytest

from curation.dedup import How, drop_duplicates
from curation.errors import UserError
from curation.guards import demand_modest
from curation.rows import frame, make_row


def chat(prompt: str, line: int, source: str) -> dict:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": "yes"}]
    return make_row(turns, source=source, line=line)


ROWS = frame(
    [chat(f"Question {i} about something", i, "good.jsonl") for i in range(10)]
    + [chat("The very same question again", i, "bad.jsonl") for i in range(5)]
)
FOUND = drop_duplicates(ROWS, How(near=False))


def test_a_source_that_loses_too_much_is_named_with_its_largest_cluster():
    with pytest.raises(UserError) as refused:
        demand_modest(ROWS, FOUND, max_loss=0.5, max_cluster=100)
    assert refused.value.where == "bad.jsonl"
    assert refused.value.problem.startswith("4 of 5 rows would go (80%; at most 50% may)")
    assert "bad.jsonl:0: The very same question again" in refused.value.problem
    assert "--force" in refused.value.fix


def test_a_cluster_that_is_too_large_is_shown():
    with pytest.raises(UserError, match="5 rows would become one") as refused:
        demand_modest(ROWS, FOUND, max_loss=1, max_cluster=4)
    assert refused.value.problem.count("The very same question again") == 3


def refused(rows, found, max_loss: float, max_cluster: int) -> bool:
    try:
        demand_modest(rows, found, max_loss=max_loss, max_cluster=max_cluster)
    except UserError:
        return True
    return False


def test_what_is_at_the_limits_passes_and_what_is_above_does_not():
    assert not refused(ROWS, FOUND, 0.8, 5)
    assert refused(ROWS, FOUND, 0.79, 5)
    assert refused(ROWS, FOUND, 0.8, 4)


def test_where_nothing_goes_no_limit_is_too_low():
    assert not refused(ROWS.head(10), drop_duplicates(ROWS.head(10)), 0, 1)
