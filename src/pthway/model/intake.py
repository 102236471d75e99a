"""What a caller gives a network, as tensors of the type and shape that it takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pthway.data.intake import (
    GIVE_NUMBERS,
    batch_shape,
    complex_refused,
    fraction_refused,
    numbers_of,
    overflow_refused,
    require_ids,
    require_one_shape,
)
from pthway.errors import InputRefused
from pthway.signature import Input


def to_tensor(value: object, name: str) -> Tensor:
    """The numbers of *value* as a contiguous tensor of their own type, sharing no memory with it.

    Takes tensors, and whatever `numbers_of` takes. Raises `InputRefused` for anything that is not numbers.
    """
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized:
            raise InputRefused(
                f"{name} is a {value.layout} tensor.", "Networks here take dense tensors.", "x.to_dense(), or x.dequantize()"
            )
        if value.is_meta:
            raise InputRefused(f"{name} is a tensor on the meta device.", "It has a shape and no numbers.", GIVE_NUMBERS)
        return value.detach().clone(memory_format=torch.contiguous_format)
    if isinstance(value, list | tuple) and any(isinstance(entry, Tensor) for entry in value):
        return _stacked(value, name)
    return torch.from_numpy(np.array(numbers_of(value, name), copy=True))


def _stacked(value: Sequence[Any], name: str) -> Tensor:
    parts = [to_tensor(entry, f"{name}[{index}]") for index, entry in enumerate(value)]
    require_one_shape([tuple(part.shape) for part in parts], name)
    return torch.stack(parts)


def cast(tensor: Tensor, dtype: torch.dtype, vocabulary: int | None, name: str) -> Tensor:
    """*tensor* in the type that the network takes, refused as `pthway.data.intake.cast` does."""
    if tensor.is_complex() and not dtype.is_complex:
        raise complex_refused(name)
    if not (dtype.is_floating_point or dtype.is_complex):
        return _to_ids(tensor, dtype, vocabulary, name)
    converted = tensor.to(dtype)
    if converted.dtype != tensor.dtype and tensor.numel():
        lost = converted.isinf() & tensor.isfinite()
        if lost.any():
            raise overflow_refused(name, float(tensor.abs()[lost].max()), _short(dtype), torch.finfo(dtype).max)
    return converted


def _to_ids(tensor: Tensor, dtype: torch.dtype, vocabulary: int | None, name: str) -> Tensor:
    if tensor.is_floating_point():
        fractional = ~(tensor == tensor.round()) | ~tensor.isfinite()
        if fractional.any():
            raise fraction_refused(name, float(tensor[fractional][0]))
    ids = tensor.to(dtype)
    if vocabulary is not None and ids.numel():
        require_ids(name, int(ids.min()), int(ids.max()), vocabulary)
    return ids


def as_batch(tensor: Tensor, wanted: Input) -> tuple[Tensor, bool]:
    """*tensor* with its batch dimension, and whether that was added because one sample was given. Raises as `batch_shape` does."""
    shape, single = batch_shape(tuple(tensor.shape), wanted)
    return tensor.reshape(shape), single


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
