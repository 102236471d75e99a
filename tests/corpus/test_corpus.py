"""Every file of the corpus gets its answer, and nothing in it is run."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pthway
from pthway.checkpoint import Checkpoint
from pthway.checkpoint.arrays import NUMPY_TYPES
from pthway.checkpoint.checkpoint import StoredTensor
from pthway.checkpoint.safety import Verdict
from pthway.cli import main
from pthway.formats.tensors import TensorSpec
from tests.corpus.catalogue import CORPUS, ROWS
from tests.corpus.entry import Entry, Read, Refused

every = pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name.replace(" ", "-"))


def read_all(checkpoint: Checkpoint) -> None:
    """Every number of every plain tensor."""
    for state in checkpoint.state_dicts:
        for name, spec in state.tensors.items():
            if isinstance(spec, TensorSpec) and spec.dtype in NUMPY_TYPES:
                StoredTensor(name, spec, checkpoint.container).numpy()


def read_any(checkpoint: Checkpoint) -> None:
    """Every number, of whatever kind."""
    for state in checkpoint.state_dicts:
        for name, spec in state.tensors.items():
            StoredTensor(name, spec, checkpoint.container).numpy()


@every
def test_it_gets_its_answer_and_nothing_runs(entry: Entry, tmp_path: Path) -> None:
    path = entry.write(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    match entry.answer:
        case Refused(error, words, late):
            with pytest.raises(error, match=re.compile(words, re.DOTALL)) as caught:
                checkpoint = pthway.open(path)
                if entry.meanwhile:
                    entry.meanwhile(path)
                if late:
                    read_any(checkpoint)
            assert caught.value.what and caught.value.why and caught.value.fix
        case Read(count, verdict, words):
            checkpoint = pthway.open(path)
            read_all(checkpoint)
            assert sum(len(state.tensors) for state in checkpoint.state_dicts) == count
            assert checkpoint.safety.verdict is verdict
            assert re.search(words, str(checkpoint), re.DOTALL), str(checkpoint)
    assert sorted(tmp_path.rglob("*")) == before, "something was written"


def command_line(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> tuple[object, str, str]:
    """Exit code, output and errors of one command, in this process."""
    monkeypatch.setattr(sys, "argv", ["pthway", *arguments])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("entry", [entry for entry in CORPUS if not entry.heavy], ids=lambda entry: entry.name.replace(" ", "-"))
def test_the_command_line_gives_the_same_answer_in_words(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(entry.write(tmp_path))
    code, out, err = command_line("inspect", path, monkeypatch=monkeypatch)
    assert all(char.isprintable() or char in "\n\t" for char in out + err), "control characters reach the terminal"
    (out + err).encode("utf-8")
    if code == 3 and not out:
        assert isinstance(entry.answer, Refused)
        assert re.fullmatch(r"error: .+\n  why: .+\n  fix: .+\n", err, re.DOTALL)
        assert re.search(entry.answer.match, err, re.DOTALL)
        return
    assert isinstance(entry.answer, Read) or entry.answer.late
    assert err == ""
    if isinstance(entry.answer, Read):
        assert code == (3 if entry.answer.verdict is Verdict.RUNS_CODE else 0)
    assert json.loads(command_line("inspect", "--json", path, monkeypatch=monkeypatch)[1])["format"]
    assert not (tmp_path / "mark").exists()


SAMPLE = CORPUS[::60]


@pytest.mark.parametrize("entry", SAMPLE, ids=lambda entry: entry.name.replace(" ", "-"))
def test_a_real_process_answers_without_a_traceback(entry: Entry, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pthway", "inspect", str(entry.write(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 3)
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) != bool(done.stderr)


CONTROL = """
import contextlib, gzip, pickle, sys, torch
for path in sys.argv[1:]:
    with contextlib.suppress(BaseException):
        torch.load(path, weights_only=False)
    with contextlib.suppress(BaseException), open(path, "rb") as stream:
        pickle.load(stream)
"""


def test_every_payload_is_live_in_other_loaders(tmp_path: Path) -> None:
    paths = {}
    for index, entry in enumerate(entry for entry in CORPUS if entry.live):
        (tmp_path / str(index)).mkdir()
        paths[entry.name] = entry.write(tmp_path / str(index))
    assert len(paths) >= 40
    subprocess.run([sys.executable, "-W", "ignore", "-c", CONTROL, *map(str, paths.values())], check=True, timeout=300, capture_output=True)
    assert [name for name, path in paths.items() if not (path.parent / "mark").exists()] == []


def test_every_row_of_the_catalogue_is_covered() -> None:
    assert set(ROWS) - {entry.row for entry in CORPUS} == set()
    assert {entry.row for entry in CORPUS} - set(ROWS) == {None}
    assert len(CORPUS) >= 150
    assert len({entry.name for entry in CORPUS}) == len(CORPUS)
