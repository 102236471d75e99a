"""What it costs to come to the first answer: a bundle with ONNX Runtime beside the usual torch script, from process start to end.

Whole processes take turns; time is from their start to their end, memory their peak. What two processes that serve the same network hold
together is the sum of their proportional set sizes. Where the time of the bundle goes is measured from within.

    python benchmarks/cold_start.py -o benchmarks/results/cold_start.json        # about 4 minutes
"""

import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from answering import SESSION_SCRIPT, TORCH_SCRIPT
from measured import CHILD_ENVIRONMENT, HERE, answer, compile_package, context, floors, in_turn, ratio, whole_process

QUESTION = "What does it cost to come to the first answer: a bundle with ONNX Runtime beside the usual torch script?"
NETWORKS = ("mlp", "small_cnn", "resnet18")
TIME, MEMORY = 0.15, 0.35
"""In parts of the torch script's."""


def _child(*arguments: str | Path) -> str:
    command = [sys.executable, "-W", "ignore", HERE / "answering.py", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=CHILD_ENVIRONMENT).stdout


def starting(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Whole processes: the torch script, and the session verified on the whole golden record or on one sample."""
    commands: dict[str, list[str | Path]] = {
        "torch": [sys.executable, "-c", TORCH_SCRIPT, name, folder, HERE],
        "full": [sys.executable, "-c", SESSION_SCRIPT, folder, "full"],
        "quick": [sys.executable, "-c", SESSION_SCRIPT, folder, "quick"],
    }
    return in_turn({way: partial(whole_process, command) for way, command in commands.items()}, rounds)


def parts(folder: Path, rounds: int) -> dict[str, float]:
    """Median seconds of each part of the way to the first answer."""
    samples: list[dict[str, float]] = [json.loads(_child("parts", folder)) for _ in range(rounds)]
    return {part: median(of[part] for of in samples) for part in samples[0]}


def two_processes(name: str, folder: Path) -> dict[str, int]:
    """Bytes that two processes hold together once both have answered: what they share is counted once."""
    return {way: _held(way, name, folder) for way in ("eager", "onnxruntime")}


def _held(way: str, name: str, folder: Path) -> int:
    command = [sys.executable, "-W", "ignore", HERE / "answering.py", "hold", way, name, folder]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=CHILD_ENVIRONMENT) for _ in range(2)]
    try:
        for child in children:
            assert child.stdout is not None  # noqa: S101  # a pipe was asked for
            json.loads(child.stdout.readline())
        return sum(_proportional(child.pid) for child in children)
    finally:
        for child in children:
            child.communicate()


def _proportional(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def promises(name: str, start: dict[str, Any]) -> list[tuple[str, float, float]]:
    """The session as it opens by default on small networks; on a large one, where each sample costs, verified on one."""
    way = "quick" if name == "resnet18" else "full"
    return [
        (f"{name}: time of the process / torch script, verified {way}", TIME, ratio(start, way, "torch", "seconds")),
        (f"{name}: peak memory / torch script, verified {way}", MEMORY, ratio(start, way, "torch", "peak")),
    ]


def main(options: Namespace) -> dict[str, Any]:
    """Every network in a folder of its own."""
    compile_package()
    networks: dict[str, Any] = {}
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as root:
        for name in options.only or NETWORKS:
            folder = Path(root) / name
            folder.mkdir()
            _child("pack", name, folder)
            start = starting(name, folder, options.rounds)
            rows += promises(name, start)
            networks[name] = {"start": start, "parts": parts(folder, options.rounds), "two_processes": two_processes(name, folder)}
    return context(QUESTION, {"rounds": options.rounds, "units": "seconds, bytes"}) | {"floors": floors(rows), "networks": networks}


if __name__ == "__main__":
    answer(QUESTION, main, rounds=7)
