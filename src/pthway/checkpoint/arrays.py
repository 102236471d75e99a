"""Tensors of a file as numpy arrays."""

from typing import Any, Final

import ml_dtypes
import numpy as np

from pthway import _lazy
from pthway.errors import CorruptFile, UnreadableFile
from pthway.formats import Container
from pthway.formats.tensors import AnyTensor, CompositeSpec

Array = np.ndarray[Any, np.dtype[Any]]

_SAME_NAME: Final = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool", "uint64", "uint32", "uint16",
    "complex64", "complex128",
)  # fmt: skip
_EXTENDED: Final = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")

NUMPY_TYPES: Final[dict[str, np.dtype[Any]]] = {
    **{name: np.dtype(name) for name in _SAME_NAME},
    **{name: np.dtype(getattr(ml_dtypes, name)) for name in _EXTENDED},
}
"""torch's short name → numpy's type."""


def array(container: Container, spec: AnyTensor, name: str) -> Array:
    """The tensor as a read-only array, a view of the file where possible; sparse and quantised ones as the numbers they stand for.

    Raises `UnreadableFile` for a dtype or kind that numpy lacks, `CorruptFile` for damaged bytes.
    """
    if isinstance(spec, CompositeSpec):
        made: Array = _lazy.load("pthway.checkpoint.composite:dense")(container, spec, name)
        made.flags.writeable = False
        return made
    if spec.dtype not in NUMPY_TYPES:
        raise UnreadableFile(
            f"{name} is a {spec.dtype} tensor of shape {list(spec.shape)}.",
            "numpy has no such array.",
            "Load it with torch, convert it (tensor.float()), and save it again.",
        )
    kind = NUMPY_TYPES[spec.dtype]
    if spec.elements == 0:
        return np.empty(spec.shape, kind)
    buffer, start = container.storage(spec.storage), spec.offset * kind.itemsize
    view: Array = np.ndarray(spec.shape, kind, buffer, start, spec.steps)
    if spec.dtype == "bool":
        once = tuple(size if step else 1 for size, step in zip(spec.shape, spec.steps, strict=True))
        check_booleans(np.ndarray(once, np.uint8, buffer, start, spec.steps), name)
    if spec.conjugate:
        view = np.conj(view)
    if spec.negative:
        view = np.negative(view)
    view.flags.writeable = False
    return view


def check_booleans(codes: Array, name: str) -> None:
    """Raise `CorruptFile` if a byte of a boolean tensor is neither 0 nor 1: computing with it is undefined."""
    if codes.size and codes.max() > 1:
        raise CorruptFile(f"{name} is boolean, but has bytes other than 0 and 1.", "torch never writes such.", "Save it again.")
