"""How fast the session that a bundle chooses answers, beside plain eager torch.

Each way is a process of its own that lives through the benchmark, and only one of them computes at a time: they take turns within a
round, for each number of samples. Read the ratios of the rounds. Then the same with a process beside them that never rests.

    python benchmarks/runtime.py -o benchmarks/results/runtime.json                     # all networks, about 25 minutes
    python benchmarks/runtime.py --only mlp small_cnn --rounds 3
"""

import json
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from measured import CHILD_ENVIRONMENT, HERE, answer, compile_package, context, floors

QUESTION = "How fast does the session that a bundle chooses answer, beside plain eager torch?"
NETWORKS = ("mlp", "small_cnn", "resnet18", "lstm", "encoder", "unet")
BATCHES = (1, 8, 32)
SECONDS = 0.3
"""Of calls for each way, number of samples and round."""
NEVER_SLOWER = 0.97
FASTER = {"resnet18": 1.5, "small_cnn": 3.5, "mlp": 2.0}
"""How many times as fast the session has to be."""
MICROSECOND = 1e-6

Rows = dict[str, list[dict[str, float]]]
"""Way and number of samples → what was measured in each round."""


class Child:
    """A process that measures when it is asked to."""

    def __init__(self, way: str, name: str, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", HERE / "answering.py", "serve", way, name, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.told: str = self._read()["ready"]

    def measured(self, batch: int) -> dict[str, float]:
        """Median and p99 seconds of a call."""
        assert self._process.stdin is not None  # noqa: S101  # a pipe was asked for
        self._process.stdin.write(f"{batch} {SECONDS}\n")
        self._process.stdin.flush()
        found: dict[str, float] = self._read()
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def restless() -> Iterator[None]:
    """A process beside that computes all the time."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _run(environment: dict[str, str], *arguments: str | Path) -> str:
    command = [sys.executable, "-W", "ignore", HERE / "answering.py", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment).stdout


def compared(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Eager torch, the session as packed, and the session once tuned: alone, and beside a process that never rests.

    And what threads cost that spin between calls.
    """
    nothing, tuned = (CHILD_ENVIRONMENT | {"XDG_CACHE_HOME": str(folder / cache)} for cache in ("untuned", "tuned"))
    _run(nothing, "pack", name, folder)
    _run(tuned, "tune", folder)
    with ExitStack() as stack:
        children = {
            "eager": Child("eager", name, folder, nothing),
            "session": Child("session", name, folder, nothing),
            "tuned": Child("session", name, folder, tuned),
        }
        for child in children.values():
            stack.callback(child.close)
        alone = _rounds(children, rounds, BATCHES)
        with restless():
            beside = _rounds(children, rounds, (1,))
    idle: dict[str, float] = json.loads(_run(nothing, "idle", folder))
    return {"ways": {way: child.told for way, child in children.items()}, "alone": alone, "beside_another": beside, "idle": idle}


def _rounds(children: dict[str, Child], rounds: int, batches: tuple[int, ...]) -> Rows:
    found: Rows = {}
    for turn in range(rounds + 1):
        for batch in batches:
            for way, child in children.items():
                measured = child.measured(batch)
                if turn:
                    found.setdefault(f"{way}/{batch}", []).append(measured)
    return found


def speedup(rows: Rows, way: str, batch: int) -> float:
    """How many times as fast as eager torch, by the median of the rounds' ratios."""
    return median(theirs["median"] / ours["median"] for ours, theirs in zip(rows[f"{way}/{batch}"], rows[f"eager/{batch}"], strict=True))


def throughput(rows: Rows, way: str) -> float:
    """How many times as many samples a second as eager torch, each at its best number of samples."""
    turns = range(len(rows["eager/1"]))
    best = {each: [min(rows[f"{each}/{batch}"][turn]["median"] / batch for batch in BATCHES) for turn in turns] for each in ("eager", way)}
    return median(theirs / ours for ours, theirs in zip(best[way], best["eager"], strict=True))


def summary(name: str, of: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Promises, as eager's speed in parts of ours: at most 1 / the factor."""
    factor = FASTER.get(name, NEVER_SLOWER)
    rows: list[tuple[str, float, float]] = []
    for way in ("session", "tuned"):
        rows += [
            (f"{name}: {way}, time / eager, 1 sample", 1 / factor, 1 / speedup(of["alone"], way, 1)),
            (f"{name}: {way}, time / eager, 8 samples", 1 / NEVER_SLOWER, 1 / speedup(of["alone"], way, 8)),
            (f"{name}: {way}, time of a sample / eager, each at its best batch", 1 / factor, 1 / throughput(of["alone"], way)),
            (f"{name}: {way}, time / eager, 1 sample, beside another process", 1 / factor, 1 / speedup(of["beside_another"], way, 1)),
        ]
    return rows


def overheads(folder: Path) -> dict[str, float]:
    """Median seconds of ONNX Runtime's own call with the MLP, and how much `run` and `predict` add in the same round."""
    samples: dict[str, list[float]] = json.loads(_run(dict(CHILD_ENVIRONMENT), "overhead", folder))
    bare = samples.pop("onnxruntime")
    added = {way: median(ours - own for ours, own in zip(of, bare, strict=True)) for way, of in samples.items()}
    return {"onnxruntime": median(bare)} | added


def main(options: Namespace) -> dict[str, Any]:
    """Every network in a folder of its own."""
    compile_package()
    networks: dict[str, Any] = {}
    added: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as root:
        for name in options.only or NETWORKS:
            folder = Path(root) / name
            folder.mkdir()
            print(f"{name} …", file=sys.stderr, flush=True)
            networks[name] = compared(name, folder, options.rounds)
            if name == "mlp":
                added = overheads(folder)
    rows = [row for name, of in networks.items() for row in summary(name, of)]
    rows += [("mlp: session.run, µs above ONNX Runtime's own call", 15.0, added["run"] / MICROSECOND)] if added else []
    settings = {"rounds": options.rounds, "batches": BATCHES, "seconds": SECONDS, "load": os.getloadavg()[0], "units": "seconds"}
    return context(QUESTION, settings) | {"floors": floors(rows), "overhead": added, "networks": networks}


if __name__ == "__main__":
    answer(QUESTION, main, rounds=7)
