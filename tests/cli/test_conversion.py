"""``convert``, ``diff`` and ``inspect --stats`` as a user meets them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pthway

DIGITS = str(Path(pthway.__file__).parent / "demo" / "digits.pth")


def pthway_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pthway", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("ending", ["safetensors", "npz", "pth"])
def test_convert_writes_and_says_what(ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"out.{ending}"
    done = pthway_command("convert", DIGITS, out)
    assert done.returncode == 0 and done.stderr == ""
    assert f"{out.stat().st_size:,} bytes" in done.stdout and "18 tensors" in done.stdout


def test_convert_gives_json_and_converts_the_type(tmp_path: Path) -> None:
    told = json.loads(pthway_command("convert", DIGITS, tmp_path / "out.pth", "--half", "--json").stdout)
    assert told["changed"] == {"float32 to float16": 16} and told["tensors"] == 18 and told["target"] == "torch zip"
    assert torch.load(tmp_path / "out.pth")["classifier.4.bias"].dtype == torch.float16


def test_convert_imports_no_torch_and_no_numpy_to_copy(tmp_path: Path) -> None:
    probe = f"import sys; sys.argv = ['pthway', 'convert', {DIGITS!r}, {str(tmp_path / 'out.safetensors')!r}]\n"
    probe += "from pthway.cli import main\ntry:\n    main()\nfinally:\n    assert not {'torch', 'numpy', 'rich'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False).returncode == 0


def test_convert_asks_which_weights_and_takes_the_answer(tmp_path: Path) -> None:
    torch.save({"model": {"w": torch.zeros(2)}, "model_ema": {"w": torch.ones(2)}}, tmp_path / "two.pth")
    done = pthway_command("convert", tmp_path / "two.pth", tmp_path / "out.pth")
    assert done.returncode == 3 and "--weights ema" in done.stderr and not (tmp_path / "out.pth").exists()
    assert pthway_command("convert", tmp_path / "two.pth", tmp_path / "out.pth", "--weights", "ema").returncode == 0
    assert torch.load(tmp_path / "out.pth")["w"].tolist() == [1, 1]


def test_convert_refuses_to_overwrite_its_input_and_unknown_endings(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "in.pth")
    assert pthway_command("convert", tmp_path / "in.pth", tmp_path / "in.pth").returncode == 2
    assert pthway_command("convert", tmp_path / "in.pth", tmp_path / "out.onnx").returncode == 2
    assert pthway_command("convert", tmp_path / "in.pth", tmp_path / "out.pth", "--half", "--bfloat16").returncode == 2


def test_convert_takes_a_file_that_would_run_code_and_runs_nothing(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> object:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"model": {"w": torch.zeros(2)}, "x": Payload()}, tmp_path / "m.pth")
    done = pthway_command("convert", tmp_path / "m.pth", tmp_path / "out.pth", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["safety"] == "would run code"
    assert not (tmp_path / "ran").exists()
    assert pthway_command("inspect", tmp_path / "out.pth").returncode == 0


def test_a_person_sees_a_bar_on_stderr(tmp_path: Path) -> None:
    main, child = pty.openpty()
    command = [sys.executable, "-m", "pthway", "convert", DIGITS, str(tmp_path / "out.npz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=child) as process:
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
    assert process.returncode == 0 and b"writing out.npz" in seen


def test_diff_of_equal_files_exits_with_0(tmp_path: Path) -> None:
    pthway_command("convert", DIGITS, tmp_path / "same.pth")
    done = pthway_command("diff", DIGITS, tmp_path / "same.pth")
    assert done.returncode == 0 and done.stdout == "All tensors are equal.\n"
    assert json.loads(pthway_command("diff", DIGITS, tmp_path / "same.pth", "--json").stdout) == []


def test_diff_names_what_differs_and_exits_with_1(tmp_path: Path) -> None:
    state = torch.load(DIGITS)
    state["classifier.4.bias"][3] += 1
    torch.save(state, tmp_path / "other.pth")
    done = pthway_command("diff", DIGITS, tmp_path / "other.pth")
    assert done.returncode == 1
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()[1:]] == [["classifier.4.bias", "other numbers"]]
    (told,) = json.loads(pthway_command("diff", DIGITS, tmp_path / "other.pth", "--json").stdout)
    assert told["differing"] == 1 and told["elements"] == 10 and told["largest"] == pytest.approx(1)
    assert pthway_command("diff", DIGITS, tmp_path / "nothing.pth").returncode == 3


def test_inspect_gives_statistics_when_asked() -> None:
    bias = torch.load(DIGITS)["classifier.4.bias"].double()
    (weights,) = json.loads(pthway_command("inspect", DIGITS, "--stats", "--json").stdout)["weights"]
    (told,) = [tensor["stats"] for tensor in weights["tensors"] if tensor["name"] == "classifier.4.bias"]
    assert told["smallest"] == float(bias.min()) and told["mean"] == pytest.approx(float(bias.mean()))
    assert told["std"] == pytest.approx(float(bias.std(correction=0)))
    assert "classifier.4.bias\tfloat32\t[10]\t" in pthway_command("inspect", DIGITS, "--stats").stdout
