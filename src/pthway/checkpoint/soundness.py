"""NaN and infinity in the weights, found in the same pass over the bytes that compares the checksums."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from pthway.checkpoint.arrays import NUMPY_TYPES, Array, array
from pthway.formats import Container
from pthway.formats.tensors import AnyTensor, StorageSpec, TensorSpec

_EXPONENTS: Final = {"float16": 0x7C00, "bfloat16": 0x7F80}
"""Bits that are all set in NaN and infinity; adding numbers of these types up would overflow, or be slow."""


@dataclass(frozen=True, slots=True)
class NonFinite:
    """How many elements of a tensor are no finite numbers."""

    nan: int
    infinite: int

    def __str__(self) -> str:
        return " and ".join(f"{count:,} {name}" for count, name in ((self.nan, "NaN"), (self.infinite, "infinite")) if count)


def non_finite(container: Container, tensors: Mapping[str, AnyTensor]) -> dict[str, NonFinite]:
    """The tensors that hold NaN or infinity, by name. Every byte is read once, and its checksum compared on the way.

    Raises `CorruptFile` for bytes that are not those that were saved.
    """
    strided = {name: spec for name, spec in tensors.items() if isinstance(spec, TensorSpec) and spec.dtype in NUMPY_TYPES}
    storages = {spec.storage.key: (spec.storage, spec.dtype) for spec in strided.values()}
    suspects: set[str] = set()

    def look(storage: StorageSpec, chunk: memoryview) -> None:
        if not _surely_finite(chunk, storages[storage.key][1]):
            suspects.add(storage.key)

    container.check([storage for storage, _ in storages.values()], look)
    counted = {name: _count(array(container, spec, name)) for name, spec in strided.items() if spec.storage.key in suspects}
    return {name: found for name, found in counted.items() if found.nan or found.infinite}


def _surely_finite(chunk: memoryview, dtype: str) -> bool:
    """Whether the numbers are finite; False may be a false alarm (a sum that overflows)."""
    kind = NUMPY_TYPES[dtype]
    width = kind.itemsize
    numbers = np.frombuffer(chunk[: len(chunk) // width * width], np.uint16 if dtype in _EXPONENTS else kind)
    if dtype in _EXPONENTS:
        mask = _EXPONENTS[dtype]
        return not bool(((numbers & mask) == mask).any())
    if dtype in ("float32", "float64", "complex64", "complex128"):
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(np.einsum("i->", numbers)))  # twice as fast as np.sum, which adds in pairs for precision
    with np.errstate(invalid="ignore"):
        return kind.kind in "biu" or bool(np.isfinite(numbers.astype(np.float32)).all())


def _count(values: Array) -> NonFinite:
    if values.dtype.kind in "biu":
        return NonFinite(0, 0)
    with np.errstate(invalid="ignore"):  # a signalling NaN is no news here
        wide = values if values.dtype.kind in "fc" else values.astype(np.float32)
    return NonFinite(int(np.isnan(wide).sum()), int(np.isinf(wide).sum()))
