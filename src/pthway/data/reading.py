"""How the output of a network is read: as which kind of class scores, and what of it is told."""

from math import isfinite
from typing import Final, Literal, get_args

from msgspec import Struct

from pthway.errors import UsageError

Kind = Literal["auto", "softmax", "sigmoid", "probabilities", "log-probabilities", "values"]


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """What the numbers of an output mean, and which classes are told. Raises `UsageError` for what cannot be meant."""

    kind: Kind = "auto"
    """``auto`` reads a table of two or more columns as scores of classes of which one holds, and finds out whether they are probabilities
    already. ``sigmoid`` reads each column as a label that holds or not; one column alone decides between two classes, as it does for
    ``probabilities``. ``values`` reads no classes."""
    top: int | None = None
    """How many classes an answer tells; None for the best one, or for all that reach *threshold*."""
    threshold: float | None = None
    """The probability from which a class is told; None for no bound, or for 0.5 with ``sigmoid`` and no *top*."""

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in get_args(Kind):
            raise UsageError(f"The reading is {self.kind!r}.", f"It is one of {', '.join(get_args(Kind))}.", 'Reading("softmax")')
        if self.top is not None and (isinstance(self.top, bool) or not isinstance(self.top, int) or self.top < 1):
            raise UsageError(f"top is {self.top!r}.", "It counts classes: a whole number from 1.", "top=5")
        threshold = self.threshold
        if threshold is not None and (isinstance(threshold, bool) or not isfinite(threshold) or not 0 <= threshold <= 1):
            raise UsageError(f"threshold is {threshold!r}.", "It is a probability, from 0 to 1.", "threshold=0.5")
        if self.kind == "values" and (self.top is not None or threshold is not None):
            raise UsageError(
                "Values are read, and top or threshold is given.", "Both are about classes.", "Leave them out, or read another kind"
            )

    @property
    def least(self) -> float:
        """The probability from which a class is told."""
        if self.threshold is not None:
            return self.threshold
        return HALF if self.kind == "sigmoid" and self.top is None else 0.0

    @property
    def at_most(self) -> int | None:
        """How many classes are told; None for all that reach `least`."""
        if self.top is not None:
            return self.top
        return None if self.threshold is not None or self.kind == "sigmoid" else 1


HALF: Final = 0.5
AUTO: Final = Reading()
