"""What it costs to recognise a network from its weights: the command as a process, and the lookups alone.

One run writes one JSON: all samples, medians, and the floors of the project with whether they were reached. The networks are written by
hand from their papers (tests/architecture/residual.py), so that no library is needed.

    python benchmarks/identify.py                 # to stdout; exit code 1 when a floor was missed
    python benchmarks/identify.py -o identify.json
"""

import argparse
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from load import MB, _git, compile_package, machine, whole_process

QUESTION = "What does it cost to recognise a network from its weights, exactly and by its relatives?"
LOOKUP = """
import json, resource, sys, time
from pthway.identification import identify
start = time.perf_counter()
found = identify(sys.argv[1])
facts = found.facts()
seconds = time.perf_counter() - start
repeated = []
for _ in range(20):
    start = time.perf_counter()
    identify(sys.argv[1]).facts()
    repeated.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
assert "torch" not in sys.modules and "numpy" not in sys.modules
print(json.dumps({"first": seconds, "again": sorted(repeated)[10], "peak": peak, "answer": facts[1]}))
"""
WRITE = """
import sys, torch
from torch import nn
from tests.architecture.residual import Residual, resnet50
folder = sys.argv[1]
def save(module, name): torch.save(module.state_dict(), f"{folder}/{name}.pth")
save(Residual(num_classes=5), "exact")
save(resnet50(num_classes=5), "group")
save(Residual((2, 3, 2, 2)), "changed")
class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = resnet50(head=False) if False else Residual((3, 4, 6, 3), head=False)
        self.decoder = nn.ModuleList(nn.Conv2d(16, 16, 3) for _ in range(40))
save(Segmenter(), "contained")
torch.save({f"block.{at}.scale": torch.zeros(3) for at in range(500)}, f"{folder}/unknown.pth")
"""
NETWORKS = ("exact", "group", "changed", "contained", "unknown")
ROUNDS = 7
EMPTY = "import pthway.identification"


def measured(folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds of the lookup, first and repeated, and of whole processes, with peak bytes."""
    samples: dict[str, dict[str, list[Any]]] = {name: {} for name in (*NETWORKS, "import")}
    for turn in range(rounds + 1):
        for name in NETWORKS:
            found = _child(LOOKUP, folder / f"{name}.pth")
            found["process"] = whole_process([sys.executable, "-m", "pthway", "identify", folder / f"{name}.pth"], check=False)["wall"]
            for key, value in found.items() if turn else ():
                samples[name].setdefault(key, []).append(value)
        if turn:
            samples["import"].setdefault("process", []).append(whole_process([sys.executable, "-c", EMPTY])["wall"])
    medians = {
        name: {key: median(values) if key != "answer" else values[0] for key, values in of.items()} for name, of in samples.items()
    }
    return {"medians": medians, "samples": samples}
