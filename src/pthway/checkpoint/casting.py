"""Elements changed on their way: to another type, and views of conjugates and negatives resolved."""

from collections.abc import Callable

import numpy as np

from pthway.checkpoint.arrays import NUMPY_TYPES, Array
from pthway.errors import Unrepresentable
from pthway.formats.tensors import TensorSpec

Change = Callable[[memoryview], memoryview]
"""Bytes of whole elements → bytes of the same elements, changed."""


def change(spec: TensorSpec, dtype: str, name: str) -> Change:
    """What makes the stored bytes of *spec* those of the tensor itself, of type *dtype*.

    It raises `Unrepresentable` where a finite number becomes infinite.
    """

    def changed(piece: memoryview) -> memoryview:
        values = _resolved(piece, spec)
        if dtype != spec.dtype:
            values = _cast(values, dtype, name)
        return np.ascontiguousarray(values).view(np.uint8).data

    return changed


def _resolved(piece: memoryview, spec: TensorSpec) -> Array:
    # numpy lacks complex32: its numbers are pairs of float16.
    values: Array = np.frombuffer(piece, NUMPY_TYPES["float16" if spec.dtype == "complex32" else spec.dtype])
    if spec.negative:
        values = np.negative(values)
    if spec.conjugate:
        parts = values.view(np.empty(0, values.dtype).real.dtype).copy()
        parts[1::2] = np.negative(parts[1::2])
        values = parts
    return values


def _cast(values: Array, dtype: str, name: str) -> Array:
    target = NUMPY_TYPES["float32" if dtype == "complex64" else dtype]
    with np.errstate(over="ignore", invalid="ignore"):
        made = values.astype(target)
        lost = np.isinf(made.astype(np.float32)) & np.isfinite(values.astype(np.float64))
    if lost.any():
        raise Unrepresentable(
            f"{name} holds {float(values[lost][0]):g}, which is infinite as {dtype}.",
            f"{dtype} ends at {_largest(dtype):g}.",
            "Use --bfloat16, which has the range of float32, or keep the type.",
        )
    return made


def _largest(dtype: str) -> float:
    return {"float16": 65504.0, "bfloat16": 3.3895314e38, "float32": 3.4028235e38}[dtype]
