"""What it costs to recognise a network from its weights: the command as a process, and the lookup alone.

One run writes one JSON: all samples, medians, and the floors of the project with whether they were reached. The networks are written by
hand from their paper (tests/architecture/residual.py), so that no library is needed.

    python benchmarks/identify.py                 # to stdout; exit code 1 when a floor was missed
    python benchmarks/identify.py -o identify.json
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from measured import CHILD_ENVIRONMENT, HERE, MB, compile_package, context, floors, tell

QUESTION = "What does it cost to recognise a network from its weights, exactly and by its relatives?"
LOOKUP = """
import json, resource, sys, time
from pthway.identification import identity, open_checkpoint
checkpoint, seconds = open_checkpoint(sys.argv[1]), []
for _ in range(21):
    start = time.perf_counter()
    answer = identity(checkpoint, checkpoint.choose()).facts()
    seconds.append(time.perf_counter() - start)
assert not {"torch", "numpy"} & set(sys.modules)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
json.dump({"first": seconds[0], "again": sorted(seconds[1:])[10], "peak": peak, "answer": answer[1]}, sys.stdout)
"""
"""The first lookup reads the index. The file is open by then: what that costs, `pthway inspect` beside it shows."""
WRITE = """
import sys, torch
from torch import nn
from tests.architecture.residual import Residual, resnet50

class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Residual((3, 4, 6, 3), head=False)
        self.decoder = nn.ModuleList(nn.Conv2d(16, 16, 3) for _ in range(40))

unknown = {f"block.{at}.scale": torch.zeros(3) for at in range(500)}
files = {
    "exact": Residual(num_classes=5).state_dict(),
    "group": resnet50(num_classes=5).state_dict(),
    "changed": Residual((2, 3, 2, 2)).state_dict(),
    "contained": Segmenter().state_dict(),
    "unknown": unknown,
}
for name, state in files.items():
    torch.save(state, f"{sys.argv[1]}/{name}.pth")
"""
FILES = ("exact", "group", "changed", "contained", "unknown")
RELATIVES = ("changed", "contained", "unknown")


def recognising(folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds and peak bytes of each file: the lookup, first and again, and the command as a whole process beside `pthway inspect`."""
    samples: dict[str, dict[str, list[Any]]] = {name: {} for name in FILES}
    for turn in range(rounds + 1):
        for name in FILES:
            path = folder / f"{name}.pth"
            found = json.loads(subprocess.run([sys.executable, "-c", LOOKUP, path], **_child(), stdout=subprocess.PIPE, check=True).stdout)
            found |= {command: _seconds([sys.executable, "-m", "pthway", command, path]) for command in ("identify", "inspect")}
            for key, value in found.items() if turn else ():  # the first is not counted: it brings the files into memory
                samples[name].setdefault(key, []).append(value)
    return {
        "answers": {name: of.pop("answer")[0] for name, of in samples.items()},
        "medians": {name: {key: median(values) for key, values in of.items()} for name, of in samples.items()},
        "samples": samples,
    }


def _child() -> dict[str, Any]:
    return {"env": CHILD_ENVIRONMENT, "cwd": HERE.parent}


def _seconds(command: list[str | Path]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, **_child(), stdout=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - start
    if done.returncode > 1:  # 1 says that no network has all of the weights
        raise subprocess.CalledProcessError(done.returncode, command)
    return seconds


def promises(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Each promise, what was measured, and whether it was kept."""
    medians = found["medians"]
    rows = [
        ("first lookup of a network in the index, seconds", 0.05, max(medians[name]["first"] for name in ("exact", "group"))),
        ("further lookup of relatives, seconds", 0.06, max(medians[name]["again"] for name in RELATIVES)),
        ("peak memory, MB", 130.0, max(of["peak"] for of in medians.values()) / MB),
    ]
    return floors(rows)


def run(rounds: int) -> dict[str, Any]:
    """The whole benchmark, on five files."""
    compile_package()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", WRITE, folder], **_child(), check=True)
        found = recognising(Path(folder), rounds)
    return context(QUESTION, {"rounds": rounds, "units": "seconds, bytes"}) | {
        "floors": promises(found),
        **found,
    }


def main() -> None:
    """Measure, write the JSON, show the floors on stderr."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    parser.add_argument("--rounds", type=int, default=7, help="how often each way is measured")
    options = parser.parse_args()
    result = run(options.rounds)
    code = tell(result, options.output)
    sys.exit(code)


if __name__ == "__main__":
    main()
