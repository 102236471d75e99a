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

Array = npt.NDArray[Any]

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

    def __str__(self) -> str:
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

    NaN agrees with NaN and infinity with itself; an output of another shape, or none, deviates at its first number.
    """
    absolute = relative = 0.0
    worst: Deviation | None = None
    excess = 0.0
    for name, recorded in expected.items():
        array = got.get(name)
        if array is None or array.shape != recorded.shape:
            return Comparison(Difference(absolute=_HUGE, relative=_HUGE), Deviation(name, (), float("nan"), float("nan"), 0.0))
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
    """The records of a golden file. Raises `BundleRefused` if it is not what the manifest says."""
    inputs, outputs = ([each.name for each in side] for side in (manifest.signature.inputs, manifest.signature.outputs))
    try:
        with safe_open(path, framework="np") as file:
            return {
                record: Record(
                    {name: file.get_tensor(f"{record}/inputs/{name}") for name in inputs},
                    {name: file.get_tensor(f"{record}/outputs/{name}") for name in outputs},
                )
                for record in manifest.golden.records
            }
    except (SafetensorError, OSError) as cause:
        raise BundleRefused(
            f"The golden record {path.name} cannot be read: {cause}.",
            "It holds the inputs and outputs that the manifest names.",
            "Pack the model again",
        ) from cause
