"""Measures what a look into a file of four gigabytes costs, beside the other programs that look into it.

One run writes one JSON. Each way is a whole process, from its start to its end, and they take turns.

    python benchmarks/inspect_file.py                 # to stdout; exit code 1 when a floor was missed
"""

import sys
import tempfile
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from measured import MB, answer, compile_package, context, floors, in_turn, measured, ratio, whole_process

QUESTION = "What does a look into a file of four gigabytes cost, beside the other programs that look into it?"
THROUGH_TORCH = "import sys, torch; torch.load(sys.argv[1], weights_only=True, mmap=True)"


def run(options: Namespace) -> dict[str, Any]:
    """The whole benchmark, on a file of four gigabytes that is deleted afterwards."""
    compile_package()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.pth"
        measured("write_large", path)
        commands: dict[str, list[str | Path]] = {
            "pthway": [sys.executable, "-m", "pthway", "inspect", path],
            "torch": [sys.executable, "-c", THROUGH_TORCH, path],
            "picklescan": [Path(sys.executable).parent / "picklescan", "--path", path],
            "python": [sys.executable, "-c", ""],
        }
        result = in_turn({way: partial(whole_process, command) for way, command in commands.items()}, options.rounds)
        size = path.stat().st_size
    promises = [
        ("wall time / torch with mmap", 0.06, ratio(result, "pthway", "torch", "seconds")),
        ("wall time / picklescan", 1.0, ratio(result, "pthway", "picklescan", "seconds")),
        ("peak memory, MB", 40.0, result["medians"]["pthway"]["peak"] / MB),
    ]
    return context(QUESTION, {"rounds": options.rounds, "file_bytes": size, "units": "seconds, bytes"}) | {
        "floors": floors(promises),
        "processes": result,
    }


if __name__ == "__main__":
    answer(QUESTION, run, rounds=9)
