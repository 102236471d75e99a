"""Measures how the cost of opening a file grows with the number of its tensors, and with their bytes.

One run writes one JSON: the fastest of several openings in one process, for every file. The exponent of growth is the slope of the
logarithms; 1 is linear.

    python benchmarks/opening.py                 # to stdout; exit code 1 when a floor was missed
"""

import tempfile
from argparse import Namespace
from math import log
from pathlib import Path
from typing import Any

from measured import answer, compile_package, context, floors, measured

QUESTION = "How does the cost of opening a file grow with the number of its tensors, and with their bytes?"
COUNTS = (10, 100, 1_000, 10_000, 100_000)
NUMBERS = 2
"""Elements of a tensor."""
MORE = 100
"""How many times as many elements the tensors of the larger file have."""


def opening(folder: Path, count: int, numbers: int) -> dict[str, Any]:
    """Bytes of a file of *count* tensors, and the seconds that opening it took."""
    path = folder / f"{count}x{numbers}.pth"
    measured("write_many", path)
    told = {"tensors": count, "bytes": path.stat().st_size, "samples": measured("openings", path)["seconds"]["openings"]}
    path.unlink()
    return told | {"fastest": min(told["samples"])}


def run(options: Namespace) -> dict[str, Any]:
    """The whole benchmark."""
    compile_package()
    with tempfile.TemporaryDirectory() as folder:
        files = [opening(Path(folder), count, NUMBERS) for count in COUNTS]
        small, large = (opening(Path(folder), COUNTS[2], NUMBERS * times) for times in (1, MORE))
    exponent = log(files[-1]["fastest"] / files[2]["fastest"]) / log(files[-1]["tensors"] / files[2]["tensors"])
    promises = [
        ("exponent of growth from 1,000 to 100,000 tensors", 1.1, exponent),
        (f"time with {MORE} times the bytes / without", 1.2, large["fastest"] / small["fastest"]),
        ("µs a tensor, of 100,000", 100.0, files[-1]["fastest"] / files[-1]["tensors"] * 1e6),
    ]
    return context(QUESTION, {"units": "seconds, bytes"}) | {"floors": floors(promises), "files": files, "bytes": [small, large]}


if __name__ == "__main__":
    answer(QUESTION, run, rounds=1)
