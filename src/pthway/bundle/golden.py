"""The golden record: inputs, and the outputs that the reference gave for them, to which every deployment is held."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pthway.bundle.manifest import Difference, Manifest, Tolerance
from pthway.errors import BundleRefused
from pthway.signature import Input, Output, written

Array = npt.NDArray[Any]

DTYPES: Final[Mapping[str, str]] = {
    "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "I8": "int8", "I16": "int16", "I32": "int32",
    "I64": "int64", "F16": "float16", "F32": "float32", "F64": "float64", "C64": "complex64",
}  # fmt: skip
"""The names of types in safetensors' header, and what they are to torch and numpy."""
NAN: Final = "nan"
"""The record whose input holds a NaN: not every runtime lets it through to the answer."""
RELATIVE: Final = 1e-4
"""Of a number: what the order of sums may change in float32, after many layers."""
OF_LARGEST: Final = 5e-5
"""Of the largest number of an output: a small number is the difference of large ones."""


class Record(NamedTuple):
    """Inputs and what the reference answered."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


class Deviation(NamedTuple):
    """The number of an output that is furthest from the record, as far as rounding does not explain it."""

    output: str
    place: tuple[int, ...]
    expected: float
    got: float
    tolerance: float
    kind: str = ""
    """What is wrong with the output as a whole, where no single number is."""

    def __str__(self) -> str:
        if self.kind:
            return f"{self.output} {self.kind}"
        place = f"[{', '.join(map(str, self.place))}]" if self.place else ""
        return f"{self.output}{place} is {self.got:.9g}, recorded {self.expected:.9g} ± {self.tolerance:.2g}"


class Comparison(NamedTuple):
    """Outputs beside the recorded ones."""

    difference: Difference
    deviation: Deviation | None
    """None if rounding explains every difference."""


def tolerance_for(outputs: Mapping[str, Sequence[Array]]) -> dict[str, Tolerance]:
    """What rounding may explain of each output, by what is recorded of it; nothing for whole numbers."""
    return {name: _tolerance(arrays) for name, arrays in outputs.items()}


def _tolerance(arrays: Sequence[Array]) -> Tolerance:
    if any(array.dtype.kind not in "fc" for array in arrays):
        return Tolerance(absolute=0.0, relative=0.0)
    largest = max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays)
    return Tolerance(absolute=OF_LARGEST * largest or OF_LARGEST, relative=RELATIVE)


def compare(expected: Mapping[str, Array], got: Mapping[str, Array], tolerances: Mapping[str, Tolerance]) -> Comparison:
    """*got* beside what was recorded: the largest differences, and the worst number that rounding does not explain.

    NaN agrees with NaN and infinity with itself; an output of another shape or type, or none, deviates as a whole.
    """
    absolute = relative = 0.0
    worst: Deviation | None = None
    excess = 0.0
    for name, recorded in expected.items():
        array = got.get(name)
        if array is None or (array.shape, array.dtype) != (recorded.shape, recorded.dtype):
            kind = "is missing" if array is None else f"is {_kind(array)}, recorded {_kind(recorded)}"
            return Comparison(Difference(absolute=_HUGE, relative=_HUGE), Deviation(name, (), float("nan"), float("nan"), 0.0, kind))
        apart = _apart(recorded, array)
        allowed = tolerances[name].absolute + tolerances[name].relative * np.nan_to_num(np.abs(recorded.astype(np.complex128)), posinf=0.0)
        largest = float(apart.max(initial=0.0))
        scale = float(np.abs(recorded[np.isfinite(recorded)]).max(initial=0.0)) or 1.0
        absolute, relative = max(absolute, largest), max(relative, min(largest / scale, _HUGE))
        over = apart - allowed
        if over.size and float(over.max()) > excess:
            place = tuple(int(index) for index in np.unravel_index(int(over.argmax()), over.shape))
            excess = float(over.max())
            worst = Deviation(name, place, _number(recorded[place]), _number(array[place]), float(allowed[place]))
    return Comparison(Difference(absolute=absolute, relative=relative), worst)


_HUGE: Final = float(np.finfo(np.float32).max)
"""The difference to a number that is not there; JSON has no infinity."""


def _kind(array: Array) -> str:
    return f"{array.dtype} {written(array.shape)}"


def _apart(recorded: Array, array: Array) -> npt.NDArray[np.float64]:
    one, other = recorded.astype(np.complex128), array.astype(np.complex128)
    same = (np.isnan(one) & np.isnan(other)) | (one == other)
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(one - other))
    return np.nan_to_num(apart, nan=_HUGE, posinf=_HUGE).clip(max=_HUGE)


def _number(value: Any) -> float:
    return float(np.real(value))


def write_records(path: Path, records: Mapping[str, Record]) -> None:
    """Write the arrays of *records* to a safetensors file."""
    save_file({key: np.ascontiguousarray(array) for key, array in _flat(records).items()}, path)


def _flat(records: Mapping[str, Record]) -> dict[str, Array]:
    return {
        f"{record}/{side}/{name}": array
        for record, (inputs, outputs) in records.items()
        for side, arrays in (("inputs", inputs), ("outputs", outputs))
        for name, array in arrays.items()
    }


def read_records(path: Path, manifest: Manifest) -> dict[str, Record]:
    """The records of a golden file. Raises `BundleRefused` if it does not hold what the manifest says, in its types and shapes."""
    inputs, outputs = manifest.signature.inputs, manifest.signature.outputs
    try:
        with safe_open(path, framework="np") as file:
            _require_arrays(path, file, manifest)
            return {
                record: Record(
                    {each.name: file.get_tensor(f"{record}/inputs/{each.name}") for each in inputs},
                    {each.name: file.get_tensor(f"{record}/outputs/{each.name}") for each in outputs},
                )
                for record in manifest.golden.records
            }
    except (SafetensorError, OSError) as cause:
        raise _unreadable(path, f"cannot be read: {cause}") from cause


def _require_arrays(path: Path, file: Any, manifest: Manifest) -> None:
    """Raise `BundleRefused` unless the file holds exactly the arrays that the manifest means; none of them is read."""
    held = set(file.keys())
    for record in manifest.golden.records:
        counts: set[int] = set()
        for side, named in (("inputs", manifest.signature.inputs), ("outputs", manifest.signature.outputs)):
            for each in named:
                key = f"{record}/{side}/{each.name}"
                if key not in held:
                    raise _unreadable(path, f"lacks {key}")
                held.remove(key)
                part = file.get_slice(key)
                shape, dtype = tuple(part.get_shape()), part.get_dtype()
                if DTYPES.get(dtype) != each.dtype:
                    raise _unreadable(path, f"holds {key} in the type {dtype}, where {each.dtype} is meant")
                if not _fits(shape, each, counts):
                    raise _unreadable(path, f"holds {key} in the shape {written(shape)}, where {written(each.shape)} is meant")
    if held:
        raise _unreadable(path, f"holds {min(held)}, which the manifest does not name")


def _fits(shape: tuple[int, ...], meant: Input | Output, counts: set[int]) -> bool:
    """Whether *shape* is one that is meant, with as many samples as the others of its record, whose numbers are in *counts*."""
    if meant.batch is not None and meant.batch < len(shape):
        counts.add(shape[meant.batch])
    if isinstance(meant, Input):
        return meant.takes(shape) and len(counts) <= 1
    fixed = zip(shape, meant.shape, strict=False)
    return len(shape) == len(meant.shape) and all(size == side for size, side in fixed if isinstance(side, int)) and len(counts) <= 1


def _unreadable(path: Path, fault: str) -> BundleRefused:
    return BundleRefused(
        f"The golden record {path.name} {fault}.",
        "It holds the inputs and outputs that the manifest names, in the types and shapes of the signature.",
        "Pack the model again",
    )
