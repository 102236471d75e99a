"""Open changed files of every format, and report every one that gives neither an answer nor a refusal.

    python tests/fuzz/run.py --seconds 60             # all formats in turn; exit code 1 when something was found
    python tests/fuzz/run.py --formats tar --inputs 100000
    python tests/fuzz/run.py --formats tar --first 4711 --inputs 1 --findings .   # one input again

Every input follows from the seed, its format and its number alone. Those that are findings are written to the folder of findings.
A batch runs in a process of its own, so that a crash ends the batch and not the search.
"""

import argparse
import json
import mmap
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import examine
import mutate

HERE = Path(__file__).parent
BATCH = 2000
"""Inputs of one process."""
WALL = 120
"""Seconds after which a process without a sign of life is ended: it hangs where no signal reaches Python."""


class Search:
    """The workspace, and what was found so far."""

    def __init__(self, workspace: Path, seed: int, findings: Path, seeds: Path | None) -> None:
        self.workspace, self.seed, self.findings = workspace, seed, findings
        if seeds:
            shutil.copytree(seeds, workspace / "seeds")
        else:
            (workspace / "seeds").mkdir()
            subprocess.run([sys.executable, HERE / "seeds.py", workspace / "seeds"], check=True)
        self.pool: mutate.Pool = {}
        for path in sorted((workspace / "seeds").iterdir()):
            self.pool.setdefault(path.name.partition(".")[0], []).append(path.read_bytes())
        self.outcomes: dict[str, Counter[str]] = {kind: Counter() for kind in mutate.FORMATS}
        self.found: Counter[str] = Counter()
        self.number = mmap.mmap(-1, 8)
        self.inputs = self._lay_out()

    def _lay_out(self) -> dict[str, tuple[Path, Path]]:
        """Format → the file that is changed, and the path that is opened; with the files beside it."""
        for name in ("single", "index", "folder/data", "out", "tmp"):
            (self.workspace / name).mkdir(parents=True)
        seeds = self.workspace / "seeds"
        shutil.copy(seeds / "safetensors.state", self.workspace / "index" / "one.safetensors")
        shutil.copy(seeds / "zip.state", self.workspace / "index" / "two.pth")
        for name, content, _ in mutate._records((seeds / "zip.state").read_bytes()):
            if "/data/" in name:
                (self.workspace / "folder" / "data" / name.rpartition("/")[2]).write_bytes(content)
        single = self.workspace / "single" / "file.pth"
        index, folder = self.workspace / "index" / "model.index.json", self.workspace / "folder"
        return dict.fromkeys(mutate.FORMATS, (single, single)) | {"index": (index, index), "folder": (folder / "data.pkl", folder)}

    def content(self, kind: str, number: int) -> bytes:
        """The input of a number."""
        return mutate.mutant(kind, Random(f"{self.seed}/{kind}/{number}"), self.pool)

    def batch(self, kind: str, first: int, count: int, until: float) -> int:
        """Examine *count* inputs from *first* in a child process, or fewer if the time is up; the number of the next."""
        self.number[:] = first.to_bytes(8, "little")
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            try:
                self._child(kind, first, count, until, writing)
            finally:
                traceback.print_exc()
                os._exit(1)
        os.close(writing)
        told = self._told(child, reading)
        _, status = os.waitpid(child, 0)
        next_one = int.from_bytes(self.number, "little")
        if status or not told:
            self._note(kind, next_one, examine.Outcome("finding", f"the process ended with status {status}"))
            return next_one + 1
        result = json.loads(told)
        self.outcomes[kind].update(result["outcomes"])
        for number, *outcome in result["findings"]:
            self._note(kind, number, examine.Outcome(*outcome))
        return next_one

    def run(self, formats: Sequence[str], nexts: dict[str, int], last: int, until: float) -> None:
        """Batches of every format in turn, until the time is up or each has reached *last*; *nexts* is kept up to date."""
        while time.monotonic() < until and min(nexts.values()) < last:
            for kind in formats:
                count = min(BATCH, last - nexts[kind])
                if count > 0 and time.monotonic() < until:
                    nexts[kind] = self.batch(kind, nexts[kind], count, until)

    def _told(self, child: int, reading: int) -> bytes:
        told = b""
        last, since = b"", time.monotonic()
        while True:
            if select.select([reading], [], [], 1.0)[0]:
                part = os.read(reading, 1 << 20)
                if not part:
                    os.close(reading)
                    return told
                told += part
            if self.number[:] != last:
                last, since = self.number[:], time.monotonic()
            elif time.monotonic() - since > WALL:
                os.kill(child, signal.SIGKILL)

    def _child(self, kind: str, first: int, count: int, until: float, writing: int) -> None:
        outcomes: Counter[str] = Counter()
        findings = []
        target, path = self.inputs[kind]
        tempfile.tempdir = str(self.workspace / "tmp")
        examine.guard(self.workspace)
        number = first
        while number < first + count and time.monotonic() < until:
            self.number[:] = number.to_bytes(8, "little")
            with target.open("wb") as file:
                file.write(self.content(kind, number))
            outcome = examine.examine(path, number, self.workspace / "out")
            outcomes[outcome.kind] += 1
            if outcome.kind == "finding":
                findings.append((number, *outcome))
            number += 1
        self.number[:] = number.to_bytes(8, "little")
        left = [name for place in ("tmp", "out") for name in (self.workspace / place).iterdir()]
        if left:
            findings.append((number - 1, "finding", f"leaves files behind: {left[:3]}", ""))
        with os.fdopen(writing, "w") as pipe:
            json.dump({"outcomes": outcomes, "findings": findings}, pipe)
        os._exit(0)

    def _note(self, kind: str, number: int, outcome: examine.Outcome) -> None:
        self.found[outcome.signature] += 1
        if self.found[outcome.signature] > 1:
            return
        self.findings.mkdir(parents=True, exist_ok=True)
        path = self.findings / f"{kind}-{self.seed}-{number}.bin"
        path.write_bytes(self.content(kind, number))
        path.with_suffix(".txt").write_text(f"{outcome.signature}\n{outcome.details}\n")
        print(f"FOUND {kind} {number}: {outcome.signature} → {path}", file=sys.stderr, flush=True)


def main() -> None:
    """Search as long as asked, tell the counts as JSON on stdout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inputs", type=int, default=10**9, help="of each format, at most")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", choices=mutate.FORMATS, default=mutate.FORMATS)
    parser.add_argument("--seeds", type=Path, help="a folder that seeds.py wrote; else they are written anew")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as workspace:
        search = Search(Path(workspace), options.seed, options.findings, options.seeds)
        examine.prepare()
        start = time.monotonic()
        nexts = dict.fromkeys(options.formats, options.first)
        with suppress(KeyboardInterrupt):  # the counts of what was done are told all the same
            search.run(options.formats, nexts, options.first + options.inputs, start + options.seconds)
        seconds = time.monotonic() - start
    total = sum(nexts.values()) - options.first * len(nexts)
    told = {"seed": options.seed, "inputs": total, "seconds": round(seconds, 1), "findings": dict(search.found)}
    json.dump(told | {"outcomes": {kind: dict(of.most_common()) for kind, of in search.outcomes.items() if of}}, sys.stdout, indent=1)
    print()
    sys.exit(1 if search.found else 0)


if __name__ == "__main__":
    main()
