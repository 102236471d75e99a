"""The three small networks in examples/: plain PyTorch and pthway side by side, as a user runs them."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CASES = [
    ("mlp", "simple_mlp.pth", "SimpleMLP", (784, 128, 10)),
    ("cnn", "simple_cnn.pth", "SimpleCNN", (10,)),
    ("custom_layer", "model_custom.pth", "ModelWithCustomLayer", (10, 20, 1)),
]


def run(script: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, script.name, *arguments]
    done = subprocess.run(command, cwd=script.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("folder", [folder for folder, *_ in CASES])
def test_by_hand_and_with_pthway_give_the_same_answers_to_the_last_bit(folder: str, tmp_path: Path) -> None:
    printed = {name: run(EXAMPLES / folder / f"{name}.py", "-o", str(tmp_path / f"{name}.npy")) for name in ("by_hand", "deploy")}
    assert printed["deploy"] == printed["by_hand"]
    by_hand, deployed = (np.load(tmp_path / f"{name}.npy") for name in ("by_hand", "deploy"))
    assert (deployed.dtype, deployed.shape) == (by_hand.dtype, by_hand.shape)
    assert deployed.tobytes() == by_hand.tobytes()


@pytest.mark.parametrize(("folder", "file", "name", "arguments"), CASES)
def test_the_committed_weights_are_those_of_the_class(folder: str, file: str, name: str, arguments: tuple[int, ...]) -> None:
    spec = spec_from_file_location(f"examples_{folder}", EXAMPLES / folder / "model.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    network = getattr(module, name)(*arguments)
    saved = torch.load(EXAMPLES / folder / file, weights_only=True)
    assert list(saved) == list(network.state_dict())
    network.load_state_dict(saved)


@pytest.mark.parametrize("folder", ["mlp", "cnn"])
def test_the_classifiers_read_their_samples_right(folder: str, tmp_path: Path) -> None:
    run(EXAMPLES / folder / "by_hand.py", "-o", str(tmp_path / "out.npy"))
    assert np.load(tmp_path / "out.npy").argmax(1).tolist() == np.load(EXAMPLES / folder / "truth.npy").tolist()
