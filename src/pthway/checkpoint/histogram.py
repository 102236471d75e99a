"""Histograms of numbers that are seen once, whose range is not known before the last."""

import math
from typing import Any, Final, NamedTuple

import numpy as np

from pthway.checkpoint.arrays import Array

BINS: Final = 64
"""At most; the width of a bin is the smallest power of two that needs no more, which leaves at least half of them for any range."""

_LEAST: Final = -1074
"""Exponent of the smallest float64 above zero."""


class Histogram(NamedTuple):
    """How many numbers lie in each bin: bin *i* holds ``(first + i) * 2**exponent <= x < (first + i + 1) * 2**exponent``."""

    first: int
    exponent: int
    counts: tuple[int, ...]

    @property
    def edges(self) -> tuple[float, ...]:
        """The borders of the bins, one more than there are bins."""
        return tuple(math.ldexp(self.first + index, self.exponent) for index in range(len(self.counts) + 1))


class Binning:
    """A histogram that grows. Bins begin at multiples of their width, so that two join into one exactly when the range widens.

    What comes out depends on the numbers alone, not on how they were cut into pieces.
    """

    def __init__(self) -> None:
        self.smallest: Any = math.inf
        self.largest: Any = -math.inf
        self.first = self.exponent = 0
        self.counts: Array = np.zeros(0, np.int64)

    def add(self, numbers: Array, smallest: float, largest: float) -> None:
        """Count finite real numbers, of which there is at least one; *smallest* and *largest* are theirs."""
        self.smallest, self.largest = min(self.smallest, smallest), max(self.largest, largest)
        exponent = max(_finest(self.smallest, self.largest), self.exponent if self.counts.size else _LEAST)
        exponent += max(0, (_index(self.largest, exponent) - _index(self.smallest, exponent)).bit_length() - BINS.bit_length() + 1)
        while _index(self.largest, exponent) - _index(self.smallest, exponent) >= BINS:
            exponent += 1
        first = _index(self.smallest, exponent)
        counts: Array = np.zeros(_index(self.largest, exponent) - first + 1, np.int64)
        if self.counts.size:
            joined = ((np.arange(self.counts.size) + self.first) >> min(exponent - self.exponent, 63)) - first
            np.add.at(counts, joined, self.counts)
        counts += np.bincount(_indices(numbers, exponent) - first, minlength=counts.size)
        self.first, self.exponent, self.counts = first, exponent, counts

    def result(self) -> Histogram | None:
        """The histogram; None if nothing was counted."""
        return Histogram(self.first, self.exponent, tuple(self.counts.tolist())) if self.counts.size else None


def _finest(smallest: float, largest: float) -> int:
    """The narrowest bins as a power of two: their indices are exact, their edges are float64, and those of integers are whole."""
    farthest = max(abs(smallest), abs(largest))
    if isinstance(farthest, int):
        return max(0, farthest.bit_length() - 62)
    return max(_LEAST, math.frexp(farthest)[1] - 52) if farthest else _LEAST


def _index(number: float, exponent: int) -> int:
    if isinstance(number, int):
        return number >> exponent
    return math.floor(number // math.ldexp(1, exponent) if exponent > 0 else math.ldexp(number, -exponent))


def _indices(numbers: Array, exponent: int) -> Array:
    if numbers.dtype.kind == "b":
        return numbers.astype(np.int64)
    if numbers.dtype.kind in "iu":
        return (numbers >> exponent).astype(np.int64)
    wide: Array = numbers.astype(np.float64)
    if exponent > 0:  # scaling would round the smallest negative numbers to zero, which lies in another bin
        return np.floor_divide(wide, math.ldexp(1, exponent), out=wide).astype(np.int64)
    return np.floor(np.ldexp(wide, -exponent, out=wide), out=wide).astype(np.int64)
