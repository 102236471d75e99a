"""Time and memory that the answer to each file of the corpus takes, which has to be bounded.

One run writes one JSON: seconds and peak bytes of a process that opens and describes the file, for every entry of tests/corpus, and
the floors of the project with whether they were reached. Memory is counted above what the same process takes for a tiny honest file.

    python benchmarks/corpus.py                 # to stdout; exit code 1 when a floor was missed
    python benchmarks/corpus.py -o corpus.json
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measured import MB, compile_package, context, floors, tell

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.corpus.build import state, torch_zip  # the tests are found once the path is set
from tests.corpus.catalogue import CORPUS
from tests.corpus.entry import file

QUESTION = "How much time and memory does the answer to each file of the corpus take?"
SECONDS, MEGABYTES, WORST = 5.0, 300.0, 5

OPEN = """
import json, sys, time
import pthway
start = time.perf_counter()
try:
    str(pthway.open(sys.argv[1]))
except pthway.PthwayError:
    pass
seconds = time.perf_counter() - start
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"seconds": seconds, "peak": int(status["VmHWM"].split()[0]) * 1024}))
"""


def opened(path: Path) -> dict[str, float]:
    """Seconds and peak bytes of opening and describing one file, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True, timeout=120)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def run() -> dict[str, Any]:
    """The whole benchmark."""
    compile_package()
    samples: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as honest:
        floor = min(opened(file(torch_zip(state()))(Path(honest)))["peak"] for _ in range(3))
    for entry in CORPUS:
        with tempfile.TemporaryDirectory() as folder:
            found = opened(entry.write(Path(folder)))
        samples[entry.name] = {"seconds": found["seconds"], "bytes": max(0, found["peak"] - floor)}
    slowest = sorted(samples, key=lambda name: samples[name]["seconds"], reverse=True)[:WORST]
    largest = sorted(samples, key=lambda name: samples[name]["bytes"], reverse=True)[:WORST]
    rows = [
        ("slowest answer, seconds", SECONDS, samples[slowest[0]]["seconds"]),
        ("largest memory above an honest file's, MB", MEGABYTES, samples[largest[0]]["bytes"] / MB),
    ]
    return context(QUESTION, {"files": len(CORPUS), "honest_peak_bytes": floor, "units": "seconds, bytes"}) | {
        "floors": floors(rows),
        "slowest": {name: samples[name] for name in slowest},
        "largest": {name: samples[name] for name in largest},
        "samples": samples,
    }


def main() -> None:
    """Measure, write the JSON, show the floors and the worst files on stderr."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    options = parser.parse_args()
    result = run()
    code = tell(result, options.output)
    for kind in ("slowest", "largest"):
        for name, of in result[kind].items():
            print(f"{kind}: {of['seconds']:.2f} s, {of['bytes'] / MB:.0f} MB  {name}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
