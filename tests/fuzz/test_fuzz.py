"""The search itself: a few thousand inputs of every format, and that it would tell what it is there to find."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    subprocess.run([sys.executable, RUN.with_name("seeds.py"), folder], check=True)
    return folder


def search(seeds: Path, findings: Path, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, RUN, "--seeds", seeds, "--findings", findings, *options]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def test_changed_files_of_every_format_give_an_answer_or_a_refusal(seeds: Path, tmp_path: Path) -> None:
    done = search(seeds, tmp_path, "--inputs", "60", "--seconds", "600")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["outcomes"]) == 16
    assert all(sum(of.values()) == 60 for of in told["outcomes"].values())
    assert all(of["answer"] for of in told["outcomes"].values())
    assert not told["findings"]


BREAKS = {
    "raise KeyError": "KeyError",
    "__import__('antigravity')": "import",
    "open('/dev/null', 'w')": "for writing",
    "raise CorruptFile('a\\nb', '', '')": "a line of its own",
    "bytes(1 << 40)": "MemoryError",
    "__import__('os').kill(__import__('os').getpid(), 9)": "ended with status",
}


@pytest.mark.parametrize("statement", BREAKS)
def test_a_reader_that_breaks_the_property_is_found(statement: str, seeds: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if sys.argv[0].endswith('run.py') or sys.orig_argv[1].endswith('run.py'):\n"
        "    import pthway.formats.recognise as recognise\n"
        "    from pthway.errors import CorruptFile\n"
        "    def read(source):\n"
        f"        {statement}\n"
        "        raise CorruptFile('a', 'b', 'c')\n"
        "    recognise.read = read\n"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    done = search(seeds, tmp_path / "found", "--inputs", "1", "--formats", "npy", PYTHONPATH=paths)
    assert done.returncode == 1
    assert BREAKS[statement] in done.stderr
    assert (tmp_path / "found" / "npy-0-0.bin").read_bytes()
