"""Figures of a network that gives values, summed batch by batch."""

from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Values = npt.NDArray[np.float64]
POINTS: Final = 500
"""Pairs that are kept for the plot, drawn evenly."""


class Regression(Struct, frozen=True, tag="regression"):
    """The errors of values."""

    samples: int
    mean_absolute_error: float
    root_mean_squared_error: float
    r2: float | None
    """The coefficient of determination; None if all true values are the same."""
    mean_error: float
    """Answer − truth: which side the answers are on."""
    largest_error: float
    points: tuple[tuple[float, float], ...]
    """True value and answer, for up to 500 samples."""


class Summing:
    """What is summed on the way to a `Regression`."""

    def __init__(self) -> None:
        self._count = 0
        self._absolute = self._squared = self._error = self._largest = 0.0
        self._mean = self._spread = 0.0
        self._seen = 0
        self._points: list[tuple[float, float]] = []
        self._draw = np.random.default_rng(0)

    def add(self, truth: Values, values: Values) -> None:
        """Sum a batch. The spread of the truth is joined as Chan et al. (1979) join variances."""
        errors = values - truth
        self._absolute += float(np.abs(errors).sum())
        self._squared += float((errors**2).sum())
        self._error += float(errors.sum())
        self._largest = max(self._largest, float(np.abs(errors).max()))
        for pair in zip(truth.tolist(), values.tolist(), strict=True):
            self._keep(pair)
        count, mean = len(truth), float(truth.mean())
        shift, total = mean - self._mean, self._count + count
        self._spread += float(((truth - mean) ** 2).sum()) + shift**2 * self._count * count / total
        self._mean += shift * count / total
        self._count = total

    def _keep(self, pair: tuple[float, float]) -> None:
        """Algorithm R of Vitter (1985): every sample seen so far is kept with the same chance."""
        self._seen += 1
        if len(self._points) < POINTS:
            self._points.append(pair)
            return
        place = int(self._draw.integers(self._seen))
        if place < POINTS:
            self._points[place] = pair

    def figures(self) -> Regression:
        """Everything that was summed."""
        return Regression(
            samples=self._count,
            mean_absolute_error=self._absolute / self._count,
            root_mean_squared_error=float(np.sqrt(self._squared / self._count)),
            r2=1 - self._squared / self._spread if self._spread > 0 else None,
            mean_error=self._error / self._count,
            largest_error=self._largest,
            points=tuple(self._points),
        )
