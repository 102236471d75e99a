"""The cost of converting a gigabyte to safetensors, beside copying it and beside the way through torch.

One run writes one JSON: all samples, medians, and the floors of the project with whether they were reached. Each way is a process
of its own, and they take turns. It is done twice: in memory (/dev/shm), where the programs are compared, and on the disk, where
`pthway convert` returns only when the disk has the file; there `cp` is followed by `sync` of its file, and once more alone.

    python benchmarks/convert.py                 # to stdout; exit code 1 when a floor was missed
    python benchmarks/convert.py -o convert.json
"""

# This process stays without torch and numpy: a child's peak memory, as the kernel counts it, starts from that of its parent.

import argparse
import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from load import MB, _git, compile_package, machine, measured, whole_process

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
    samples: dict[str, dict[str, list[float]]] = {}
    for turn in range(rounds + 1):
        for way, command in ways(source, out).items():
            out.unlink(missing_ok=True)
            for name, value in whole_process(command).items():
                if turn:  # the first is not counted: it brings the packages and the file into memory
                    samples.setdefault(way, {}).setdefault(name, []).append(value)
    out.unlink(missing_ok=True)
    medians = {way: {name: median(values) for name, values in of.items()} for way, of in samples.items()}
    return {"medians": medians, "samples": samples}


def floors(memory: dict[str, Any], disk: dict[str, Any]) -> list[dict[str, Any]]:
    """Each promise, what was measured, and whether it was kept."""
    ram, real = memory["medians"], disk["medians"]
    rows = [
        ("in memory, wall time / cp (speed 0.85 of cp)", 1 / 0.85, ram["pthway"]["seconds"] / ram["cp"]["seconds"]),
        ("in memory, wall time / torch and safetensors", 0.3, ram["pthway"]["seconds"] / ram["torch"]["seconds"]),
        ("on the disk, wall time / cp and sync (speed 0.85)", 1 / 0.85, real["pthway"]["seconds"] / real["cp_synced"]["seconds"]),
        ("peak memory, MB", 100.0, max(of["pthway"]["peak"] for of in (ram, real)) / MB),
    ]
    return [{"floor": name, "limit": limit, "measured": value, "reached": value <= limit} for name, limit, value in rows]


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
    return {
        "question": QUESTION,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "machine": machine() | {"safetensors": version("safetensors")},
        "settings": {"rounds": rounds, "file_bytes": size, "units": "seconds, bytes"},
        "floors": floors(memory, disk),
        "memory": memory,
        "disk": disk,
    }


def main() -> None:
    """Measure, write the JSON, show the floors on stderr."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    options = parser.parse_args()
    result = run(options.rounds)
    text = json.dumps(result, indent=1)
    if options.output:
        options.output.write_text(text + "\n", "utf-8")
    else:
        print(text)
    for row in result["floors"]:
        verdict = "reached" if row["reached"] else "MISSED "
        print(f"{verdict} {row['measured']:8.3f} (limit {row['limit']:.3g})  {row['floor']}", file=sys.stderr)
    sys.exit(0 if all(row["reached"] for row in result["floors"]) else 1)


if __name__ == "__main__":
    main()
