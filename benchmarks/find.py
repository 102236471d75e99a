"""Whether the class that made a checkpoint is found in the source trees of four libraries, without importing any of them.

The checkpoints are made by zoo_checkpoints.py, run by the Python of another environment in which the libraries are installed
(`pip install torch torchvision timm transformers`, and facenet-pytorch with `--no-deps`). The trees of all are searched
together, for every checkpoint. One run writes one JSON: the outcome of each, and the floors with whether they were reached.

    python benchmarks/find.py --zoo ZOO_PYTHON -o find.json      # exit code 1 when a floor was missed
    python benchmarks/find.py --zoo ZOO_PYTHON --checkpoints FOLDER   # made before
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from measured import context, tell

import pthway
from pthway.architecture.source.finding import read_library
from pthway.architecture.source.interpreter import Interpreter
from pthway.architecture.source.ranking import Candidate, Group, Sought, rank, tied

QUESTION = "Is the class that made a checkpoint found in the source of torchvision, timm, transformers and facenet-pytorch together?"
LIBRARIES = ("torchvision", "timm", "transformers", "facenet_pytorch")
FIRST = ("first", "first, in a group of the same names")
"""Outcomes that count. The members of a group make the same names; classes of a tie only fit equally well, and do not count."""

WHOLE_SEARCH = """
import json, resource, sys, time
from pthway.cli import main
start = time.perf_counter()
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    assert not {"torch", "numpy", "torchvision", "timm", "transformers"} & set(sys.modules)
    told = {"wall": time.perf_counter() - start, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}
    print(json.dumps(told), file=sys.stderr)
"""


def sought(path: Path) -> Sought:
    """What the checkpoint tells of its network."""
    state = pthway.open(path).choose()
    return Sought(state.tensors, tuple(state.metadata or ()), state.module)


def outcome(groups: list[Group], right: dict[str, str]) -> str:
    """At which place the right class is."""

    def is_right(each: Candidate) -> bool:
        return each.cls.name == right["class"] and str(each.cls.home.path) == right["source"]

    equal = tied(groups)
    if len(equal) == 1 and is_right(groups[0].first) and len(groups[0].members) == 1:
        return "first"
    if len(equal) == 1 and any(map(is_right, groups[0].members)):
        return "first, in a group that is open" if groups[0].first.fit.guessed else "first, in a group of the same names"
    if any(is_right(member) for group in equal for member in group.members):
        return "in a tie for the first place"
    return "further down" if any(is_right(member) for group in groups for member in group.members) else "not found"


def libraries(zoo: Path) -> list[Path]:
    """The folders of the libraries in the other environment."""
    code = "import importlib.util as u, sys; print('\\n'.join(u.find_spec(name).submodule_search_locations[0] for name in sys.argv[1:]))"
    told = subprocess.run([zoo, "-c", code, *LIBRARIES], capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in told.splitlines()]


def whole_search(path: Path, folders: list[Path]) -> dict[str, float]:
    """Wall and CPU seconds, and peak bytes, of one `pthway find` from start to end."""
    done = subprocess.run([sys.executable, "-c", WHOLE_SEARCH, "find", path, *folders], capture_output=True, text=True, check=False)
    told: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    return told


def run(zoo: Path, checkpoints: Path, searches: int, seed: int) -> dict[str, Any]:
    """The whole benchmark, on checkpoints that are there."""
    index = json.loads((checkpoints / "index.json").read_text("utf-8"))["checkpoints"]
    folders = libraries(zoo)
    start = time.process_time()
    library, left_out = read_library(folders, lambda *_: None)
    reading = time.process_time() - start
    interpreter = Interpreter(library)
    rows = []
    for right in index:
        start = time.process_time()
        groups = rank(interpreter, sought(checkpoints / right["file"]), 5, lambda *_: None)
        row = {
            "library": right["library"],
            "class": right["class"],
            "tensors": right["tensors"],
            "outcome": outcome(groups, right),
            "tied": sum(len(group.members) for group in tied(groups)),
            "first": [f"{each.cls.name} {each.score:.3f}" for each in (group.first for group in groups[:3])],
            "cpu": time.process_time() - start,
        }
        rows.append(row)
        print(f"{row['outcome']:<40} {row['tied']:>3} {row['cpu']:6.1f} s  {row['class']}  {row['first']}", file=sys.stderr, flush=True)
    counts = Counter(row["outcome"] for row in rows)
    share = sum(counts[name] for name in FIRST) / len(rows)
    alone = [whole_search(checkpoints / right["file"], folders) for right in index[:: max(len(index) // searches, 1)][:searches]]
    floors = [
        {"floor": "share of checkpoints whose class is first", "limit": 0.9, "measured": share, "reached": share >= 0.9},
        {"floor": "checkpoints", "limit": 100, "measured": len(rows), "reached": len(rows) >= 100},
        *(
            {"floor": f"{kind} seconds of the slowest whole search", "limit": 60, "measured": worst, "reached": worst < 60}
            for kind in ("cpu", "wall")
            for worst in [max(each[kind] for each in alone)]
        ),
    ]
    return {
        **context(QUESTION, {"files": len(library.files), "left_out": len(left_out), "seed": seed, "units": "seconds, bytes"}),
        "floors": floors,
        "outcomes": dict(counts),
        "reading_cpu": reading,
        "whole_searches": alone,
        "checkpoints": rows,
    }


def main() -> None:
    """Measure, write the JSON, show the floors on stderr."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("--zoo", type=Path, required=True, help="the Python of the environment that has the libraries")
    parser.add_argument("--checkpoints", type=Path, help="a folder of checkpoints that were made before")
    parser.add_argument("--count", type=int, default=140, help="how many checkpoints to make")
    parser.add_argument("--seed", type=int, default=1, help="by which the checkpoints are drawn")
    parser.add_argument("--searches", type=int, default=3, help="how many whole searches are timed")
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = options.checkpoints or Path(folder)
        if options.checkpoints is None:
            script = Path(__file__).with_name("zoo_checkpoints.py")
            subprocess.run([options.zoo, script, checkpoints, str(options.count), str(options.seed)], check=True)
        result = run(options.zoo, checkpoints, options.searches, options.seed)
    code = tell(result, options.output)
    sys.exit(code)


if __name__ == "__main__":
    main()
