"""Which sizes of an open dimension a network runs with, found by bisection over forward passes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from pthway.signature import Limit

ALIGNED: Final = 64
"""Where multiples of this run and others do not, sizes are free but for a divisor."""
USUAL: Final = (224, 32, 28, 64, 256, 128, 299, 384, 512, 227, 96, 48, 24, 12, 84, 16, 8, 112, 160, 192, 288, 320, 336, 448, 640, 1024)
SIDES: Final = tuple(sorted({*USUAL, 20, 40, 50, 56, 60, 64, 72, 80, 100, 120, 144, 176, 180, 200, 240, 300, 360, 400, 480, 600, 720, 800}))
"""Sides of images that are not square."""
USUAL_LENGTHS: Final = (1024, 128, 256, 512, 2048, 4096, 100, 1000, 16000, 8000, 22050, 44100, 64, 32, 784, 187, 500, 200, 50, 10)


@dataclass(frozen=True, slots=True)
class Range:
    """Which sizes are worth trying."""

    free: tuple[int, int]
    """Two sizes without a common divisor: a network that runs with both has no size of its own."""
    largest: int
    """The largest size that is tried."""
    beyond: int | None
    """A size to see whether free sizes end; None where a pass of this size takes too long."""
    usual: tuple[int, ...]
    """Sizes that people choose, in the order in which they are tried and preferred."""


IMAGES: Final = Range((128, 161), 2048, 2048, USUAL)
LENGTHS: Final = Range((128, 161), 1 << 17, 2048, USUAL_LENGTHS)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What was found of one open size."""

    chosen: int | None
    """The size that the network has; None where it is free."""
    limit: Limit
    sample: int
    """A size that runs, for further passes."""


@final
class Search:
    """Sizes by trying: *attempt* gives 0 if a size runs, 1 if it is too large, -1 too small, None if it fails for an unknown reason."""

    def __init__(self, attempt: Callable[[int], int | None], sizes: Range) -> None:
        self._attempt = attempt
        self._range = sizes
        self._known: dict[int, int | None] = {}

    def sizes(self) -> Sizes | None:
        """What was found, or None if no size that was tried runs."""
        if all(map(self._runs, self._range.free)):
            return self._free(1)
        if self._range.free[0] % ALIGNED == 0 and self._runs(self._range.free[0]) and self._runs(self._range.free[0] + ALIGNED):
            step = next((1 << power for power in range(1, 6) if self._runs(self._range.free[0] + (1 << power))), ALIGNED)
            return self._free(step)
        seed = self._seed()
        if seed is None:
            return None
        low, high = self._edge(seed, -1), self._edge(seed, 1)
        if high >= 2 * low:
            # Flattening fixes a size up to what pooling crops, which is less than the size itself: this one is free within bounds.
            return Sizes(None, Limit(low, high if high < self._range.largest else None), seed)
        usual = [size for size in self._range.usual if low <= size <= high]
        chosen = low if low in usual or not usual else usual[0]
        return Sizes(chosen, Limit(low, high), chosen)

    def _runs(self, size: int) -> bool:
        return self._try(size) == 0

    def _try(self, size: int) -> int | None:
        if size not in self._known:
            self._known[size] = self._attempt(size)
        return self._known[size]

    def _free(self, step: int) -> Sizes:
        """The least and the largest size, by bisection over multiples of *step*: those that run lie together."""
        low = self._last(self._range.free[0] // step, 0, step)
        beyond = (self._range.beyond or 0) // step
        endless = not beyond or self._runs(beyond * step)
        return Sizes(
            None, Limit(low, None if endless else self._last(self._range.free[0] // step, beyond, step), step), self._range.free[0]
        )

    def _last(self, inside: int, outside: int, step: int) -> int:
        """The last multiple of *step* that runs, between one that does and one that does not."""
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            inside, outside = (middle, outside) if self._runs(middle * step) else (inside, middle)
        return inside * step

    def _seed(self) -> int | None:
        """Some size that runs: between one too small and one too large, or a usual one."""
        low, high = 0, self._range.largest
        while high - low > 1:
            middle = _between(low, high)
            found = self._try(middle)
            if found == 0:
                return middle
            if found is None:
                break
            low, high = (middle, high) if found < 0 else (low, middle)
        return next((size for size in self._range.usual if size <= self._range.largest and self._runs(size)), None)

    def _edge(self, seed: int, direction: int) -> int:
        """The last size from *seed* in a *direction* that runs, where those that run lie together."""
        step = 1
        inside, outside = seed, seed + direction
        while 0 < outside <= self._range.largest and self._runs(outside):
            inside, step = outside, step * 2
            outside = inside + direction * step
        return self._last(inside, max(0, min(outside, self._range.largest + 1)), 1)


def _between(low: int, high: int) -> int:
    """The geometric middle: sizes spread over orders of magnitude."""
    return min(max(math.isqrt(max(low, 1) * high), low + 1), high - 1)


def unequal(attempt: Callable[[int, int], int | None]) -> list[tuple[int, int]]:
    """Pairs of two different `SIDES` that run, where no square does.

    *attempt* says of a height and a width what `Search` is told of a size. A larger side never makes an image too small, so that the
    table of all pairs is crossed from one corner to the other, in as many steps as there are rows and columns.
    """
    found: list[tuple[int, int]] = []
    row, column = 0, len(SIDES) - 1
    while row < len(SIDES) and column >= 0:
        height = SIDES[row]
        sign = attempt(height, SIDES[column])
        if sign == 0:
            while column and attempt(height, SIDES[column - 1]) == 0:
                column -= 1  # the same pair, with less of it cropped
            width = SIDES[column]
            if height != width and (not found or found[-1][1] != width):
                found.append((height, width))
        row, column = row + (sign != 1), column - (sign is None or sign > 0)
    return found
