"""The command line as a user meets it: a child process, its output and its exit code."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pthway

DEMO = Path(pthway.__file__).parent / "demo"
DIGITS, NETWORK = str(DEMO / "digits.pth"), f"{DEMO / 'digitnet.py'}:DigitNet"
IMAGES = sorted(map(str, (DEMO / "images").glob("*.png")))
WORDS = ["3", "8", "0", "5", "7"]


def pthway_command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pthway", *arguments], capture_output=True, text=True, check=False, **options)


def test_inspect_says_what_the_file_is() -> None:
    done = pthway_command("inspect", DIGITS)
    assert done.returncode == 0 and done.stderr == ""
    assert "torch zip" in done.stdout and "plain: tensors and data" in done.stdout
    assert "features\t" in done.stdout and "classifier\t" in done.stdout


def test_inspect_imports_neither_torch_nor_numpy_nor_rich() -> None:
    probe = f"import sys; sys.argv = ['pthway', 'inspect', {DIGITS!r}]\nfrom pthway.cli import main\n"
    probe += "try:\n    main()\nfinally:\n    assert not {'torch', 'numpy', 'rich'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False).returncode == 0


def test_inspect_lists_every_tensor_when_asked() -> None:
    lines = pthway_command("inspect", DIGITS, "--tensors").stdout
    assert all(f"{name}\t" in lines for name in pthway.open(DIGITS))


def test_inspect_gives_json() -> None:
    found = json.loads(pthway_command("inspect", DIGITS, "--json").stdout)
    assert found["format"] == "torch zip"
    (weights,) = found["weights"]
    assert [tensor["name"] for tensor in weights["tensors"]] == list(torch.load(DIGITS))


def test_inspect_exits_with_3_for_a_file_that_would_run_code(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"weight": torch.zeros(2), "x": Payload()}, tmp_path / "m.pth")
    done = pthway_command("inspect", str(tmp_path / "m.pth"))
    assert done.returncode == 3 and "would run code: posix.mkdir" in done.stdout
    assert not (tmp_path / "ran").exists()


def test_an_error_is_three_lines_and_no_traceback(tmp_path: Path) -> None:
    done = pthway_command("inspect", str(tmp_path / "nothing.pth"))
    assert done.returncode == 3 and done.stdout == ""
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["error:", "why:", "fix:"]
    assert "Traceback" in pthway_command("--debug", "inspect", str(tmp_path / "nothing.pth")).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["nonsense"],
        ["predict", DIGITS, "x.npy", "--arch", "nothing.py:Net"],
        ["predict", DIGITS, "x", "--arch", NETWORK, "--arg", "x"],
        ["predict", DIGITS, "x"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = pthway_command(*arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_predict_names_the_class_of_each_image() -> None:
    done = pthway_command("predict", DIGITS, *IMAGES, "--arch", NETWORK)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows[0] == ["input", "class", "probability"]
    assert [row[1] for row in rows[1:]] == WORDS
    assert "pixels" in done.stderr, "what was done to the images is said"


def test_predict_gives_json_with_labels_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]))
    labels = str(tmp_path / "labels.txt")
    found = json.loads(pthway_command("predict", DIGITS, *IMAGES, "--arch", NETWORK, "--json", "--labels", labels).stdout)
    assert [row["label"] for row in found] == ["three", "eight", "zero", "five", "seven"]


@pytest.mark.parametrize("form", ["npy", "npz", "json", "csv", "stdin"])
def test_predict_reads_arrays_and_writes_what_plain_torch_gives(form: str, tmp_path: Path) -> None:
    held_out = np.load(DEMO / "held_out.npz")["images"][:7].astype(np.float32) / np.float32(255)
    source, options = str(tmp_path / f"x.{form}"), {}
    match form:
        case "npy":
            np.save(source, held_out)
        case "npz":
            np.savez(source, held_out)
        case "json":
            Path(source).write_text(json.dumps(held_out.tolist()))
        case "csv":
            np.savetxt(source, held_out.reshape(7, -1), delimiter=",", fmt="%.9g")
        case "stdin":
            source, options = "-", {"input": json.dumps(held_out.tolist())}
    done = pthway_command("predict", DIGITS, source, "--arch", NETWORK, "-o", str(tmp_path / "out.npy"), **options)
    assert done.returncode == 0, done.stderr
    model = pthway.load(DIGITS, NETWORK)
    assert np.array_equal(np.load(tmp_path / "out.npy"), model(torch.from_numpy(held_out)).numpy())


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_predict_writes_tables(ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"out.{ending}"
    assert pthway_command("predict", DIGITS, *IMAGES, "--arch", NETWORK, "-o", str(out)).returncode == 0
    text = out.read_text()
    assert all(Path(image).name in text for image in IMAGES)


def test_predict_refuses_an_image_of_another_size_and_says_what_to_do(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (20, 10)).save(tmp_path / "large.png")
    done = pthway_command("predict", DIGITS, str(tmp_path / "large.png"), "--arch", NETWORK)
    assert done.returncode == 3 and "--resize" in done.stderr
    assert pthway_command("predict", DIGITS, str(tmp_path / "large.png"), "--arch", NETWORK, "--resize", "stretch").returncode == 0


def test_predict_uses_the_mean_and_std_that_are_given() -> None:
    plain = pthway_command("predict", DIGITS, IMAGES[0], "--arch", NETWORK, "--json").stdout
    shifted = pthway_command("predict", DIGITS, IMAGES[0], "--arch", NETWORK, "--json", "--mean", "0.5", "--std", "0.25").stdout
    assert json.loads(plain)[0]["outputs"] != json.loads(shifted)[0]["outputs"]


def test_demo_goes_from_the_file_to_the_accuracy() -> None:
    done = pthway_command("demo")
    assert done.returncode == 0, done.stderr
    lines = ("pthway inspect digits.pth", "pthway.load", "channels", "solved", "held-out images right: 9")
    deployed = ("onnxruntime\tas recorded", "eager\tas recorded", "0_three.png: 3", "accuracy 99.17% of 360 images")
    for line in (*lines, *deployed):
        assert line in done.stdout


def test_a_terminal_gets_colour() -> None:
    main, child = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "pthway", "inspect", DIGITS], stdout=child, stderr=child) as process:
        os.close(child)
        seen = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
    assert process.returncode == 0 and b"\x1b[" in seen and b"torch zip" in seen


def test_check_tries_the_network_and_exits_with_1_where_a_test_failed(tmp_path: Path) -> None:
    done = pthway_command("check", DIGITS, "--arch", NETWORK, "--batch-size", "3")
    assert done.returncode == 0, done.stderr
    assert "ok  deterministic" in done.stdout and "batches of 3" in done.stdout
    state = torch.load(DIGITS)
    state["classifier.4.bias"][2] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    failed = pthway_command("check", str(tmp_path / "nan.pth"), "--arch", NETWORK, "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["weights_not_finite"] == ["classifier.4.bias"]


@pytest.mark.parametrize("shape", [(4, 1, 8, 8), (1, 8, 8)])
def test_check_takes_inputs_of_the_users(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "given.npy", np.random.default_rng(0).random(shape))
    done = pthway_command("check", DIGITS, "--arch", NETWORK, "--input", str(tmp_path / "given.npy"))
    assert done.returncode == 0 and "tried on the given inputs" in done.stdout, done.stderr


def test_check_without_an_architecture_says_what_to_pass(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.ones(2, 3)}, tmp_path / "m.pth")
    done = pthway_command("check", str(tmp_path / "m.pth"))
    assert done.returncode == 2 and "No architecture was given" in done.stderr
