"""What do a loaded module, a description and an answer cost, in time and memory, beside the usual ways to them.

One run writes one JSON: all samples, medians, and the floors of the project with whether they were reached. Alternatives take
turns within the run; each is a process of its own. Read the ratios: the seconds belong to the machine.

    python benchmarks/load.py                 # to stdout; exit code 1 when a floor was missed
    python benchmarks/load.py -o load.json
"""

# This process stays without torch and numpy: a child's peak memory, as the kernel counts it, starts from that of its parent.

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from pthway import __version__

QUESTION = "What do a loaded module, a description and an answer cost, in time and memory, beside the usual ways to them?"
HERE = Path(__file__).parent
MLP = HERE.parent / "examples" / "mlp" / "simple_mlp.pth"
MB = 1e6
MICROSECOND = 1e-6

THROUGH_TORCH = "import sys, torch; torch.load(sys.argv[1], weights_only=True, mmap=True)"
CHILD_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Python may keep what it compiled: packages that pip installed come compiled, the checkout would not."""
PACKAGES = ("torch", "numpy", "picklescan")


def measured(way: str, path: Path) -> dict[str, Any]:
    """What the child process of measured.py tells of itself."""
    child = subprocess.run(
        [sys.executable, HERE / "measured.py", way, path], stdout=subprocess.PIPE, check=True, text=True, env=CHILD_ENVIRONMENT
    )
    result: dict[str, Any] = json.loads(child.stdout)
    return result


def whole_process(command: list[str | Path]) -> dict[str, float]:
    """Seconds and peak bytes of a command, from its start to its end."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=CHILD_ENVIRONMENT)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return {"seconds": seconds, "peak": usage.ru_maxrss * 1024}


def loading(path: Path, rounds: int) -> dict[str, Any]:
    """By hand, and with pthway when the constructor's arguments are given and when it has to solve them.

    Seconds of the imports, of the load step and of the first touch of every weight; peak and anonymous bytes.
    """
    samples: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for way in ("by_hand", "given", "solved"):
            told = measured(way, path)
            for name, value in {**told["seconds"], **told["bytes"]}.items():
                samples.setdefault(way, {}).setdefault(name, []).append(value)
    return _with_medians(samples)


def inspecting(path: Path, rounds: int) -> dict[str, Any]:
    """Whole processes that look into the file: `pthway inspect`, torch without reading the data, picklescan."""
    scripts = Path(sys.executable).parent
    commands: dict[str, list[str | Path]] = {
        "pthway": [sys.executable, "-m", "pthway", "inspect", path],
        "torch": [sys.executable, "-c", THROUGH_TORCH, path],
        "picklescan": [scripts / "picklescan", "--path", path],
    }
    for command in commands.values():
        whole_process(command)  # not counted: compiles, and brings the packages into the page cache
    samples: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for way, command in commands.items():
            for name, value in whole_process(command).items():
                samples.setdefault(way, {}).setdefault(name, []).append(value)
    return _with_medians(samples)


def predicting() -> dict[str, Any]:
    """Seconds of a call with one row of 784 numbers: the module alone, a script's two lines, and `predict`."""
    samples = measured("predictions", MLP)["seconds"]
    return _with_medians({way: {"seconds": values} for way, values in samples.items()})


def compile_package() -> None:
    """Write pthway's bytecode, as an installation does; picklescan and torch have theirs."""
    package = find_spec("pthway")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pthway is not installed in this environment")
    subprocess.run([sys.executable, "-m", "compileall", "-q", Path(package.origin).parent], check=True)


def _with_medians(samples: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    medians = {way: {name: median(values) for name, values in of.items()} for way, of in samples.items()}
    return {"medians": medians, "samples": samples}


def ratio(results: dict[str, Any], way: str, other: str, key: str) -> float:
    """The median of the rounds' ratios: what slows a whole round down cancels out, which it would not between two medians."""
    samples = results["samples"]
    ratios: list[float] = [ours / theirs for ours, theirs in zip(samples[way][key], samples[other][key], strict=True)]
    return median(ratios)


def floors(load: dict[str, Any], inspect: dict[str, Any], predict: dict[str, Any]) -> list[dict[str, Any]]:
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
    return [{"floor": name, "limit": limit, "measured": value, "reached": value <= limit} for name, limit, value in rows]


def machine() -> dict[str, Any]:
    """What the seconds belong to."""
    cpu = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if line.startswith("model name")]
    return {
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {"pthway": __version__} | {name: version(name) for name in PACKAGES},
    }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=HERE, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def run(rounds: int, folder: Path) -> dict[str, Any]:
    """The whole benchmark, with its big file in *folder*."""
    compile_package()
    path = folder / "big.pth"
    measured("write", path)
    load, inspect, predict = loading(path, rounds), inspecting(path, 2 * rounds), predicting()
    return {
        "question": QUESTION,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "machine": machine(),
        "settings": {"rounds": rounds, "file_bytes": path.stat().st_size, "units": "seconds, bytes"},
        "floors": floors(load, inspect, predict),
        "load": load,
        "inspect": inspect,
        "predict": predict,
    }


def main() -> None:
    """Measure, write the JSON, show the floors on stderr."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way of loading is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(options.rounds, Path(folder))
    text = json.dumps(result, indent=1)
    if options.output:
        options.output.write_text(text + "\n", "utf-8")
    else:
        print(text)
    for row in result["floors"]:
        verdict = "reached" if row["reached"] else "MISSED "
        print(f"{verdict} {row['measured']:8.3f} (limit {row['limit']:g})  {row['floor']}", file=sys.stderr)
    sys.exit(0 if all(row["reached"] for row in result["floors"]) else 1)


if __name__ == "__main__":
    main()
