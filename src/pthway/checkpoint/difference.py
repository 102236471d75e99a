"""Two state dicts beside each other: which tensors differ, and by how much."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NamedTuple

import numpy as np

from pthway.checkpoint.arrays import NUMPY_TYPES, Array
from pthway.checkpoint.casting import change
from pthway.checkpoint.checkpoint import Checkpoint
from pthway.checkpoint.streams import Readable, check_booleans
from pthway.errors import Unrepresentable
from pthway.formats.tensors import AnyTensor, TensorSpec


class Kind(StrEnum):
    """Ways to differ, the first that holds."""

    ONLY_FIRST = "only in A"
    ONLY_SECOND = "only in B"
    SHAPE = "other shape"
    TYPE = "other type"
    """The numbers may be equal."""
    NUMBERS = "other numbers"


class Difference(NamedTuple):
    """One tensor that is not the same in both files."""

    name: str
    kind: Kind
    first: str | None
    """Type and shape in the first file."""
    second: str | None
    differing: int | None = None
    """Elements with different values; NaN equals NaN, and the two zeros are equal. None if the shapes differ."""
    elements: int | None = None
    largest: float | None = None
    """The largest absolute difference of two finite numbers; None if no two finite numbers differ."""
    relative: float | None = None
    """The largest difference as a share of the larger of the two numbers."""
    not_finite: int | None = None
    """Differing elements where one of the two is NaN or infinite."""


def differences(first: Checkpoint, second: Checkpoint, weights: str | None = None) -> list[Difference]:
    """The tensors that differ, in the order of the first file, then those that only the second has.

    Every number is read in bounded memory, and checksums are compared. Raises `CorruptFile`, the errors of `Checkpoint.choose`, and
    `Unrepresentable` for tensors that are not dense numbers.
    """
    one, two = first.choose(weights).tensors, second.choose(weights).tensors
    both = [name for name in one if name in two]
    folder = Path(gettempdir())
    with Readable(first.container, _dense(one, both), folder) as a, Readable(second.container, _dense(two, both), folder) as b:
        found = [_difference(name, one.get(name), two.get(name), a, b) for name in dict.fromkeys([*one, *two])]
    return [difference for difference in found if difference is not None]


def _dense(tensors: Mapping[str, AnyTensor], names: list[str]) -> list[TensorSpec]:
    dense = []
    for name in names:
        spec = tensors[name]
        if not isinstance(spec, TensorSpec) or spec.dtype not in NUMPY_TYPES:
            what = spec.dtype if isinstance(spec, TensorSpec) else spec.kind
            raise Unrepresentable(f"{name} is a {what} tensor.", "numpy has no such array, so that it cannot be compared.", "Use torch.")
        dense.append(spec)
    return dense


def _difference(name: str, one: AnyTensor | None, two: AnyTensor | None, a: Readable, b: Readable) -> Difference | None:
    if one is None or two is None:
        kind = Kind.ONLY_FIRST if two is None else Kind.ONLY_SECOND
        return Difference(name, kind, _described(one), _described(two))
    if one.shape != two.shape:
        return Difference(name, Kind.SHAPE, _described(one), _described(two))
    counted = _Count()
    if isinstance(one, TensorSpec) and isinstance(two, TensorSpec):
        for left, right in zip(a.pieces(one), b.pieces(two), strict=True):
            counted.compare(_numbers(left, one, name), _numbers(right, two, name))
    if one.dtype == two.dtype and not counted.differing:
        return None
    kind = Kind.NUMBERS if one.dtype == two.dtype else Kind.TYPE
    return Difference(name, kind, _described(one), _described(two), counted.differing, one.elements, *counted.extent())


class _Count:
    """Differing elements of one tensor, so far."""

    def __init__(self) -> None:
        self.differing = self.not_finite = 0
        self.largest = self.relative = 0.0

    def compare(self, left: Array, right: Array) -> None:
        """Count the next elements."""
        if left.dtype == right.dtype and np.array_equal(left.view(np.uint8), right.view(np.uint8)):
            return
        left, right = _common(left, right)
        unlike = (left != right) & ~(np.isnan(left) & np.isnan(right))
        left, right = left[unlike], right[unlike]
        self.differing += left.size
        finite = np.isfinite(left) & np.isfinite(right)
        self.not_finite += left.size - int(finite.sum())
        left, right = left[finite], right[finite]
        if left.size:
            distance = np.abs(left - right)
            self.largest = max(self.largest, float(distance.max()))
            self.relative = max(self.relative, float((distance / np.maximum(np.abs(left), np.abs(right))).max()))

    def extent(self) -> tuple[float | None, float | None, int]:
        """Largest absolute and relative difference, and the elements that have none."""
        known = self.differing > self.not_finite
        return self.largest if known else None, self.relative if known else None, self.not_finite


def _numbers(piece: memoryview, spec: TensorSpec, name: str) -> Array:
    if spec.dtype == "bool":
        check_booleans(piece, name)
    resolved = change(spec, spec.dtype, name)(piece) if spec.conjugate or spec.negative else piece
    return np.frombuffer(resolved, NUMPY_TYPES[spec.dtype])


def _common(left: Array, right: Array) -> tuple[Array, Array]:
    """Both in a type that holds the numbers of either exactly, as far as the machine has one."""
    kinds = {left.dtype.kind, right.dtype.kind}
    small = all(array.dtype.itemsize <= 4 for array in (left, right))  # noqa: PLR2004  # bytes of a 32-bit number
    wide: Any = np.clongdouble if "c" in kinds else np.float64 if small else np.longdouble
    return left.astype(wide), right.astype(wide)


def _described(spec: AnyTensor | None) -> str | None:
    return None if spec is None else f"{spec.dtype} {list(spec.shape)}"
