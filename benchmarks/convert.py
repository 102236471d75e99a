"""The cost of converting a gigabyte to safetensors, beside copying it and beside the way through torch.

One run writes one JSON: all samples, medians, and the floors of the project with whether they were reached. Each way is a process
of its own, and they take turns. It is done twice: in memory (/dev/shm), where the programs are compared, and on the disk, where
`pthway convert` returns only when the disk has the file; there `cp` is followed by `sync` of its file, and once more alone.

    python benchmarks/convert.py                 # to stdout; exit code 1 when a floor was missed
    python benchmarks/convert.py -o convert.json
"""

import shutil
import sys
import tempfile
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from measured import MB, answer, compile_package, context, floors, in_turn, measured, ratio, whole_process

QUESTION = "What does converting a gigabyte to safetensors cost, beside copying it and beside the way through torch?"
THROUGH_TORCH = """
import sys, torch
from safetensors.torch import save_file
save_file(torch.load(sys.argv[1], weights_only=True), sys.argv[2])
"""
MEMORY = Path("/dev/shm")


def ways(source: Path, out: Path) -> dict[str, list[str | Path]]:
    """The commands that are compared; the file they write is removed before each."""
    return {
        "pthway": [sys.executable, "-m", "pthway", "convert", source, out],
        "cp": ["cp", source, out],
        "cp_synced": ["sh", "-c", 'cp "$1" "$2" && sync "$2"', "sh", source, out],
        "torch": [sys.executable, "-c", THROUGH_TORCH, source, out],
    }


def converting(source: Path, out: Path, rounds: int) -> dict[str, Any]:
    """Seconds and peak bytes of each way, as whole processes."""

    def converted(command: list[str | Path]) -> dict[str, float]:
        out.unlink(missing_ok=True)
        return whole_process(command)

    result = in_turn({way: partial(converted, command) for way, command in ways(source, out).items()}, rounds)
    out.unlink(missing_ok=True)
    return result


def promises(memory: dict[str, Any], disk: dict[str, Any]) -> list[dict[str, Any]]:
    """Each promise, what was measured, and whether it was kept."""
    return floors(
        [
            ("in memory, wall time / cp (speed 0.85 of cp)", 1 / 0.85, ratio(memory, "pthway", "cp", "seconds")),
            ("in memory, wall time / torch and safetensors", 0.3, ratio(memory, "pthway", "torch", "seconds")),
            ("on the disk, wall time / cp and sync (speed 0.85)", 1 / 0.85, ratio(disk, "pthway", "cp_synced", "seconds")),
            ("peak memory, MB", 100.0, max(of["medians"]["pthway"]["peak"] for of in (memory, disk)) / MB),
        ]
    )


def run(rounds: int) -> dict[str, Any]:
    """The whole benchmark, on one file of a gigabyte."""
    compile_package()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=MEMORY) as in_memory:
        source, copy = Path(folder) / "big.pth", Path(in_memory) / "big.pth"
        measured("write", source)
        shutil.copyfile(source, copy)
        size = source.stat().st_size
        memory = converting(copy, copy.with_name("out.safetensors"), rounds)
        disk = converting(source, source.with_name("out.safetensors"), rounds)
    return context(QUESTION, {"rounds": rounds, "file_bytes": size, "units": "seconds, bytes"}) | {
        "floors": promises(memory, disk),
        "memory": memory,
        "disk": disk,
    }


def main(options: Namespace) -> dict[str, Any]:
    """The benchmark, as asked for."""
    return run(options.rounds)


if __name__ == "__main__":
    answer(QUESTION, main, rounds=5)
