"""How often the gate promotes one of two equally good models: `python benchmarks/loop/gate.py`.

Nothing is drawn but what the tests draw themselves: the chance of every outcome of wins and losses is summed.
"""

from __future__ import annotations

import sys
from math import comb
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import record

from loop.gate import interval, sign_flip

ALPHA = 0.05 / 10
CASES = ((3, 1.0), (6, 1.0), (20, 0.5), (60, 0.1), (120, 0.1))
RARE = 1e-7


def promoted(wins: int, losses: int, items: int) -> tuple[bool, bool]:
    """Whether the interval, and whether the sign-flip test, call the winner better."""
    differences = [1.0] * wins + [-1.0] * losses + [0.0] * (items - wins - losses)
    return interval(differences, ALPHA).low > 0, sign_flip(differences) <= ALPHA / 2


def rates(items: int, differing: float) -> dict[str, float]:
    """Shares of the gates that promote, in percent, where each item differs with a chance, either way."""
    by_interval = by_both = 0.0
    for unequal in range(items + 1):
        chance = comb(items, unequal) * differing**unequal * (1 - differing) ** (items - unequal)
        for wins in range(unequal // 2 + 1, unequal + 1):
            share = chance * comb(unequal, wins) * 0.5**unequal
            if share > RARE:
                first, second = promoted(wins, unequal - wins, items)
                by_interval += share * first
                by_both += share * (first and second)
    return {"interval": round(100 * by_interval, 3), "both": round(100 * by_both, 3)}


def main() -> None:
    """Sum and record."""
    found = [{"items": n, "differing": d, "promoted_percent": rates(n, d)} for n, d in CASES]
    record(
        "gate", {"command": "python benchmarks/loop/gate.py", "allowed_percent": 50 * ALPHA, "cases": found}
    )


if __name__ == "__main__":
    main()
