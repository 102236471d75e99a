"""Comma-separated values (or semicolons, or tabs) to one array: a row a sample."""

import csv
import io
import math
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from pthway.data.limits import CSV_BYTES, CSV_CELL_CHARACTERS
from pthway.errors import InputRefused, LimitExceeded

Array = npt.NDArray[Any]
T = TypeVar("T", int, float)

DELIMITERS: Final = {"\t": "tabs", ";": "semicolons", ",": "commas"}
"""In this order: a comma inside a table of tabs or semicolons is a decimal comma, never the other way round."""
COUNTING: Final = 3
"""So many columns named 0, 1, 2, … are taken for a header that numbers its columns."""


def read_table(text: str, name: str) -> tuple[Array, str]:
    """Return the table, shape (rows, columns), int64 if every cell is a whole number and float64 otherwise; and what it was in words.

    A first row without any number is a header and left out. Raises `InputRefused` with line and column for cells that are no finite
    number, rows of another length, and columns that number the rows or the columns; `LimitExceeded` beyond the size limit.
    """
    if len(text) > CSV_BYTES:
        raise LimitExceeded(f"{name} has {len(text):,} characters.", f"Tables are read up to {CSV_BYTES:,}.", "numpy.save(path, array)")
    delimiter = delimiter_in(text)
    rows = _rows(text, name, delimiter)
    first_line, first = next(rows, (0, []))
    if not first:
        raise InputRefused(f"{name} has no rows.", "A table of inputs has one row a sample.", "Check what was to be written there.")
    has_header = all(number_in(cell) is None for cell in first)
    _check_header(first, name, named=has_header)
    numbers: list[list[float]] = [] if has_header else [_row(first, name, first_line, len(first))]
    numbers.extend(_row(cells, name, line, len(first)) for line, cells in rows)
    if not numbers:
        raise InputRefused(f"{name} has a header and no rows.", "A table of inputs has one row a sample.", "Add the rows.")
    array = np.array(numbers)
    header = ", header left out" if has_header else ""
    return array, f"table by {DELIMITERS[delimiter]}, {len(array)} × {array.shape[1]}{header}"


def delimiter_in(text: str) -> str:
    """What separates the cells of a table, by its first line."""
    line = next((line for line in io.StringIO(text) if line.strip()), "")
    unquoted = "".join(line.split('"')[::2])
    return next((delimiter for delimiter in DELIMITERS if delimiter in unquoted), ",")


def _rows(text: str, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield reader.line_num, cells
    except csv.Error as cause:
        raise InputRefused(f"{name}, line {reader.line_num}: {cause}.", "Quotes enclose a whole cell.", "Correct that line.") from cause


def _row(cells: list[str], name: str, line: int, width: int) -> list[float]:
    if len(cells) != width:
        raise InputRefused(
            f"{name}, line {line} has {len(cells)} columns, the first row {width}.",
            "All rows of a table are equally long.",
            "Correct that line.",
        )
    numbers = [number_in(cell) for cell in cells]
    sound = [number for number in numbers if number is not None and math.isfinite(number)]
    if len(sound) < width:
        column = next(at for at, number in enumerate(numbers) if number is None or not math.isfinite(number))
        raise _no_number(cells[column], f"{name}, line {line}, column {column + 1}")
    return sound


def number_in(cell: str) -> float | int | None:
    """Whole numbers stay whole as far as int64 holds them; Python's underscores and other scripts' digits are no numbers here."""
    text = cell.strip()
    if len(text) > CSV_CELL_CHARACTERS or "_" in text or not text.isascii():
        return None
    if text.lstrip("+-").isdigit():  # a failing int() would triple the time of a table of decimals
        number = _converted(int, text)
        return number if number is None or -(1 << 63) <= number < 1 << 63 else float(text)
    return _converted(float, text)


def _converted(kind: Callable[[str], T], text: str) -> T | None:
    try:
        return kind(text)
    except ValueError:
        return None


def _no_number(cell: str, where: str) -> InputRefused:
    text = cell.strip()
    if number_in(text.replace(",", ".")) is not None and "," in text:
        why, fix = "Decimals are written with a point.", f"Write {text.replace(',', '.')}"
    elif number_in(text) is not None:
        why, fix = "Tables hold finite numbers: a gap is better decided than computed with.", "Leave the row out, or put a number there."
    else:
        why, fix = "Every cell of a table of inputs is a number; only a first row without any number is a header.", "Correct that cell."
    shown = text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004  # characters shown
    return InputRefused(f"{where}: {shown!r} is no finite number.", why, fix)


def _check_header(first: list[str], name: str, *, named: bool) -> None:
    """Refuse what pandas writes unless told otherwise: a column that numbers the rows, a header that numbers the columns."""
    cells = [cell.strip() for cell in first]
    counted = [str(index) for index in range(len(cells))]
    if not named and len(cells) >= COUNTING and cells == counted:
        raise InputRefused(
            f"{name} begins with the row 0, 1, … {len(cells) - 1}.",
            "This may be a header that numbers the columns, or a sample.",
            "Give the columns names if it is a sample (a, b, …, in a line above it); delete the line if it is a header.",
        )
    if len(cells) > 1 and not cells[0] and (named or cells[1:] == counted[:-1]):
        raise InputRefused(
            f"{name}: the first column has no name.",
            "Such a column numbers the rows and is no input.",
            "Write the table without it; in pandas: frame.to_csv(path, index=False)",
        )
