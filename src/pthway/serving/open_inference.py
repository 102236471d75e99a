"""Messages of the Open Inference Protocol, version 2, with its binary tensor extension.

The protocol: https://github.com/kserve/open-inference-protocol, ``specification/protocol/inference_rest.md``; the extension: Triton's
``docs/protocol/extension_binary_data.md``. What is decided here where they are silent: NaN is ``null`` in JSON answers, 16-bit floats
may come as JSON numbers, unknown parameters are ignored.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from pthway.serving.http import LONGEST_NUMBER, HttpError, Response
from pthway.signature import Input, Output

Array = npt.NDArray[Any]

HEADER_LENGTH: Final = "inference-header-content-length"
BINARY: Final = "application/octet-stream"
TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"UINT{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    "FP16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
NAMES: Final = {dtype: name for name, dtype in TYPES.items()}
LARGEST_SIDE: Final = 1 << 40
"""Sizes beyond are no tensor's, and their product would overflow."""
LARGEST_RANK: Final = 32
"""Dimensions: what every numpy holds."""
FOREVER: Final = 1 << 50
"""Microseconds."""


class _Tensor(Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: Any = None


class _Wanted(Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Message(Struct):
    inputs: list[_Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[_Wanted] | None = None


_decoder: Final = msgspec.json.Decoder(_Message)


class InferRequest(NamedTuple):
    """An inference request, read."""

    arrays: dict[str, Array]
    id: str | None
    timeout: float | None
    """Seconds; None if the request names none."""
    outputs: tuple[tuple[str, bool], ...] | None
    """The wanted outputs in order, each with whether it goes out in binary; None for all."""
    binary: bool
    """Whether outputs go out in binary that were not named."""


def read(body: bytes, header_length: str | None, inputs: Sequence[Input], outputs: Sequence[Output]) -> InferRequest:
    """The request in *body*, of which the first *header_length* bytes are JSON (all of it if None). Raises `HttpError` 400."""
    size = _header_size(body, header_length)
    if size == 0:
        return _raw(body, inputs)
    message = _message(body[:size])
    rest = memoryview(body)[size:]
    arrays: dict[str, Array] = {}
    offset = 0
    for tensor in message.inputs:
        if tensor.name in arrays:
            raise _bad(f"The input {tensor.name!r} is given twice.", "Each input is given once.", "Give it once.")
        arrays[tensor.name], offset = _array(tensor, rest, offset)
    if offset != len(rest):
        raise _bad(
            f"{len(rest) - offset:,} bytes follow the last input.",
            "binary_data_size of the inputs adds up to what follows the JSON.",
            "Correct the sizes.",
        )
    _require_names(arrays, [each.name for each in inputs])
    default = message.parameters.get("binary_data_output") is True
    wanted = None if not message.outputs else tuple(_wanted(each, outputs, default=default) for each in message.outputs)
    return InferRequest(arrays, message.id, _seconds(message.parameters.get("timeout")), wanted, default)


def _seconds(timeout: object) -> float | None:
    """What a request allows, in seconds; it says so in microseconds, and 0 stands for nothing, as whatever is no number does."""
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or timeout <= 0:
        return None
    return min(timeout, FOREVER) / 1e6


def _header_size(body: bytes, header_length: str | None) -> int:
    if header_length is None:
        return len(body)
    number = header_length.isascii() and header_length.isdigit() and len(header_length) <= LONGEST_NUMBER
    if not number or int(header_length) > len(body):
        raise _bad(
            f"Inference-Header-Content-Length is {header_length[:40]!r}; the body has {len(body):,} bytes.",
            "It counts the bytes of the JSON at the beginning of the body.",
            "Correct it, or leave it out if the whole body is JSON.",
        )
    return int(header_length)


def _raw(body: bytes, inputs: Sequence[Input]) -> InferRequest:
    """A body that is the bytes of the only input: one sample."""
    only = inputs[0]
    sides = list(only.sample or ())
    free = [side for side in sides if isinstance(side, str)]
    if len(inputs) != 1 or len(free) > 1 or only.sample is None:
        raise _bad(
            "A raw body was sent to a model whose input it does not determine.",
            "A body without JSON is the bytes of the only input, of which at most one size is free.",
            "Send the JSON header with shapes and types.",
        )
    dtype = np.dtype(only.dtype or "float32")
    known = math.prod(side for side in sides if isinstance(side, int)) * dtype.itemsize
    count, remainder = divmod(len(body), known) if known else (0, 1)
    if remainder or (not free and count != 1):
        raise _bad(
            f"The raw body has {len(body):,} bytes; one sample of {only.name} has {f'a multiple of {known:,}' if free else f'{known:,}'}.",
            f"It is {only.dtype} of shape {list(sides)}.",
            "Send all of one sample, and no more.",
        )
    shape = [count if isinstance(side, str) else side for side in sides]
    return InferRequest({only.name: _from_bytes(body, dtype).reshape(1, *shape)}, None, None, None, True)  # noqa: FBT003  # a field


def _message(data: bytes) -> _Message:
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise _bad(
            f"The request is not as the protocol has it: {cause}.", "It is a JSON object with inputs.", 'Send {"inputs": […]}.'
        ) from cause
    except RecursionError as cause:
        raise _bad("The JSON is nested too deeply.", "A list is a dimension, and a tensor has few.", "Send the data flat.") from cause


def _array(tensor: _Tensor, rest: memoryview, offset: int) -> tuple[Array, int]:
    dtype = TYPES.get(tensor.datatype)
    if dtype is None:
        raise _bad(
            f"The input {tensor.name!r} has the datatype {tensor.datatype!r}.",
            f"Datatypes are {', '.join(TYPES)}; networks take no text.",
            "Correct the datatype.",
        )
    shape = tensor.shape
    if len(shape) > LARGEST_RANK or any(side < 0 or side > LARGEST_SIDE for side in shape):
        raise _bad(f"The input {tensor.name!r} has the shape {shape[:8]}.", "Sizes are whole numbers from 0.", "Correct the shape.")
    count = math.prod(shape)
    size = tensor.parameters.get("binary_data_size")
    if (size is None) == (tensor.data is None):
        raise _bad(
            f"The input {tensor.name!r} has {'no data' if size is None else 'both data and binary_data_size'}.",
            "Its numbers are either in data or behind the JSON.",
            "Give one of them.",
        )
    if size is None:
        return _from_json(tensor, dtype, count).reshape(shape), offset
    expected = count * dtype.itemsize
    if isinstance(size, bool) or size != expected or expected > len(rest) - offset:
        raise _bad(
            f"The input {tensor.name!r} announces {size!r} bytes and the body holds {len(rest) - offset:,} more.",
            f"{tensor.datatype} of shape {shape} has {expected:,}.",
            "Send all of it, and announce as much.",
        )
    return _from_bytes(rest[offset : offset + expected], dtype).reshape(shape), offset + expected


def _from_bytes(data: memoryview | bytes, dtype: np.dtype[Any]) -> Array:
    """The numbers in *data*: in place, unless they lie where a processor reads them badly, or are bytes that are no booleans."""
    if dtype.kind == "b":
        array: Array = np.frombuffer(data, np.uint8) != 0
    else:
        array = np.require(np.frombuffer(data, dtype), requirements="A")
    return array


def _from_json(tensor: _Tensor, dtype: np.dtype[Any], count: int) -> Array:
    flat = _flat(tensor)
    if len(flat) != count:
        raise _bad(
            f"The input {tensor.name!r} has {len(flat):,} numbers for the shape {tensor.shape}.",
            f"This shape has {count:,}.",
            "Correct the shape or the data.",
        )
    kinds = (bool,) if dtype.kind == "b" else (int,) if dtype.kind in "iu" else (int, float)
    wrong = [each for each in flat if type(each) not in kinds]
    if wrong and not (dtype.kind == "b" and all(type(each) is int and each in (0, 1) for each in wrong)):
        raise _bad(
            f"The input {tensor.name!r} holds {_shown(wrong[0])}.",
            f"{tensor.datatype} takes no such value.",
            "Correct the data or the datatype.",
        )
    try:
        with np.errstate(over="ignore"):
            array: Array = np.array(flat, dtype)
    except OverflowError as cause:
        raise _no_such_number(tensor) from cause
    if dtype.kind in "fV" and np.isinf(array).any():  # JSON knows no infinity: it was a number
        raise _no_such_number(tensor)
    return array


def _no_such_number(tensor: _Tensor) -> HttpError:
    return _bad(f"The input {tensor.name!r} holds a number that is no {tensor.datatype}.", "It is too large.", "Correct the datatype.")


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list among numbers" if isinstance(value, list) else "an object"
    return repr(value)[:40]


def _flat(tensor: _Tensor) -> list[Any]:
    """The numbers in their order, whether they came nested or flat."""
    level = tensor.data if isinstance(tensor.data, list) else [tensor.data]
    depth = 0
    while level and isinstance(level[0], list):
        depth += 1
        if depth > LARGEST_RANK or not all(isinstance(each, list) for each in level):
            raise _bad(f"The data of {tensor.name!r} is nested unevenly.", "Each list is a dimension.", "Send the data flat, or evenly.")
        level = [entry for each in level for entry in each]
    return level


def _require_names(given: Mapping[str, Array], names: Sequence[str]) -> None:
    unknown = [name for name in given if name not in names]
    missing = [name for name in names if name not in given]
    if unknown or missing:
        what = f"has no input {unknown[0]!r}" if unknown else f"needs the input {missing[0]!r}"
        raise _bad(f"The model {what}.", f"Its inputs are {', '.join(names)}.", "Name the inputs so.")


def _wanted(each: _Wanted, outputs: Sequence[Output], *, default: bool) -> tuple[str, bool]:
    names = [output.name for output in outputs if output.batch is not None]
    if each.name not in names:
        raise _bad(f"The model has no output {each.name!r}.", f"Its outputs are {', '.join(names)}.", "Name one of these.")
    binary = each.parameters.get("binary_data")
    return each.name, binary if isinstance(binary, bool) else default


def _bad(what: str, why: str, fix: str) -> HttpError:
    return HttpError(400, what, why, fix)


def write(model: str, version: str, request: InferRequest, outputs: Mapping[str, Array]) -> Response:
    """The response with the outputs that were asked for."""
    wanted = request.outputs if request.outputs is not None else tuple((name, request.binary) for name in outputs)
    tensors: list[dict[str, Any]] = []
    tail: list[bytes] = []
    for name, binary in wanted:
        array = np.asarray(outputs[name], order="C")
        tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": _datatype(array.dtype)}
        if binary:
            tail.append(array.tobytes())
            tensor["parameters"] = {"binary_data_size": array.nbytes}
        else:
            tensor["data"] = array.astype(np.float32).ravel().tolist() if array.dtype.kind == "V" else array.ravel().tolist()
        tensors.append(tensor)
    message: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": tensors}
    if request.id is not None:
        message["id"] = request.id
    header = msgspec.json.encode(message)
    if not tail:
        return Response(200, header)
    return Response(200, b"".join([header, *tail]), BINARY, {HEADER_LENGTH: str(len(header))})


def described(name: str, version: str, platform: str, inputs: Sequence[Input], outputs: Sequence[Output]) -> dict[str, Any]:
    """The metadata of a model."""
    return {
        "name": name,
        "versions": [version],
        "platform": platform,
        "inputs": [_specification(each.name, each.dtype, each.shape or ()) for each in inputs],
        "outputs": [_specification(each.name, each.dtype, each.shape) for each in outputs if each.batch is not None],
    }


def _specification(name: str, dtype: str | None, shape: Sequence[int | str]) -> dict[str, Any]:
    return {
        "name": name,
        "datatype": _datatype(np.dtype(dtype or "float32")),
        "shape": [side if isinstance(side, int) else -1 for side in shape],
    }


def _datatype(dtype: np.dtype[Any]) -> str:
    """The protocol's name. Raises `HttpError` for types that it has none for."""
    name = NAMES.get(dtype.newbyteorder("="))
    if name is None:
        raise HttpError(
            501, f"The protocol has no name for {dtype}.", f"It has {', '.join(TYPES)}.", "Ask for .npy: POST /models/NAME/predict"
        )
    return name
