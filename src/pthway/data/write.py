"""Answers to files, whole or not at all."""

import contextlib
import csv
import io
import itertools
import json
import math
import os
import secrets
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pthway.data.present import Answer
from pthway.errors import UsageError

Array = npt.NDArray[Any]


def write_answers(path: str | os.PathLike[str], names: Sequence[str], answer: Answer) -> None:
    """Write the answer to a .npy, .npz, .csv or .jsonl file, replacing what stands there only once all is written.

    *names* holds one input name a row; .csv and .jsonl repeat them. Raises `UsageError` for another ending, for a folder that cannot be
    written to, for names that are not one a row, and for several outputs in a .npy file; nothing is left behind then.
    """
    target = Path(path)
    write = WRITERS.get(target.suffix.lower())
    if write is None:
        raise UsageError(
            f"{target} ends in {target.suffix!r}.",
            f"The ending says what is written: {', '.join(WRITERS)}.",
            f"Name it {target.with_suffix('.csv').name if target.name else 'answers.csv'}",
        )
    if len(names) != len(answer):
        raise UsageError(f"{len(names)} names are given for {len(answer)} rows.", "Each row has the name of its input.", "Give one a row.")
    replace_file(target, write(names, answer))


def _npy(_names: Sequence[str], answer: Answer) -> bytes:
    stream = io.BytesIO()
    np.save(stream, answer.array, allow_pickle=False)
    return stream.getvalue()


def _npz(_names: Sequence[str], answer: Answer) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:  # numpy.savez takes no array of the name "file"
        for name, array in answer.arrays.items():
            with archive.open(f"{name or 'output'}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return stream.getvalue()


def as_csv(names: Sequence[str], answer: Answer) -> bytes:
    """A table with a row a sample: its name, its class where there is one, and every number."""
    columns: list[tuple[str, Sequence[object]]] = [("input", names)]
    if answer.scored:
        columns += _told(answer)
    for name, array in answer.arrays.items():
        cells = array.reshape(len(array), math.prod(array.shape[1:])).astype(
            str
        )  # numpy writes the shortest text that reads back to the same number
        columns += zip(_headings(name or "output", array), cells.T.tolist(), strict=True)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(heading for heading, _ in columns)
    writer.writerows(zip(*(cells for _, cells in columns), strict=True))
    return stream.getvalue().encode()


def _told(answer: Answer) -> list[tuple[str, Sequence[object]]]:
    """The best class and its probability; as many such pairs as there are classes told, empty where a row has fewer."""
    if not answer.several:
        return [("label", answer.labels), ("score", answer.scores)]
    told = answer.told
    return [
        (f"{heading}{f'_{place + 1}' if place else ''}", [row[place][part] if place < len(row) else "" for row in told])
        for place in range(max(map(len, told), default=1) or 1)
        for part, heading in enumerate(("label", "score"))
    ]


def _headings(name: str, array: Array) -> list[str]:
    """Return one heading a number, such as "output" alone, or "output[3]" and "output[0,7]"."""
    if math.prod(array.shape[1:]) == 1:
        return [name]
    places = itertools.product(*(range(side) for side in array.shape[1:]))
    return [f"{name}[{','.join(map(str, place))}]" for place in places]


def _jsonl(names: Sequence[str], answer: Answer) -> bytes:
    classes = zip(answer.labels, answer.scores, strict=True) if answer.scored else itertools.repeat(None)
    told = answer.told if answer.several else None
    rows = zip(*(array.tolist() for array in answer.arrays.values()), strict=True)
    lines = []
    for index, (name, chosen, row) in enumerate(zip(names, classes, rows, strict=False)):
        line: dict[str, object] = {"input": name}
        if chosen is not None:
            line |= {"label": chosen[0], "score": chosen[1]}
        if told is not None:
            line["classes"] = [{"label": label, "score": score} for label, score in told[index]]
        line |= {"output": row[0]} if len(row) == 1 else {"outputs": dict(zip(answer.arrays, row, strict=True))}
        lines.append(_dump(line, name))
    return "".join(f"{line}\n" for line in lines).encode()


def _dump(line: dict[str, object], name: str) -> str:
    try:
        return json.dumps(line, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError) as cause:
        raise UsageError(
            f"The answer to {name} holds NaN, infinity or a type of number that JSON has no word for.",
            "JSON lines hold finite numbers.",
            "Write a .npy or .csv file.",
        ) from cause


WRITERS: Final[dict[str, Callable[[Sequence[str], Answer], bytes]]] = {".npy": _npy, ".npz": _npz, ".csv": as_csv, ".jsonl": _jsonl}


def replace_file(target: Path, data: bytes) -> None:
    """Replace what stands at *target*. Write beside the target, force it to the disk, rename: a reader sees the old file or the new one."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    except OSError as cause:
        raise UsageError(
            f"{target} cannot be written: {cause.strerror}.", "It is written beside its place, then renamed.", "Name another path."
        ) from cause
    finally:
        with contextlib.suppress(OSError):  # gone after the rename; never there if its folder is none
            draft.unlink()
