"""A file of inputs, whatever it is, to named arrays."""

import codecs
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from pthway.data.arrays import read_npy, read_npz
from pthway.data.images import Shape, prepare_image, read_image
from pthway.data.json_text import read_json
from pthway.data.preparation import PLAIN_PREPARATION, ImagePreparation
from pthway.data.source import Source, read_source
from pthway.data.tables import read_table
from pthway.errors import InputRefused

__all__ = ["PLAIN_PREPARATION", "ImagePreparation", "Inputs", "prepare_image", "read_input"]

Array = npt.NDArray[Any]

IMAGES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
BMP_HEADERS: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
ZIPS: Final = (b"PK\x03\x04", b"PK\x05\x06")
UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
READ: Final = "Inputs are .npy, .npz, .csv, .json, JSON lines, or PNG, JPEG, BMP, WebP and GIF images."


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a file gives a network."""

    arrays: dict[str, Array]
    """Arrays by the name of the input; "" where the file names none. Tables have a row a sample, images are (channels, height, width)."""
    steps: tuple[str, ...]
    """What was done to get there, in words and in order."""


def read_input(
    path: str | os.PathLike[str] | Literal["-"],
    *,
    shape: Shape | None,
    preparation: ImagePreparation = PLAIN_PREPARATION,
) -> Inputs:
    """Return the arrays of a file, or of standard input for ``-``; what the file is, its content says.

    *shape* is the input's shape in the network's signature, such as ("batch", 3, "height", "width"): images are brought to its channels,
    and the columns of a table are folded to it where they fill it exactly. A .npz file of one array names no input.
    Raises `MissingFile`, `LimitExceeded`, or `InputRefused` with the place in the file.
    """
    return inputs_of(read_source(path), shape=shape, preparation=preparation)


def inputs_of(source: Source, *, shape: Shape | None, preparation: ImagePreparation = PLAIN_PREPARATION) -> Inputs:
    """Return the arrays that the bytes of a file hold, as `read_input` does."""
    if _is_image(source.data):
        image, done = read_image(source, shape=shape, preparation=preparation)
        return Inputs({"": image}, done)
    if source.data.startswith(b"\x93NUMPY"):
        return Inputs({"": read_npy(source)}, (".npy",))
    if source.data.startswith(ZIPS):
        return _from_npz(read_npz(source))
    text = _decode(source)
    if text.lstrip()[:1] in ("[", "{"):
        arrays, form = read_json(text, source.name)
        return Inputs(arrays, (form,))
    table, form = read_table(text, source.name)
    folded = fold_columns(table, shape)
    return Inputs(
        {"": folded}, (form,) if folded is table else (form, f"{table.shape[1]} columns as {'×'.join(map(str, folded.shape[1:]))}")
    )


def _is_image(data: bytearray) -> bool:
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    bmp = data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in BMP_HEADERS
    return data.startswith(IMAGES) or webp or bmp


def _from_npz(arrays: Mapping[str, Array]) -> Inputs:
    if len(arrays) == 1:
        name, array = next(iter(arrays.items()))
        return Inputs({"": array}, (f".npz, its array {name}",))
    return Inputs(dict(arrays), (f".npz, inputs {', '.join(arrays)}",))


def _decode(source: Source) -> str:
    try:
        text = source.data.decode("utf-16" if source.data.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as cause:
        raise _unknown(source) from cause
    if "\0" in text:
        raise _unknown(source)
    return text


def _unknown(source: Source) -> InputRefused:
    ending = f" although its name ends in {source.suffix}" if source.suffix else ""
    weights = source.suffix in (".pth", ".pt", ".ckpt", ".bin")
    return InputRefused(
        f"{source.name} begins with {bytes(source.data[:8])!r} and is no file of inputs{ending}.",
        READ,
        f"pthway inspect {source.name}" if weights else f"Export it as one of these from the program that wrote {Path(source.name).name}.",
    )


def fold_columns(table: Array, shape: Shape | None) -> Array:
    """*table* (rows, columns) with the columns folded to the sides of *shape* where they fill it exactly; else as it is."""
    sides = () if shape is None else shape[1:]
    fixed = tuple(side for side in sides if isinstance(side, int))
    if len(fixed) < 2 or len(fixed) != len(sides) or prod(fixed) != table.shape[1]:  # noqa: PLR2004  # one side needs no folding
        return table
    return np.reshape(table, (len(table), *fixed))
