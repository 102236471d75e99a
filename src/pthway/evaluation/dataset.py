"""Data with known answers: a folder of files for each class, a table with a target column, or arrays with their labels."""

import csv
import os
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pthway.data.arrays import read_npz
from pthway.data.source import read_source
from pthway.data.tables import delimiter_in, number_in
from pthway.errors import InputRefused, MissingFile, UsageError

Array = npt.NDArray[Any]
Truth = str | float | int
LABELS: Final = ("labels", "label", "targets", "target", "y")
"""What the array of the answers is usually called."""
HEADER_BYTES: Final = 1 << 16


class Item(NamedTuple):
    """One sample."""

    name: str
    given: Path | dict[str, Array]
    """The file that holds it, or its arrays by the input's name; "" where there is no name."""
    truth: Truth
    """A class by its name, or a number: a class by its index, or a value."""
    fault: str = ""
    """Why it cannot be used."""


def items_of(path: Path, target: str | None, inputs: int) -> Iterator[Item]:
    """The samples at *path*, read one after another; only arrays are in memory at once.

    *target* names the column or array of the answers, *inputs* is how many the network takes. Raises `MissingFile` and `UsageError` for
    what is no such data; a faulty sample is an `Item` with a fault.
    """
    if path.is_dir():
        if target is not None:
            raise UsageError(f"--target {target} is given with the folder {path}.", "There the folders name the classes.", "Leave it out")
        return _files(path)
    if not path.exists():
        raise MissingFile(f"{path} does not exist.", "Data is a folder with a folder for each class, a .csv or a .npz.", "Check the path.")
    with path.open("rb") as stream:
        start = stream.read(4)
    return _rows_of_arrays(path, target, inputs) if start[:2] == b"PK" else _rows_of_table(path, target)


def classes_in(path: Path) -> list[str]:
    """The names of the folders in *path*."""
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files(path: Path) -> Iterator[Item]:
    classes = classes_in(path)
    if not classes:
        raise UsageError(f"{path} holds no folders.", "Data is a folder with a folder of files for each class.", "Move the files into such")
    for loose in sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith(".")):
        yield Item(loose.name, loose, "", "lies in no class's folder")
    for name in classes:
        for folder, folders, files in os.walk(path / name):
            folders.sort()
            for file in sorted(file for file in files if not file.startswith(".")):
                place = Path(folder) / file
                yield Item(place.relative_to(path).as_posix(), place, name)


def _rows_of_table(path: Path, target: str | None) -> Iterator[Item]:
    """Columns of numbers are a sample; one column of text names the file that is one, from the folder of the table."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        start = stream.read(HEADER_BYTES)
        stream.seek(0)
        rows = csv.reader(stream, delimiter=delimiter_in(start), strict=True)
        try:
            header = [cell.strip() for cell in next(rows, [])]
            place = _target_place(path, header, target)
            for cells in rows:
                if len(cells) > 1 or (cells and cells[0].strip()):
                    yield _row(path, rows.line_num, cells, header, place)
        except csv.Error as cause:
            raise InputRefused(f"{path}, line {rows.line_num}: {cause}.", "Quotes enclose a whole cell.", "Correct that line.") from cause


def _target_place(path: Path, header: list[str], target: str | None) -> int:
    if not header or all(number_in(cell) is not None for cell in header):
        raise UsageError(f"{path} has no header.", "Its first line names the columns, of which one is the target.", "Write one above it")
    if target is None or header.count(target) != 1:
        found = "none is named" if target is None else f"{target!r} is {'twice' if target in header else 'not'} among them"
        raise UsageError(
            f"{path} has the columns {', '.join(header[:12])}{', …' if len(header) > 12 else ''}; {found}.",  # noqa: PLR2004  # shown
            "One column holds the answers; the others are the inputs.",
            f"target={header[-1]!r} (--target {header[-1]})",
        )
    return header.index(target)


def _row(path: Path, line: int, cells: list[str], header: list[str], place: int) -> Item:
    name = f"{path.name}:{line}"
    if len(cells) != len(header):
        return Item(name, {}, "", f"has {len(cells)} columns, the header {len(header)}")
    truth = cells[place].strip()
    rest = [cell for index, cell in enumerate(cells) if index != place]
    numbers = [number_in(cell) for cell in rest]
    sound = [number for number in numbers if number is not None and isfinite(number)]
    if len(sound) == len(numbers):
        return Item(name, {"": np.array(sound)}, truth)
    if len(rest) == 1:
        return Item(rest[0].strip(), path.parent / rest[0].strip(), truth)
    headings = (each for at, each in enumerate(header) if at != place)
    column = next(each for each, number in zip(headings, numbers, strict=True) if number is None or not isfinite(number))
    return Item(name, {}, truth, f"holds no number in the column {column}")


def _rows_of_arrays(path: Path, target: str | None, inputs: int) -> Iterator[Item]:
    arrays = read_npz(read_source(path))
    names = [target] if target is not None else [name for name in LABELS if name in arrays]
    if len(names) != 1 or names[0] not in arrays:
        raise UsageError(
            f"{path} has the arrays {', '.join(arrays)}; which holds the answers {'is not among them' if target else 'is not plain'}.",
            f"It is called {', '.join(LABELS)}, or named.",
            "target='labels' (--target labels)",
        )
    truths = arrays[names[0]]
    others = {name: array for name, array in arrays.items() if name != names[0]}
    counts = {name: array.shape[:1] for name, array in others.items()}
    if truths.ndim == 2 and truths.shape[1] == 1:  # noqa: PLR2004  # a column
        truths = truths[:, 0]
    if truths.ndim != 1 or truths.dtype.kind not in "biuf" or not others or any(count != truths.shape for count in counts.values()):
        raise UsageError(
            f"{path} holds {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}.",
            "It has one answer a sample, and inputs with as many rows.",
            "numpy.savez(path, inputs=x, labels=y)",
        )
    if len(others) != inputs:
        raise UsageError(
            f"{path} has the inputs {', '.join(others)}; the network takes {inputs}.",
            "All arrays but the answers are inputs.",
            "Leave the others out of the file",
        )
    only = next(iter(others)) if inputs == 1 else None
    for row in range(len(truths)):
        given = {"" if name == only else name: array[row] for name, array in others.items()}
        yield Item(f"{path.name}[{row}]", given, truths[row].item())
