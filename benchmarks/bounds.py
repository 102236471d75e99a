"""Measures what the worst file that every limit admits costs to open and describe, in time and memory.

One run writes one JSON. Each file is made by one process and opened by another, whose peak memory is counted above that of opening a
small file; what is honestly needed is the size of the file itself, which is read whole where it is a pickle or a header.

    python benchmarks/bounds.py                   # to stdout; exit code 1 when a bound was broken
    python benchmarks/bounds.py --only "shared list"     # some of the files
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bombs import BOMBS
from measured import HERE, MB, answer, compile_package, context, floors, measured

QUESTION = "What does the worst file that every limit admits cost to open and describe, in time and memory?"
SECONDS = 5.0
BYTES = 300 * MB
TIMEOUT = 120.0


def run(names: list[str]) -> dict[str, Any]:
    """The whole benchmark."""
    compile_package()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bomb.pth"
        subprocess.run([sys.executable, HERE / "bombs.py", "shared list", path], check=True)
        base = min(measured("opened", path)["bytes"]["peak"] for _ in range(3))
        for name in names:
            subprocess.run([sys.executable, HERE / "bombs.py", name, path], check=True)
            try:
                told = measured("opened", path, timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                told = {"seconds": {"open": TIMEOUT, "outcome": "did not end"}, "bytes": {"peak": base}}
            size, peak = path.stat().st_size, told["bytes"]["peak"] - base
            rows.append({"file": name, "file_bytes": size, "above_file": peak - size, "peak": peak, **told["seconds"]})
            print(
                f"{name:28} {size / MB:8.1f} MB  {peak / MB:8.1f} MB  {told['seconds']['open']:6.2f} s  {told['seconds']['outcome']}",
                file=sys.stderr,
            )
    slowest, largest = max(rows, key=lambda row: row["open"]), max(rows, key=lambda row: row["above_file"])
    kept = floors(
        [
            (f"seconds of the slowest ({slowest['file']})", SECONDS, slowest["open"]),
            (f"MB above its own size of the largest ({largest['file']})", BYTES / MB, largest["above_file"] / MB),
        ]
    )
    return context(QUESTION, {"units": "seconds, bytes"}) | {"floors": kept, "files": rows}


if __name__ == "__main__":
    answer(QUESTION, lambda options: run(options.only or list(BOMBS)), rounds=1)
