"""What a caller gives a network, as arrays of the type and shape that its signature says."""

import math
from collections.abc import Sequence
from numbers import Number
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pthway.data.numbers import nested_array
from pthway.errors import InputRefused
from pthway.signature import Input, written

Array = npt.NDArray[Any]

NUMERIC_KINDS: Final = "biufc"
"""Kinds of numpy types that are numbers."""
IMAGE_RANK: Final = 4
GIVE_NUMBERS: Final = "Give numbers: a numpy array, a tensor, a (nested) list, an image, or the path of a file with one of these."


def numbers_of(value: object, name: str) -> Array:
    """The numbers of *value* as a contiguous array of their own type, which may be the caller's own.

    Takes arrays, numbers, nested lists and tuples of these, and whatever gives an array. Raises `InputRefused` for anything that is
    not numbers.
    """
    if isinstance(value, np.ndarray | np.generic):
        return _plain(np.asanyarray(value), name)
    if isinstance(value, Number):
        return np.asarray(value)
    if isinstance(value, list | tuple):
        return _of_sequence(value, name)
    if hasattr(value, "detach"):
        return _plain(_of_tensor(value), name)
    if callable(getattr(value, "__array__", None)):
        return _plain(np.asarray(value), name)
    raise InputRefused(f"{name} is a {type(value).__name__}.", "It holds no numbers that a network takes.", GIVE_NUMBERS)


def _of_tensor(tensor: Any) -> Array:
    """A tensor's numbers, by its own methods: whoever has one has torch. numpy has no bfloat16; float32 holds all of its numbers."""
    held = tensor.detach().cpu()
    return np.asarray(held.float() if held.is_floating_point() and held.element_size() < np.float32().itemsize else held)


def _plain(array: Array, name: str) -> Array:
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise InputRefused(f"{name} has masked entries.", "The network would be given the numbers behind the mask.", "x.filled(value)")
    if array.dtype.isbuiltin == 2 and array.dtype.fields is None:  # noqa: PLR2004  # numpy's mark of types such as ml_dtypes.bfloat16
        return array.astype(np.float32)
    if array.dtype.kind not in NUMERIC_KINDS:
        raise InputRefused(
            f"{name} is an array of type {array.dtype}.",
            "Text, dates, records and objects are no numbers.",
            "x.astype('float32'), if its entries are numbers",
        )
    native = np.float64 if array.dtype == np.longdouble else array.dtype.newbyteorder("=")
    return np.asarray(array, dtype=native, order="C")


def _of_sequence(value: Sequence[Any], name: str) -> Array:
    if any(isinstance(entry, np.ndarray) or hasattr(entry, "detach") for entry in value):
        parts = [numbers_of(entry, f"{name}[{index}]") for index, entry in enumerate(value)]
        require_one_shape([part.shape for part in parts], name)
        return np.stack(parts)
    return _plain(nested_array(_listed(value), name), name)


def require_one_shape(shapes: Sequence[tuple[int, ...]], name: str) -> None:
    """Raise `InputRefused` unless all samples of a list have one shape."""
    distinct = sorted(set(shapes))
    if len(distinct) > 1:
        raise InputRefused(
            f"{name} is a list of shapes {' and '.join(written(shape) for shape in distinct[:3])}.",
            "The samples of a batch have one shape.",
            "Predict them one at a time, or bring them to one size.",
        )


def _listed(value: object) -> Any:
    return (
        [_listed(entry) for entry in value] if isinstance(value, list | tuple) else value.item() if isinstance(value, np.generic) else value
    )


def cast(array: Array, dtype: np.dtype[Any], vocabulary: int | None, name: str) -> Array:
    """*array* in the type that the network takes.

    Rounding is what any script does; raises `InputRefused` where the meaning would be lost: complex to real, a finite number to
    infinity, a fraction to an id, an id that the network has no row for.
    """
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise complex_refused(name)
    if dtype.kind not in "fc":
        return _to_ids(array, dtype, vocabulary, name)
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    lost = np.isinf(converted) & np.isfinite(array)
    if lost.any():
        raise overflow_refused(name, float(np.abs(array[lost]).max()), str(dtype), float(np.finfo(dtype).max))
    return converted


def _to_ids(array: Array, dtype: np.dtype[Any], vocabulary: int | None, name: str) -> Array:
    if array.dtype.kind == "f":
        fractional = (array != np.round(array)) | ~np.isfinite(array)
        if fractional.any():
            raise fraction_refused(name, float(array[fractional].flat[0]))
    ids = array.astype(dtype)
    if vocabulary is not None and ids.size:
        require_ids(name, int(ids.min()), int(ids.max()), vocabulary)
    return ids


def complex_refused(name: str) -> InputRefused:
    """The refusal of complex numbers where real ones are due."""
    return InputRefused(f"{name} is complex.", "The network takes real numbers.", "x.real, abs(x), or both as two channels")


def overflow_refused(name: str, largest: float, dtype: str, limit: float) -> InputRefused:
    """The refusal of a number that the network's type cannot hold."""
    return InputRefused(
        f"{name} holds {largest:.6g}.",
        f"The network computes in {dtype}, which ends at {limit:.6g}: the number would become infinite.",
        "Scale the input as it was scaled in training.",
    )


def fraction_refused(name: str, number: float) -> InputRefused:
    """The refusal of a fraction, or of NaN, as an id."""
    return InputRefused(
        f"{name} holds {number:.6g}.",
        "The network takes ids, which are whole numbers.",
        "Give ids as integers; numbers that are no ids belong to another network.",
    )


def require_ids(name: str, least: int, largest: int, vocabulary: int) -> None:
    """Raise `InputRefused` if an id lies outside of the vocabulary."""
    if least < 0 or largest >= vocabulary:
        raise InputRefused(
            f"{name} holds the id {least if least < 0 else largest}.",
            f"The network has rows for the ids 0 to {vocabulary - 1}.",
            "Use the vocabulary that it was trained with.",
        )


def batch_shape(shape: tuple[int, ...], wanted: Input) -> tuple[tuple[int, ...], bool]:
    """The shape that an input of *shape* is given to the network in, and whether one sample was meant.

    The number of dimensions decides which of the two was given. Raises `InputRefused` naming what is expected and what was given.
    """
    if wanted.shape is None or wanted.batch is None:
        if not shape:
            raise _refused(wanted, shape, "An array whose first dimension counts the samples is expected.", "Put it into a list: [x]")
        return shape, False
    if len(shape) == len(wanted.shape) and wanted.takes(shape):
        return shape, False
    sample = wanted.sample or ()
    if not shape and all(side == 1 for side in sample):
        return (1,) * len(wanted.shape), True
    if len(shape) == len(sample):
        batch = (*shape[: wanted.batch], 1, *shape[wanted.batch :])
        if wanted.takes(batch):
            return batch, True
    sizes = "; ".join(f"{wanted.shape[axis]} is {limit}" for axis, limit in wanted.limits.items() if isinstance(wanted.shape[axis], str))
    why = f"The network takes {written(wanted.shape)}, or one sample {written(sample)}{f': {sizes}' if sizes else ''}."
    raise _refused(wanted, shape, why, _hint(shape, wanted, sample))


def _refused(wanted: Input, shape: tuple[int, ...], why: str, fix: str) -> InputRefused:
    return InputRefused(f"{wanted.name} has the shape {written(shape)}.", why, fix)


def _hint(shape: tuple[int, ...], wanted: Input, sample: tuple[int | str, ...]) -> str:
    """The likeliest mend: channels that come last, a sample in another arrangement, an image of another size."""
    expected = wanted.shape or ()
    single = len(shape) == len(sample)
    full = (1, *shape) if single and wanted.batch == 0 else shape
    if len(full) == len(expected) == IMAGE_RANK and wanted.takes((full[0], full[3], full[1], full[2])):
        order = "2, 0, 1" if single else "0, 3, 1, 2"
        return f"It looks like height, width, channels: x.transpose({order}) for an array, x.permute({order}) for a tensor"
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


def require_names(given: Sequence[object], wanted: Sequence[str], fix: str) -> None:
    """Raise `InputRefused` unless the inputs have the names that the network takes."""
    absent, foreign = [name for name in wanted if name not in given], [str(name) for name in given if name not in wanted]
    if absent or foreign:
        told = [f"{', '.join(absent)} missing"] * bool(absent) + [f"{', '.join(foreign)} unknown"] * bool(foreign)
        raise InputRefused(
            f"The inputs do not have the names that the network takes: {'; '.join(told)}.", f"It takes {', '.join(wanted)}.", fix
        )


def require_one_count(counts: dict[str, int]) -> None:
    """Raise `InputRefused` unless all inputs have as many samples."""
    if len(set(counts.values())) > 1:
        raise InputRefused(
            f"The inputs have {', '.join(f'{count} samples ({name})' for name, count in counts.items())}.",
            "Each sample has all inputs.",
            "Give as many samples of each.",
        )
