"""The one error for what the user can fix; importing it loads neither polars nor torch."""

from __future__ import annotations


class UserError(Exception):
    """Something is wrong that the user can put right.

    The command line renders it in one place and exits with code 1.

    Args:
        problem: What is wrong, in one sentence.
        where: The file, line or field it is about; empty when there is none.
        fix: What to do, with the command to run where there is one.
    """

    def __init__(self, problem: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        """Join the three parts into a message that reads well in a traceback too."""
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{head}\n  fix: {self.fix}" if self.fix else head

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the three parts when the error crosses a process boundary."""
        return (_rebuild, (self.problem, self.where, self.fix))


def _rebuild(problem: str, where: str, fix: str) -> UserError:
    return UserError(problem, where=where, fix=fix)
