"""Nested Python lists to arrays: every entry a finite number, every list of one level equally long."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pthway.data.limits import JSON_DEPTH
from pthway.errors import InputRefused, LimitExceeded

Array = npt.NDArray[Any]

INTEGERS = range(-(1 << 63), 1 << 63)


def to_array(nested: Sequence[Any], where: str) -> Array:
    """Return the nested lists as an array: bool, int64 or float64, whichever holds all entries without loss.

    *where* names the list in messages. Raises `InputRefused` for the first entry that is no finite number, or list of another length.
    """
    array = nested_array(nested, where)
    finite = np.isfinite(array) if array.dtype.kind == "f" else np.ones(1, bool)
    if not finite.all():
        place = "".join(f"[{index}]" for index in np.argwhere(~finite)[0].tolist())
        raise InputRefused(f"{where}{place} is too large for a float64.", "Numbers end at 1.8e308.", "Correct the number.")
    return array


def nested_array(nested: Sequence[Any], where: str) -> Array:
    """Return the nested lists as `to_array` does, NaN and infinity included."""
    _check(nested, where, _shape(nested, where))
    return np.asarray(nested)


def _shape(nested: Any, where: str) -> tuple[int, ...]:
    sides: list[int] = []
    while isinstance(nested, list):
        if len(sides) == JSON_DEPTH:
            raise LimitExceeded(f"{where} is nested deeper than {JSON_DEPTH} lists.", "A list is a dimension.", "Check the file.")
        if not nested:
            raise InputRefused(f"{where}{'[0]' * len(sides)} is an empty list.", "An input has at least one number.", "Fill it in.")
        sides.append(len(nested))
        nested = nested[0]
    return tuple(sides)


def _check(nested: Any, where: str, shape: tuple[int, ...]) -> None:
    """Walk in the order of the file, so that the first fault is the one that is named."""
    if not shape:
        _check_number(nested, where)
        return
    if not isinstance(nested, list) or len(nested) != shape[0]:
        found = f"has {len(nested)} entries" if isinstance(nested, list) else f"is {_brief(nested)}"
        raise InputRefused(
            f"{where} {found} where a list of {shape[0]} is due.",
            "The lists of one level are equally long, as the rows of a table are.",
            "Correct the list.",
        )
    if len(shape) == 1 and all(type(entry) is float or (type(entry) is int and entry in INTEGERS) for entry in nested):
        return
    for index, entry in enumerate(nested):
        _check(entry, f"{where}[{index}]", shape[1:])


def _check_number(entry: Any, where: str) -> None:
    if not isinstance(entry, int | float):
        raise InputRefused(f"{where} is {_brief(entry)}, no number.", "Networks take numbers.", "Correct the entry, or leave it out.")
    if isinstance(entry, int) and entry not in INTEGERS:
        raise InputRefused(
            f"{where} has {entry.bit_length()} bits.", "Whole numbers end at 64 bits.", f"Write it as a decimal: {where} = 1e20"
        )


def _brief(entry: Any) -> str:
    match entry:
        case list():
            return f"a list of {len(entry)}"
        case dict():
            return f"an object with {len(entry)} names"
        case None:
            return "null"
        case _:
            text = repr(entry)
            return text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004  # characters shown
