"""A walk over a tree of modules that the file may have knotted: a module may hold itself, or one module may be reached by 2**60 paths."""

from typing import final

from pthway.errors import LimitExceeded
from pthway.formats import limits


@final
class Steps:
    """How many modules a walk has come to, each counted as often as a path leads to it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def enter(self, depth: int) -> None:
        """Count a module that lies *depth* modules deep. Raises `LimitExceeded` for one that is too deep or one too many."""
        self.count += 1
        if depth > limits.MAX_DEPTH:
            raise _exceeded(f"modules nested more than {limits.MAX_DEPTH} deep", "One is part of itself; module trees are under 50 deep.")
        if self.count > limits.MAX_MODULES:
            raise _exceeded(
                f"more than {limits.MAX_MODULES:,} modules", "The same ones are reached by many paths; networks have some thousand."
            )


def _exceeded(what: str, why: str) -> LimitExceeded:
    return LimitExceeded(f"The file has {what}.", why, "Check where the file came from.")
