"""How the output of a network is read: as which kind of class scores, and what of it is told."""

from typing import Final, Literal

from msgspec import Struct

from pthway.errors import UsageError

Kind = Literal["auto", "softmax", "sigmoid", "probabilities", "log-probabilities", "values"]


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """What the numbers of an output mean. Raises `UsageError` for numbers that cannot be meant."""

    kind: Kind = "auto"
    """``auto`` reads a table of two or more columns as class scores; ``values`` reads none."""
    top: int | None = None
    """How many classes an answer tells of; None for the best one."""
    threshold: float | None = None
    """The probability from which a class is told; None for no bound."""

    def __post_init__(self) -> None:
        if self.top is not None and (isinstance(self.top, bool) or self.top < 1):
            raise UsageError(f"top is {self.top!r}.", "It counts classes: a whole number from 1.", "top=5")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"threshold is {self.threshold!r}.", "It is a probability, from 0 to 1.", "threshold=0.5")


AUTO: Final = Reading()
