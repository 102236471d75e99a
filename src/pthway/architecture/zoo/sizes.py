"""Sizes of tensors as the index writes them: numbers, and lines in the number of classes or of input channels."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

CLASSES: Final = "n"
CHANNELS: Final = "c"
SCALAR: Final = "-"
_LINE: Final = re.compile(r"(\d*)([nc])([+-]\d+)?")


def written(shape: Sequence[object]) -> str:
    """Return *shape* as the index writes it, such as ``64x3x7x7``."""
    return "x".join(map(str, shape)) or SCALAR


def is_open(text: str) -> bool:
    """Whether a shape of the index depends on the number of classes or channels."""
    return CLASSES in text or CHANNELS in text


def solved(text: str, shape: Sequence[int]) -> dict[str, int] | None:
    """Return the numbers of classes and channels with which *text* (``nx512``) is *shape*; None if there are none.

    A size ``3n+2`` stands for three times the number of classes and two. Both numbers are at least 1.
    """
    parts = [] if text == SCALAR else text.split("x")
    if len(parts) != len(shape):
        return {} if not parts and tuple(shape) == (1,) else None  # torch reads a file's [1] into a scalar
    found: dict[str, int] = {}
    for part, size in zip(parts, shape, strict=True):
        if part.isdigit():
            if int(part) != size:
                return None
            continue
        letter, value, rest = _value(part, size)
        if rest or value < 1 or found.setdefault(letter, value) != value:
            return None
    return found


def place(text: str, letter: str) -> int:
    """Return the first dimension of a shape of the index that depends on *letter*."""
    return next(number for number, part in enumerate(text.split("x")) if letter in part)


def at(text: str, values: Mapping[str, int]) -> tuple[int, ...]:
    """Return the shape that *text* stands for with *values*; the inverse of `solved`."""
    return () if text == SCALAR else tuple(_size(part, values) for part in text.split("x"))


def _value(part: str, size: int) -> tuple[str, int, int]:
    slope, letter, offset = _parsed(part)
    value, rest = divmod(size - offset, slope)
    return letter, value, rest


def _size(part: str, values: Mapping[str, int]) -> int:
    if part.isdigit():
        return int(part)
    slope, letter, offset = _parsed(part)
    return slope * values[letter] + offset


def _parsed(part: str) -> tuple[int, str, int]:
    line = _LINE.fullmatch(part)
    if line is None:
        raise ValueError(f"{part!r} is no size of the index")
    return int(line[1] or 1), line[2], int(line[3] or 0)
