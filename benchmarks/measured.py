"""What the benchmarks share: processes that are measured from without, ratios of rounds, and the one JSON that a benchmark writes.

This module and those that import it stay without torch and numpy: a child's peak memory, as the kernel counts it, starts from that of
its parent.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from pthway import __version__

HERE = Path(__file__).parent
MB = 1e6
CHILD_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Python may keep what it compiled: packages that pip installed come compiled, the checkout would not."""
PACKAGES = ("torch", "numpy", "picklescan", "safetensors")

Samples = dict[str, dict[str, list[float]]]
"""Way → what was measured → a number of each round."""


def measured(way: str, path: Path, timeout: float | None = None) -> dict[str, Any]:
    """What the child process of ways.py tells of itself."""
    child = subprocess.run(
        [sys.executable, HERE / "ways.py", way, path], stdout=subprocess.PIPE, check=True, text=True, env=CHILD_ENVIRONMENT, timeout=timeout
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


def in_turn(ways: dict[str, Callable[[], dict[str, float]]], rounds: int) -> dict[str, Any]:
    """The numbers of every way, which take turns; the first round is not counted, since it brings packages and files into memory."""
    samples: Samples = {}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            numbers = way()
            if turn:
                for key, value in numbers.items():
                    samples.setdefault(name, {}).setdefault(key, []).append(value)
    return with_medians(samples)


def with_medians(samples: Samples) -> dict[str, Any]:
    """The samples and their medians."""
    medians = {way: {name: median(values) for name, values in of.items()} for way, of in samples.items()}
    return {"medians": medians, "samples": samples}


def ratio(results: dict[str, Any], way: str, other: str, key: str) -> float:
    """The median of the rounds' ratios: what slows a whole round down cancels out, which it would not between two medians."""
    samples = results["samples"]
    ratios: list[float] = [ours / theirs for ours, theirs in zip(samples[way][key], samples[other][key], strict=True)]
    return median(ratios)


def compile_package() -> None:
    """Write pthway's bytecode, as an installation does; picklescan and torch have theirs."""
    package = find_spec("pthway")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pthway is not installed in this environment")
    subprocess.run([sys.executable, "-m", "compileall", "-q", Path(package.origin).parent], check=True)


def machine() -> dict[str, Any]:
    """What the seconds belong to."""
    cpu = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if line.startswith("model name")]
    return {
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {"pthway": __version__} | {name: version(name) for name in PACKAGES},
    }


def context(question: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What stands before the results of every benchmark."""
    return {
        "question": question,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "machine": machine(),
        "settings": settings,
    }


def floors(rows: list[tuple[str, float, float]]) -> list[dict[str, Any]]:
    """Promises, each a name, a limit and what was measured, with whether they were kept."""
    return [{"floor": name, "limit": limit, "measured": value, "reached": value <= limit} for name, limit, value in rows]


def answer(question: str, run: Callable[[argparse.Namespace], dict[str, Any]], rounds: int) -> None:
    """Measure, write the JSON, show the floors on stderr; the exit code is 1 when one was missed."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each way is measured")
    parser.add_argument("--only", nargs="+", help="some of the cases, where a benchmark has several")
    options = parser.parse_args()
    sys.exit(tell(run(options), options.output))


def tell(result: dict[str, Any], output: Path | None) -> int:
    """Write the JSON, show the floors on stderr, and return the exit code: 1 when one was missed."""
    text = json.dumps(result, indent=1)
    if output:
        output.write_text(text + "\n", "utf-8")
    else:
        print(text)
    for row in result.get("floors", ()):
        verdict = "reached" if row["reached"] else "MISSED "
        print(f"{verdict} {row['measured']:8.3f} (limit {row['limit']:.3g})  {row['floor']}", file=sys.stderr)
    return 0 if all(row["reached"] for row in result.get("floors", ())) else 1


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=HERE, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
