"""What do a loaded module, a description and an answer cost, in time and memory, beside the usual ways to them.

One run writes one JSON: all samples, medians, and the floors of the project with whether they were reached. Alternatives take
turns within the run; each is a process of its own. Read the ratios: the seconds belong to the machine.

    python benchmarks/load.py                 # to stdout; exit code 1 when a floor was missed
    python benchmarks/load.py -o load.json
"""

import sys
import tempfile
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from measured import HERE, MB, answer, compile_package, context, floors, in_turn, measured, ratio, whole_process, with_medians

QUESTION = "What do a loaded module, a description and an answer cost, in time and memory, beside the usual ways to them?"
MLP = HERE.parent / "examples" / "mlp" / "simple_mlp.pth"
MICROSECOND = 1e-6

THROUGH_TORCH = "import sys, torch; torch.load(sys.argv[1], weights_only=True, mmap=True)"


def loading(path: Path, rounds: int) -> dict[str, Any]:
    """By hand, and with pthway when the constructor's arguments are given and when it has to solve them.

    Seconds of the imports, of the load step and of the first touch of every weight; peak and anonymous bytes.
    """

    def told(way: str) -> dict[str, float]:
        of = measured(way, path)
        return {**of["seconds"], **of["bytes"]}

    return in_turn({way: partial(told, way) for way in ("by_hand", "given", "solved")}, rounds)


def inspecting(path: Path, rounds: int) -> dict[str, Any]:
    """Whole processes that look into the file: `pthway inspect`, torch without reading the data, picklescan."""
    scripts = Path(sys.executable).parent
    commands: dict[str, list[str | Path]] = {
        "pthway": [sys.executable, "-m", "pthway", "inspect", path],
        "torch": [sys.executable, "-c", THROUGH_TORCH, path],
        "picklescan": [scripts / "picklescan", "--path", path],
    }
    return in_turn({way: partial(whole_process, command) for way, command in commands.items()}, rounds)


def predicting() -> dict[str, Any]:
    """Seconds of a call with one row of 784 numbers: the module alone, a script's two lines, and `predict`."""
    samples = measured("predictions", MLP)["seconds"]
    return with_medians({way: {"seconds": values} for way, values in samples.items()})


def promises(load: dict[str, Any], inspect: dict[str, Any], predict: dict[str, Any]) -> list[dict[str, Any]]:
    """Each promise, what was measured, and whether it was kept."""
    bare = predict["medians"]["module"]["seconds"]
    rows = [
        *(
            (f"load, arguments {way}, {name} / by hand", limit, ratio(load, way, "by_hand", key))
            for way in ("given", "solved")
            for name, key, limit in (("wall time", "load", 0.1), ("peak memory", "peak", 0.6))
        ),
        ("inspect, wall time / torch with mmap", 0.1, ratio(inspect, "pthway", "torch", "seconds")),
        ("inspect, wall time / picklescan", 1.0, ratio(inspect, "pthway", "picklescan", "seconds")),
        ("inspect, peak memory, MB", 40.0, inspect["medians"]["pthway"]["peak"] / MB),
        *(
            (f"predict, µs above the bare module, {kind}", 20.0, (predict["medians"][f"predict_{kind}"]["seconds"] - bare) / MICROSECOND)
            for kind in ("tensor", "array")
        ),
    ]
    return floors(rows)


def run(rounds: int, folder: Path) -> dict[str, Any]:
    """The whole benchmark, with its big file in *folder*."""
    compile_package()
    path = folder / "big.pth"
    measured("write", path)
    load, inspect, predict = loading(path, rounds), inspecting(path, 2 * rounds), predicting()
    return context(QUESTION, {"rounds": rounds, "file_bytes": path.stat().st_size, "units": "seconds, bytes"}) | {
        "floors": promises(load, inspect, predict),
        "load": load,
        "inspect": inspect,
        "predict": predict,
    }


def main(options: Namespace) -> dict[str, Any]:
    """The benchmark in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return run(options.rounds, Path(folder))


if __name__ == "__main__":
    answer(QUESTION, main, rounds=5)
