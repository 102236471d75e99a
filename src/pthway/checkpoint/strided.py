"""Tensors of any strides, gathered piece by piece through small windows of the file."""

import os
from collections.abc import Iterator
from math import prod
from typing import Final

import numpy as np

from pthway.checkpoint.arrays import Array
from pthway.errors import CorruptFile
from pthway.formats.file_bytes import map_window
from pthway.formats.limits import MIB
from pthway.formats.tensors import DTYPES, TensorSpec

_PIECE: Final = MIB
"""Elements of a piece: a transposed matrix is walked once a piece, so that small pieces cost page faults."""

_WINDOW: Final = 16 * MIB
"""Bytes of the file that are mapped at a time."""

_READ: Final = MIB // 4
"""Spans up to this are read: mapping them costs more."""

_BITS: Final = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64, 16: np.complex128}


def pieces(descriptor: int, offset: int, spec: TensorSpec) -> Iterator[memoryview]:
    """The bytes of *spec* in row-major order; its storage begins at *offset* of the file. The cuts depend on the shape alone."""
    if not spec.elements:
        return
    width = DTYPES[spec.dtype]
    steps = spec.steps
    for index, shape in _blocks(spec.shape):
        piece: Array = np.empty(shape, _BITS[width])
        begin = spec.offset * width + sum(at * step for at, step in zip(index, steps, strict=True))
        _fill(piece, descriptor, offset + begin, steps)
        yield piece.reshape(-1).view(np.uint8).data


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Parts of *shape* that follow each other in row-major order: the index where each begins, and its shape."""
    if prod(shape) <= _PIECE:
        yield (0,) * len(shape), shape
        return
    axis = next(axis for axis in range(len(shape)) if prod(shape[axis + 1 :]) <= _PIECE)
    count = max(1, _PIECE // max(1, prod(shape[axis + 1 :])))
    rest = len(shape) - axis - 1
    for lead in np.ndindex(*shape[:axis]):
        for at in range(0, shape[axis], count):
            yield (*lead, at, *(0,) * rest), (*(1,) * axis, min(count, shape[axis] - at), *shape[axis + 1 :])


def _fill(piece: Array, descriptor: int, begin: int, steps: tuple[int, ...]) -> None:
    reach = [(size - 1) * step for size, step in zip(piece.shape, steps, strict=True)]
    span = sum(reach) + piece.itemsize
    if span <= _WINDOW:
        window = os.pread(descriptor, span, begin) if span <= _READ else map_window(descriptor, begin, span)
        if window is None or len(window) < span:
            raise CorruptFile("The file became shorter while it was read.", "Another process writes to it.", "Wait until it is complete.")
        np.copyto(piece, np.ndarray(piece.shape, piece.dtype, window, 0, steps))
        return
    axis = reach.index(max(reach))
    half = piece.shape[axis] // 2
    ahead = (slice(None),) * axis
    _fill(piece[(*ahead, slice(None, half))], descriptor, begin, steps)
    _fill(piece[(*ahead, slice(half, None))], descriptor, begin + half * steps[axis], steps)
