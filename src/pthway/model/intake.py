"""What a caller gives a network, as tensors of the type and shape that it takes."""

import math
from collections.abc import Sequence
from numbers import Number
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pthway.data.numbers import nested_array
from pthway.errors import InputRefused
from pthway.model.signature import Input, written

NUMERIC_KINDS: Final = "biufc"
"""Kinds of numpy types that are numbers."""
IMAGE_RANK: Final = 4
GIVE_NUMBERS: Final = "Give numbers: a numpy array, a tensor, a (nested) list, an image, or the path of a file with one of these."


def to_tensor(value: object, name: str) -> Tensor:
    """The numbers of *value* as a contiguous tensor of their own type, sharing no memory with it.

    Takes arrays, tensors, numbers, nested lists and tuples of these, and whatever gives an array. Raises `InputRefused` for
    anything that is not numbers.
    """
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized:
            raise InputRefused(
                f"{name} is a {value.layout} tensor.", "Networks here take dense tensors.", "x.to_dense(), or x.dequantize()"
            )
        if value.is_meta:
            raise InputRefused(f"{name} is a tensor on the meta device.", "It has a shape and no numbers.", GIVE_NUMBERS)
        return value.detach().clone(memory_format=torch.contiguous_format)
    if isinstance(value, np.ndarray | np.generic):
        return _from_array(np.asanyarray(value), name)
    if isinstance(value, Number):
        return torch.tensor(value)
    if isinstance(value, list | tuple):
        return _from_sequence(value, name)
    if callable(getattr(value, "__array__", None)):
        return _from_array(np.asarray(value), name)
    raise InputRefused(f"{name} is a {type(value).__name__}.", "It holds no numbers that a network takes.", GIVE_NUMBERS)


def _from_array(array: npt.NDArray[Any], name: str) -> Tensor:
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise InputRefused(f"{name} has masked entries.", "The network would be given the numbers behind the mask.", "x.filled(value)")
    kind = array.dtype.kind
    if array.dtype.isbuiltin == 2 and array.dtype.fields is None:  # noqa: PLR2004  # numpy's mark of types such as ml_dtypes.bfloat16
        return torch.from_numpy(array.astype(np.float32))
    if kind not in NUMERIC_KINDS:
        raise InputRefused(
            f"{name} is an array of type {array.dtype}.",
            "Text, dates, records and objects are no numbers.",
            "x.astype('float32'), if its entries are numbers",
        )
    native = np.float64 if array.dtype == np.longdouble else array.dtype.newbyteorder("=")
    return torch.from_numpy(np.array(array, dtype=native, order="C", copy=True))


def _from_sequence(value: Sequence[Any], name: str) -> Tensor:
    if any(isinstance(entry, Tensor | np.ndarray) for entry in value):
        parts = [to_tensor(entry, f"{name}[{index}]") for index, entry in enumerate(value)]
        shapes = sorted({tuple(part.shape) for part in parts})
        if len(shapes) > 1:
            raise InputRefused(
                f"{name} is a list of shapes {' and '.join(written(shape) for shape in shapes[:3])}.",
                "The samples of a batch have one shape.",
                "Predict them one at a time, or bring them to one size.",
            )
        return torch.stack(parts)
    return _from_array(nested_array(_listed(value), name), name)


def _listed(value: object) -> Any:
    return (
        [_listed(entry) for entry in value] if isinstance(value, list | tuple) else value.item() if isinstance(value, np.generic) else value
    )


def cast(tensor: Tensor, dtype: torch.dtype, vocabulary: int | None, name: str) -> Tensor:
    """*tensor* in the type that the network takes.

    Rounding is what any script does; raises `InputRefused` where the meaning would be lost: complex to real, a finite number to
    infinity, a fraction to an id, an id that the network has no row for.
    """
    if tensor.is_complex() and not dtype.is_complex:
        raise InputRefused(f"{name} is complex.", "The network takes real numbers.", "x.real, abs(x), or both as two channels")
    if not (dtype.is_floating_point or dtype.is_complex):
        return _to_ids(tensor, dtype, vocabulary, name)
    converted = tensor.to(dtype)
    if converted.dtype != tensor.dtype and tensor.numel():
        lost = converted.isinf() & tensor.isfinite()
        if lost.any():
            largest = float(tensor.abs()[lost].max())
            limit = torch.finfo(dtype).max
            raise InputRefused(
                f"{name} holds {largest:.6g}.",
                f"The network computes in {_short(dtype)}, which ends at {limit:.6g}: the number would become infinite.",
                "Scale the input as it was scaled in training.",
            )
    return converted


def _to_ids(tensor: Tensor, dtype: torch.dtype, vocabulary: int | None, name: str) -> Tensor:
    if tensor.is_floating_point():
        fractional = ~(tensor == tensor.round()) | ~tensor.isfinite()
        if fractional.any():
            raise InputRefused(
                f"{name} holds {float(tensor[fractional][0]):.6g}.",
                "The network takes ids, which are whole numbers.",
                "Give ids as integers; numbers that are no ids belong to another network.",
            )
    ids = tensor.to(dtype)
    if vocabulary is not None and ids.numel():
        least, largest = int(ids.min()), int(ids.max())
        if least < 0 or largest >= vocabulary:
            raise InputRefused(
                f"{name} holds the id {least if least < 0 else largest}.",
                f"The network has rows for the ids 0 to {vocabulary - 1}.",
                "Use the vocabulary that it was trained with.",
            )
    return ids


def as_batch(tensor: Tensor, wanted: Input) -> tuple[Tensor, bool]:
    """*tensor* with its batch dimension, and whether that was added because one sample was given.

    The number of dimensions decides which of the two was given. Raises `InputRefused` naming what is expected and what was given.
    """
    shape = tuple(tensor.shape)
    if wanted.shape is None or wanted.batch is None:
        if not shape:
            raise _refused(wanted, shape, "An array whose first dimension counts the samples is expected.", "Put it into a list: [x]")
        return tensor, False
    if len(shape) == len(wanted.shape) and wanted.takes(shape):
        return tensor, False
    sample = wanted.sample or ()
    if not shape and all(side == 1 for side in sample):
        return tensor.reshape([1] * len(wanted.shape)), True
    if len(shape) == len(sample):
        batch = tensor.unsqueeze(wanted.batch)
        if wanted.takes(tuple(batch.shape)):
            return batch, True
    sizes = "; ".join(f"{wanted.shape[axis]} is {limit}" for axis, limit in wanted.limits.items() if isinstance(wanted.shape[axis], str))
    why = f"The network takes {written(wanted.shape)}, or one sample {written(sample)}{f': {sizes}' if sizes else ''}."
    raise _refused(wanted, shape, why, _hint(tensor, wanted, sample))


def _refused(wanted: Input, shape: tuple[int, ...], why: str, fix: str) -> InputRefused:
    return InputRefused(f"{wanted.name} has the shape {written(shape)}.", why, fix)


def _hint(tensor: Tensor, wanted: Input, sample: tuple[int | str, ...]) -> str:
    """The likeliest mend: channels that come last, a sample in another arrangement, an image of another size."""
    shape, expected = tuple(tensor.shape), wanted.shape or ()
    single = len(shape) == len(sample)
    full = (1, *shape) if single and wanted.batch == 0 else shape
    if len(full) == len(expected) == IMAGE_RANK and wanted.takes((full[0], full[3], full[1], full[2])):
        order = "2, 0, 1" if single else "0, 3, 1, 2"
        method = "permute" if isinstance(tensor, Tensor) else "transpose"
        return f"It looks like height, width, channels: x.transpose({order}) for an array, x.{method}({order}) for a tensor"
    numbers = [side for side in sample if isinstance(side, int)]
    if len(numbers) == len(sample) and wanted.batch == 0 and numbers:
        size, inner = math.prod(numbers), ", ".join(map(str, numbers))
        if math.prod(shape) == size:
            return f"x.reshape({inner}) makes one sample of it"
        if shape and math.prod(shape[1:]) == size:
            return f"x.reshape(len(x), {inner}) makes samples of its rows"
    if len(full) == len(expected) == IMAGE_RANK and full[1] == expected[1]:
        return f"Resize the images to {expected[2]}×{expected[3]}, as in training"
    if len(shape) not in (len(expected), len(sample)):
        return f"Give {len(expected)} dimensions for a batch, or {len(sample)} for one sample"
    return "Give it the shape that the network was trained on"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
