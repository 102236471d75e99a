"""``pthway tune`` as a user meets it."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import pytest

import pthway
from pthway.bundle.environment import environment
from pthway.runtime.tuned import Measured, Setting, Timing, Tuned
from pthway.tuning.page import page
from pthway.tuning.report import admitting


def tune(*arguments: object, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pthway", "tune", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False)


QUICK = ("--budget", "0.3s", "--runtime", "onnxruntime", "--batch-size", 2, "--batch-size", 4)


def test_a_row_for_each_way_and_number_of_samples_and_what_the_next_session_takes(packed: Path, tmp_path: Path) -> None:
    done = tune(packed, *QUICK, "--plot", tmp_path / "tuned.png", "--html", tmp_path / "tuned.html")
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows, summary = done.stdout.splitlines()
    assert header.startswith("way\tsamples\tmedian ms\tp99 ms\tsamples/s")
    assert {row.split("\t")[1] for row in rows} == {"2", "4"}
    assert summary.startswith("open_session takes onnxruntime, ")
    assert pthway.open_session(packed).because.startswith("tuned on this machine, 20")
    assert matplotlib.image.imread(tmp_path / "tuned.png").std() > 0
    assert "small, tuned" in (tmp_path / "tuned.html").read_text("utf-8")


def test_json_has_everything_that_was_measured(packed: Path) -> None:
    told = json.loads(tune(packed, *QUICK, "--json").stdout)
    assert {timing["batch_size"] for each in told["measured"] for timing in each["timings"]} == {2, 4}
    assert told["ranking"][0]["runtime"] == "onnxruntime"


def _read_to_the_end(terminal: int) -> Iterator[str]:
    """What was written to a terminal, which gives some thousand bytes at a time and an error at its end."""
    with contextlib.suppress(OSError):
        while data := os.read(terminal, 1 << 16):
            yield data.decode()


def test_a_person_sees_how_far_it_is_and_a_pipe_does_not(packed: Path) -> None:
    main_end, child_end = pty.openpty()
    done = tune(packed, *QUICK, stderr=child_end)
    os.close(child_end)
    shown = "".join(_read_to_the_end(main_end))
    os.close(main_end)
    assert done.returncode == 0
    assert "turn 1: onnxruntime, " in shown and shown.endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--int8"], 2, "int8 computes other numbers"),
        (["--budget", "0s"], 2, "--budget"),
        (["--budget", "soon"], 2, "--budget"),
        (["--runtime", "abacus"], 2, "no program for 'abacus'"),
        ([*QUICK, "--plot", "/nowhere/tuned.png"], 3, "/nowhere/tuned.png cannot be written"),
    ],
)
def test_what_cannot_be_done_is_refused(packed: Path, options: list[object], code: int, told: str) -> None:
    done = tune(packed, *options)
    assert done.returncode == code
    assert told in done.stderr and "Traceback" not in done.stderr


def test_a_picture_without_matplotlib_is_refused_before_anything_is_measured(packed: Path, tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['matplotlib'] = None; sys.argv = ['pthway', *sys.argv[1:]]; from pthway.cli import main; main()"
    command = [sys.executable, "-c", blocked, "tune", packed, "--plot", tmp_path / "tuned.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'pthway[plot]'" in done.stderr


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def test_what_a_runtime_says_is_text_on_the_page_and_nothing_else() -> None:
    good = Measured(Setting("eager", 1), (Timing(1, 0.1, 0.2, 5), Timing(8, 0.4, 0.5, 5)))
    bad = Measured(Setting("openvino", 1), stopped="<script>alert(1)</script>")
    tuned = Tuned(1, "0" * 64, environment(), "2026-01-02T03:04:05+00:00", 1, (good, bad), (good.setting,), ())
    text = page(tuned, "<img src=x>")
    parser = Tags()
    parser.feed(text)
    assert "script" not in parser.seen and parser.seen.count("img") == 1
    assert "&lt;script&gt;" in text and "http:" not in text.replace("http-equiv", "") and "https:" not in text


@pytest.mark.parametrize("error", [0.0104, 0.010001, 0.99, 3e-7, 0.01])
def test_the_accuracy_that_is_proposed_admits_the_error(error: float) -> None:
    assert error <= float(admitting(error)) <= error * 1.1
