"""``pthway scaffold`` as a user meets it."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch import nn

import pthway
from pthway.cli import scaffold
from pthway.errors import UsageError

DIGITS = Path(pthway.__file__).parent / "demo" / "digits.pth"


def pthway_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pthway", *map(str, arguments)], capture_output=True, text=True, check=False)


def options(file: Path, output: Path, **changed: object) -> Namespace:
    return Namespace(
        **{"file": file, "output": output, "force": False, "weights": None, "json": False, "activation": None, "set": [], **changed}
    )


def test_scaffold_writes_a_class_that_pthway_loads_with_the_weights(tmp_path: Path) -> None:
    done = pthway_command("scaffold", DIGITS, "-o", tmp_path / "model.py")
    assert done.returncode == 0 and done.stderr == ""
    assert "all 18 tensors load strictly in torch" in done.stdout and "to be filled in" in done.stdout
    model = pthway.load(DIGITS, f"{tmp_path / 'model.py'}:Model")
    assert torch.equal(model.module.get_parameter("classifier.4.bias"), torch.load(DIGITS)["classifier.4.bias"])


def test_a_pickled_chain_is_loaded_and_predicts_what_it_did(tmp_path: Path) -> None:
    chain = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
    torch.save(chain, tmp_path / "chain.pth")
    assert scaffold.run(options(tmp_path / "chain.pth", tmp_path / "model.py")) == 0
    x = torch.randn(2, 4)
    assert torch.equal(pthway.load(tmp_path / "chain.pth", f"{tmp_path / 'model.py'}:Model")(x), chain(x))


def test_a_chain_is_complete_with_the_activation_that_is_given(tmp_path: Path) -> None:
    chain = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(), nn.Linear(8, 3)).eval()
    torch.save(dict(chain.state_dict()), tmp_path / "chain.pth")
    settled = ("--set", "1=tanh", "--set", "2=Dropout(0.5)")
    done = pthway_command("scaffold", tmp_path / "chain.pth", "-o", tmp_path / "model.py", *settled)
    assert done.returncode == 0 and "guesses     container" in done.stdout
    x = torch.randn(2, 4)
    with pytest.warns(UserWarning, match="rest on guesses"):
        assert torch.equal(pthway.load(tmp_path / "chain.pth", f"{tmp_path / 'model.py'}:Model")(x), chain(x))
    refused = pthway_command("scaffold", tmp_path / "chain.pth", "-o", tmp_path / "other.py", "--activation", "exec('1')")
    assert refused.returncode == 2 and "is no layer without weights" in refused.stderr and not (tmp_path / "other.py").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated.*:DeprecationWarning")
def test_a_torchscript_archive_is_written_whole_and_predicts_what_it_did(tmp_path: Path) -> None:
    chain = torch.jit.script(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).eval())
    torch.jit.save(chain, tmp_path / "chain.pt")
    done = pthway_command("scaffold", tmp_path / "chain.pt", "-o", tmp_path / "model.py")
    assert done.returncode == 0 and "complete: nothing in it is guessed" in done.stdout
    x = torch.randn(2, 4)
    assert torch.equal(pthway.load(tmp_path / "chain.pt", f"{tmp_path / 'model.py'}:Model")(x), chain(x))


def test_a_file_that_stands_there_is_kept_unless_force_is_given(tmp_path: Path) -> None:
    output = tmp_path / "model.py"
    output.write_text("mine")
    with pytest.raises(UsageError, match=r"model.py exists"):
        scaffold.run(options(DIGITS, output))
    assert output.read_text() == "mine"
    assert scaffold.run(options(DIGITS, output, force=True)) == 0
    assert "class Model" in output.read_text() and [path.name for path in tmp_path.iterdir()] == ["model.py"]


def test_json_says_what_is_known_and_what_is_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.LayerNorm(3)).state_dict(), tmp_path / "m.pth")
    scaffold.run(options(tmp_path / "m.pth", tmp_path / "model.py", json=True))
    told = json.loads(capsys.readouterr().out)
    assert told["tensors"] == 4 and told["verified"] is True and told["unknown"] == 1 and told["forward"] == "to fill in"
    assert told["guesses"] == {"norm": 1, "eps": 1, "container": 1} and "text" not in told


def test_without_torch_it_is_written_and_said_not_to_be_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scaffold, "find_spec", lambda _: None)
    assert scaffold.run(options(DIGITS, tmp_path / "model.py")) == 0
    assert "not verified: torch is not installed" in capsys.readouterr().out


def test_a_class_is_written_without_torch_and_numpy(tmp_path: Path) -> None:
    probe = f"""
import sys
from argparse import Namespace
from pathlib import Path
from pthway.cli import scaffold
scaffold.find_spec = lambda _: None
more = dict(force=False, weights=None, json=False, activation=None, set=[])
scaffold.run(Namespace(file=Path({str(DIGITS)!r}), output=Path({str(tmp_path / "model.py")!r}), **more))
assert not {{"torch", "numpy", "rich"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_weights_that_are_named_are_written_and_named_in_the_call(tmp_path: Path) -> None:
    torch.save({"model": {"a.w": torch.zeros(2)}, "model_ema": {"a.w": torch.zeros(3)}}, tmp_path / "two.pth")
    assert scaffold.run(options(tmp_path / "two.pth", tmp_path / "model.py", weights="ema")) == 0
    text = (tmp_path / "model.py").read_text()
    assert "torch.empty(3)" in text and 'pthway.load("two.pth", "model.py:Model", weights="model_ema")' in text


def test_the_source_that_an_old_module_carries_stands_there_as_a_comment(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\nclass Net(nn.Module):\n    pass\n")
    save = f"""
import sys, warnings
sys.path.insert(0, {str(tmp_path)!r})
warnings.simplefilter("ignore")
import torch, net
made = net.Net()
made.fc = torch.nn.Linear(2, 3)
torch.save(made, {str(tmp_path / "old.pth")!r}, _use_new_zipfile_serialization=False)
"""
    subprocess.run([sys.executable, "-c", save], check=True)
    assert scaffold.run(options(tmp_path / "old.pth", tmp_path / "model.py")) == 0
    text = (tmp_path / "model.py").read_text()
    assert "# --- text from the weights file, which was not run: source of net.Net ---\n# | class Net(nn.Module):\n# |     pass\n" in text
    assert 'in the file of class net.Net."""' in text


def test_a_file_that_would_run_code_is_written_about_and_nothing_runs(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> object:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"model": {"a.w": torch.zeros(2)}, "extra": Payload()}, tmp_path / "bad.pth")
    assert scaffold.run(options(tmp_path / "bad.pth", tmp_path / "model.py")) == 0
    assert "pthway.load refuses it" in (tmp_path / "model.py").read_text() and not (tmp_path / "ran").exists()
