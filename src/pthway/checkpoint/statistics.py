"""What the numbers of each tensor are like: exact counts and extremes, mean and deviation, in one pass and bounded memory."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NamedTuple

import numpy as np

from pthway.checkpoint.arrays import NUMPY_TYPES, Array
from pthway.checkpoint.casting import change
from pthway.checkpoint.histogram import Binning, Histogram
from pthway.checkpoint.meter import Meter, Progress
from pthway.checkpoint.streams import Reading, check_booleans, feed
from pthway.formats import Container
from pthway.formats.tensors import AnyTensor, TensorSpec


class Statistics(NamedTuple):
    """All numbers of one tensor, taken together."""

    smallest: float | int | None
    """Of the finite numbers, exact; None for complex tensors and where no number is finite."""
    largest: float | int | None
    mean: float | complex | None
    """Of the finite numbers."""
    std: float | None
    """Standard deviation of the finite numbers around their mean: divided by their count, not by one less."""
    nan: int
    infinite: int
    zeros: int
    histogram: Histogram | None = None
    """Of the finite numbers, if it was asked for; None for complex tensors."""


def statistics(
    container: Container, tensors: Mapping[str, AnyTensor], *, histograms: bool = False, progress: Progress | None = None
) -> dict[str, Statistics]:
    """Statistics of every dense tensor of a type that numpy has; the others are not in the answer.

    Every number is read, and checksums are compared on the way. Sums are kept in twice the precision of float32, and in the machine's
    longest type for wider numbers. *progress* is told the bytes of tensors that are read. Raises `CorruptFile`.
    """
    dense = {name: spec for name, spec in tensors.items() if isinstance(spec, TensorSpec) and spec.dtype in NUMPY_TYPES}
    meter = Meter(sum(spec.nbytes for spec in dense.values()), progress)
    sums = {name: _Sums(name, spec, meter, Binning() if histograms else None) for name, spec in dense.items()}
    feed(container, [Reading(spec, sums[name].take) for name, spec in dense.items()], Path(gettempdir()))
    return {name: of.result() for name, of in sums.items()}


class _Sums:
    """What has been seen of one tensor; parts are joined as Chan, Golub and LeVeque do, so that nothing large cancels."""

    def __init__(self, name: str, spec: TensorSpec, meter: Meter, binning: Binning | None) -> None:
        self.name, self.meter, self.binning = name, meter, binning
        self.kind = NUMPY_TYPES[spec.dtype]
        self.resolve = change(spec, spec.dtype, name) if spec.conjugate or spec.negative else None
        self.wide = _wide(self.kind)
        self.count = self.nan = self.infinite = self.zeros = 0
        self.mean: Any = self.wide.type(0)
        self.spread: Any = np.longdouble(0)
        """Sum of squared distances from the mean."""
        self.smallest: Any = None
        self.largest: Any = None

    def take(self, piece: memoryview) -> None:
        """Add the next numbers."""
        if self.kind == np.bool_:
            check_booleans(piece, self.name)
        numbers: Array = np.frombuffer(self.resolve(piece) if self.resolve else piece, self.kind)
        if self.kind.kind not in "biufc":
            numbers = numbers.astype(np.float32)
        self.zeros += numbers.size - int(np.count_nonzero(numbers))
        if numbers.dtype.kind in "fc":
            finite = np.isfinite(numbers)
            if not finite.all():
                nan = int(np.isnan(numbers).sum())
                self.nan, self.infinite = self.nan + nan, self.infinite + int((~finite).sum()) - nan
                numbers = numbers[finite]
        if numbers.size:
            self.join(numbers)
        self.meter.add(len(piece))

    def join(self, numbers: Array) -> None:
        """Add finite numbers."""
        if numbers.dtype.kind != "c":
            low, high = numbers.min().item(), numbers.max().item()
            self.smallest = low if self.smallest is None else min(self.smallest, low)
            self.largest = high if self.largest is None else max(self.largest, high)
            if self.binning is not None:
                self.binning.add(numbers, low, high)
        wide = numbers.astype(self.wide)
        mean = wide.mean()
        wide -= mean
        spread = np.longdouble(np.vdot(wide, wide).real) if self.wide.kind == "c" else np.longdouble(np.dot(wide, wide))
        total = self.count + numbers.size
        step = mean - self.mean
        self.spread += spread + np.longdouble(abs(step)) ** 2 * self.count * numbers.size / total
        self.mean += step * numbers.size / total
        self.count = total

    def result(self) -> Statistics:
        """The statistics of what was seen."""
        plain = complex if self.wide.kind == "c" else float
        mean = plain(self.mean) if self.count else None
        std = float(np.sqrt(self.spread / self.count)) if self.count else None
        histogram = self.binning.result() if self.binning else None
        return Statistics(self.smallest, self.largest, mean, std, self.nan, self.infinite, self.zeros, histogram)


def _wide(kind: np.dtype[Any]) -> np.dtype[Any]:
    if kind.kind == "c":
        return np.dtype(np.clongdouble if kind.itemsize > 8 else np.complex128)  # noqa: PLR2004  # bytes of two float32
    exact = kind.kind in "fiu" and kind.itemsize == 8  # noqa: PLR2004  # bytes of a 64-bit number
    return np.dtype(np.longdouble if exact else np.float64)
