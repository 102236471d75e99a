"""What scanners of pickles say of the files in the corpus that run code, and of the honest ones, beside the verdict of pthway.

The scanners are installed apart from pthway (requirements-scanners.lock; `make scanners` does it). One run writes one JSON: for every
file whose payload is live in Python's or torch's loader, and for every honest one, whether each program flags it, calls it clean, or
does not read it. pthway answers by its verdict, or by refusing the file.

    python benchmarks/scanners.py --python .venv-scanners/bin/python -o scanners.json
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from measured import context, tell

import pthway
from pthway.checkpoint.safety import Verdict

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.corpus.catalogue import SUBJECTS  # the tests are found once the path is set
from tests.corpus.entry import Entry, Read

QUESTION = "Which files of the corpus that run code do scanners of pickles flag, and which honest ones?"
FLAGGED, CLEAN = "flagged", "clean"

SCAN = r"""
import io, json, logging, sys, zipfile
from importlib.metadata import version
from pathlib import Path
from fickling.analysis import Severity, check_safety
from fickling.fickle import StackedPickle
from modelscan.modelscan import ModelScan
from picklescan.scanner import scan_file_path
logging.disable(logging.CRITICAL)

def picklescan(path):
    found = scan_file_path(path)
    return "flagged" if found.issues_count else "not read" if found.scan_err else "clean"

def modelscan(path):
    found = ModelScan().scan(path)
    summary = found["summary"]
    if summary["total_issues"]:
        return "flagged"
    return "not read" if found["errors"] or not summary["scanned"]["total_scanned"] else "clean"

def fickling(path):
    streams = [Path(path).read_bytes()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            streams = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
    pickles = [pickled for stream in streams for pickled in StackedPickle.load(io.BytesIO(stream))]
    worst = max(check_safety(pickled).severity for pickled in pickles)
    return "clean" if worst == Severity.LIKELY_SAFE else "flagged"

answers = {}
for path in sys.argv[1:]:
    for tool in (picklescan, modelscan, fickling):
        try:
            answer = tool(path)
        except BaseException:
            answer = "not read"
        answers.setdefault(path, {})[tool.__name__] = answer
json.dump({"answers": answers, "versions": {name: version(name) for name in ("picklescan", "modelscan", "fickling")}}, sys.__stdout__)
"""
"""Runs in the environment of the scanners. fickling is handed the pickles of an archive, which it would not look for itself."""


def ours(path: Path) -> str:
    """The answer of pthway, in the words of the scanners."""
    try:
        return FLAGGED if pthway.open(path).safety.verdict is Verdict.RUNS_CODE else CLEAN
    except pthway.PthwayError:
        return "refused"


def honest(entry: Entry) -> bool:
    """Whether the file holds weights and nothing that runs, written as honest programs write it."""
    return entry.row is None and isinstance(entry.answer, Read)


def run(python: Path) -> dict[str, Any]:
    """The whole comparison."""
    answers: dict[str, dict[str, dict[str, str]]] = {"live": {}, "honest": {}}
    subjects: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths: dict[str, tuple[str, str]] = {}
        for subject, entries in SUBJECTS.items():
            for entry in (entry for entry in entries if (entry.live or honest(entry)) and not entry.heavy):
                path = entry.write(Path(tempfile.mkdtemp(dir=folder)))
                if path.is_file():
                    kind = "live" if entry.live else "honest"
                    paths[str(path)] = kind, entry.name
                    subjects[entry.name] = subject
                    answers[kind][entry.name] = {"pthway": ours(path)}
        done = subprocess.run([python, "-W", "ignore", "-c", SCAN, *paths], capture_output=True, text=True, check=True, timeout=900)
        told = json.loads(done.stdout[done.stdout.rindex('{"answers"') :])
    for path, of in told["answers"].items():
        kind, name = paths[path]
        answers[kind][name] |= of
    return context(QUESTION, {}) | {
        "versions": {"pthway": pthway.__version__, **told["versions"]},
        "totals": {kind: _totals(of.values()) for kind, of in answers.items()},
        "by_subject": {
            subject: _totals(of for name, of in answers["live"].items() if subjects[name] == subject)
            for subject in dict.fromkeys(subjects[name] for name in answers["live"])
        },
        "missed": {tool: [name for name, of in answers["live"].items() if of[tool] == CLEAN] for tool in ("pthway", *told["versions"])},
        "answers": answers,
    }


def _totals(answers: Any) -> dict[str, dict[str, int]]:
    """Tool → how often it gave each answer."""
    counted: dict[str, Counter[str]] = {}
    for of in answers:
        for tool, answer in of.items():
            counted.setdefault(tool, Counter())[answer] += 1
    return {tool: dict(counts) for tool, counts in counted.items()}


def main() -> None:
    """Compare, write the JSON, show the totals on stderr."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("--python", type=Path, required=True, help="the Python of the environment that has the scanners")
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    options = parser.parse_args()
    result = run(options.python)
    tell(result, options.output)
    for kind, totals in result["totals"].items():
        for tool, counts in totals.items():
            print(f"{kind:<7} {tool:<11} {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
