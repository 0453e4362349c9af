"""Waiting: jitter within its limit, the server's word up to the bound."""

from __future__ import annotations

import pytest

from judge.backoff import FIRST_S, wait_s


@pytest.mark.parametrize(
    "header", [None, "", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "nan", "inf", "-5", "0"]
)
def test_without_a_usable_word_the_wait_is_jitter(header):
    waits = [wait_s(3, header, 30) for _ in range(200)]
    assert all(0 <= wait <= 4 * FIRST_S for wait in waits)
    assert len(set(waits)) > 100
    assert max(waits) > 2 * FIRST_S


def test_the_wait_never_passes_the_bound():
    assert wait_s(1, "3600", 5) == 5
    assert all(wait_s(50, None, 5) <= 5 for _ in range(50))


def test_the_server_is_not_asked_before_it_said():
    assert all(wait_s(4, "6", 30) >= 6 for _ in range(50))
