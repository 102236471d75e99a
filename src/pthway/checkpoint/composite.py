"""Sparse and quantised tensors as the dense arrays that they stand for, checked before anything is indexed."""

from math import prod

import numpy as np

from pthway.checkpoint.arrays import Array, array
from pthway.errors import CorruptFile, LimitExceeded, UnreadableFile
from pthway.formats import Container, limits
from pthway.formats.tensors import QUANTIZED, CompositeSpec

_CODES = {"qint8": np.dtype(np.int8), "quint8": np.dtype(np.uint8), "qint32": np.dtype(np.int32)}


def dense(container: Container, spec: CompositeSpec, name: str) -> Array:
    """What ``tensor.to_dense()`` or ``tensor.dequantize()`` gives: a new array of the tensor's shape.

    Raises `UnreadableFile` for kinds that stand for no array, `CorruptFile` for indices or scales that cannot be, `LimitExceeded` for
    a sparse tensor that is too large when it is dense.
    """
    if spec.kind == "quantized" and spec.dtype in _CODES:
        return _dequantized(container, spec, name)
    if spec.kind.startswith("sparse_"):
        _check_size(spec, name)
        return _from_coo(container, spec, name) if spec.kind == "sparse_coo" else _from_compressed(container, spec, name)
    raise unreadable(spec, name)


def unreadable(spec: CompositeSpec, name: str) -> UnreadableFile:
    """The error for a tensor whose numbers are not to be had."""
    if spec.kind == "meta":
        return UnreadableFile(
            f"{name} is a meta tensor of shape {list(spec.shape)}.",
            "Its numbers were never saved: only its type and shape are in the file.",
            "Ask for a file that was saved from a network with its weights on a device.",
        )
    return UnreadableFile(
        f"{name} is a {spec.kind} tensor of {spec.dtype} and shape {list(spec.shape)}.",
        "There is no array of this kind.",
        "Load it with torch, make plain tensors of it, and save it again.",
    )


def scales(container: Container, spec: CompositeSpec, name: str) -> tuple[Array, Array, int]:
    """Scales and zero points of each channel, and which dimension the channels are. Raises `CorruptFile` for what cannot be."""
    axis = spec.settings[1]
    assert isinstance(axis, int)  # noqa: S101  # rebuild.py checked it
    found, zeros = array(container, spec.parts[1], f"the scales of {name}"), array(container, spec.parts[2], f"the zero points of {name}")
    if not (np.isfinite(found.astype(np.float64)).all() and (found > 0).all() and np.isfinite(zeros.astype(np.float64)).all()):
        raise CorruptFile(f"{name} has scales that are not positive, or not finite.", "Quantised numbers are multiples.", "Save it again.")
    low, high = QUANTIZED[spec.dtype]
    if zeros.dtype.kind in "iu" and ((zeros < low) | (zeros > high)).any():
        raise CorruptFile(f"{name} has zero points outside {low} … {high}.", f"They are codes of {spec.dtype}.", "Save it again.")
    return found, zeros, axis


def _dequantized(container: Container, spec: CompositeSpec, name: str) -> Array:
    codes = array(container, spec.parts[0]._replace(dtype=str(_CODES[spec.dtype])), name)
    match spec.settings:
        case ("per_tensor", float() as scale, int() as zero):
            shifted: Array = (codes.astype(np.int64) - zero).astype(np.float32)
            return shifted * np.float32(scale)
    found, zeros, axis = scales(container, spec, name)
    across = tuple(-1 if dimension == axis else 1 for dimension in range(codes.ndim))
    shifted = codes.astype(np.float32) - zeros.astype(np.float32).reshape(across)
    product: Array = shifted * found.astype(np.float32).reshape(across)
    return product


def _check_size(spec: CompositeSpec, name: str) -> None:
    size = prod(spec.shape) * spec.parts[-1].nbytes // max(1, spec.parts[-1].elements)
    if size > limits.MAX_EXPANDED_BYTES and size > limits.MAX_EXPANSION * spec.nbytes:
        raise LimitExceeded(
            f"{name} is a {spec.kind} tensor that has {size:,} bytes when it is dense, from {spec.nbytes:,}.",
            f"Above {limits.MAX_EXPANDED_BYTES:,} bytes at most {limits.MAX_EXPANSION}× is made dense.",
            "Use it as a sparse tensor, in torch.",
        )


def _from_coo(container: Container, spec: CompositeSpec, name: str) -> Array:
    indices, values = (array(container, part, name) for part in spec.parts)
    sparse = len(indices)
    if indices.ndim != 2 or indices.shape[1:] != values.shape[:1] or values.shape[1:] != spec.shape[sparse:]:  # noqa: PLR2004  # a table
        raise _misfit(name, "indices and values do not fit its shape")
    _check_indices(name, indices, np.array(spec.shape[:sparse]).reshape(-1, 1))
    made: Array = np.zeros(spec.shape, values.dtype)
    add = np.logical_or if values.dtype == bool else np.add
    add.at(made, tuple(indices), values)
    return made


def _from_compressed(container: Container, spec: CompositeSpec, name: str) -> Array:
    """CSR and BSR compress rows, CSC and BSC columns; the last two dimensions are the matrix, those before it a batch."""
    compressed, plain, values = (array(container, part, name) for part in spec.parts)
    batch, by_rows = compressed.shape[:-1], spec.kind in ("sparse_csr", "sparse_bsr")
    blocks = values.shape[len(batch) + 1 :] if spec.kind in ("sparse_bsr", "sparse_bsc") else (1, 1)
    if len(spec.shape) != len(batch) + 2 or spec.shape[:-2] != batch or len(blocks) != 2 or 0 in blocks:  # noqa: PLR2004  # rows and columns
        raise _misfit(name, "its parts do not fit its shape")
    rows, columns = (size // block for size, block in zip(spec.shape[-2:], blocks, strict=True))
    lines, across = (rows, columns) if by_rows else (columns, rows)
    count = plain.shape[-1] if plain.ndim else 0
    if compressed.shape[-1:] != (lines + 1,) or plain.shape != (*batch, count) or values.shape[: len(batch) + 1] != (*batch, count):
        raise _misfit(name, "its indices do not fit its shape")
    steps = np.diff(compressed, axis=-1)
    if (steps < 0).any() or (compressed[..., 0] != 0).any() or (compressed[..., -1] != count).any():
        raise _misfit(name, "its compressed indices do not rise from 0 to the number of values")
    _check_indices(name, plain, np.array(across))
    made: Array = np.zeros((prod(batch), rows, columns, *blocks), values.dtype)
    for each, (starts, places, held) in enumerate(
        zip(steps.reshape(-1, lines), plain.reshape(-1, count), values.reshape(-1, count, *blocks), strict=True)
    ):
        line = np.repeat(np.arange(lines), starts)
        made[(each, line, places) if by_rows else (each, places, line)] = held
    return np.ascontiguousarray(made.transpose(0, 1, 3, 2, 4)).reshape(spec.shape)


def _check_indices(name: str, indices: Array, sizes: Array) -> None:
    if indices.dtype.kind not in "iu" or (indices < 0).any() or (indices >= sizes).any():
        raise _misfit(name, "it has an index outside its shape")


def _misfit(name: str, how: str) -> CorruptFile:
    return CorruptFile(f"{name} is sparse, and {how}.", "torch would read or write outside the tensor.", "Save it again.")
