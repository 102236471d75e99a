"""The pages say what really happens: every code block is run, and its output compared."""

import doctest
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pthway

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
DEMO = Path(pthway.__file__).parent / "demo"


def blocks(kind: str) -> str:
    return "\n".join(text for found, text in BLOCK.findall(README) if found == kind)


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert {kind for kind, _ in BLOCK.findall(README)} <= {"pycon", "console"}


def test_the_python_of_the_readme_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples" / "mlp", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(blocks("pycon"), {}, "README.md", "README.md", 0)
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test)
    assert outcome.attempted > 5 and outcome.failed == 0


def test_the_commands_of_the_readme_print_what_it_says(tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path, dirs_exist_ok=True)
    commands = re.split(r"^\$ ", blocks("console"), flags=re.MULTILINE)[1:]
    assert len(commands) == 5
    same, flags = doctest.OutputChecker().check_output, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for command in commands:
        line, _, expected = command.partition("\n")
        words = line.split()
        assert words[0] == "pthway"
        done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert same(expected.strip(), done.stdout.strip(), flags), done.stdout
