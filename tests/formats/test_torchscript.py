"""TorchScript archives: the oracle is ``torch.jit.load(path).state_dict()``."""

from enum import Enum
from pathlib import Path

import pytest
import torch
from torch import nn

from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.torch_tensors import tensors

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch says that TorchScript is old; its files remain
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Layout(Enum):
    FIRST = "first"
    LAST = "last"


class Arranged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.layout = nn.Linear(2, 2), Layout.LAST

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) if self.layout == Layout.LAST else x


def test_a_module_that_holds_a_member_of_an_enumeration_is_read(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(Arranged()), tmp_path / "model.pt")
    checkpoint = open_checkpoint(tmp_path / "model.pt")
    assert list(checkpoint) == ["linear.weight", "linear.bias"] and checkpoint.safety.verdict is Verdict.DESCRIPTIVE


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.norm(x))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 3), Block())
        self.last = nn.Linear(3, 3)
        self.register_buffer("steps", torch.arange(3.0))
        self.shift = torch.full((3,), 2.0)
        self.heads = 2

    def forward(self, x):
        return self.last(self.inner(x)) + self.steps + self.shift


def saved(module: object, path: Path) -> Path:
    torch.jit.save(module, str(path))
    return path


def equal(path: Path) -> None:
    checkpoint = open_checkpoint(path)
    wanted = torch.jit.load(str(path)).state_dict()
    read = tensors(checkpoint.container, checkpoint.choose().tensors)
    assert sorted(read) == sorted(wanted)
    for name, value in wanted.items():
        assert torch.equal(read[name], value), name


@pytest.mark.parametrize("way", ["scripted", "traced"])
def test_weights_are_those_of_the_state_dict_that_torch_loads(way: str, tmp_path: Path) -> None:
    network = Network().eval()
    module = torch.jit.script(network) if way == "scripted" else torch.jit.trace(network, torch.ones(2, 4))
    equal(saved(module, tmp_path / "net.pt"))


def test_tied_weights_are_read_under_both_names(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    equal(saved(torch.jit.script(network), tmp_path / "net.pt"))


def test_the_program_is_listed_and_attributes_are_data(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(saved(torch.jit.script(Network()), tmp_path / "net.pt"))
    code = [str(text) for name, text in checkpoint.extras.items() if name.startswith("code/__torch__/")]  # torch mangles the names
    assert any("def forward" in text for text in code)
    assert checkpoint.extras["attributes"] == {"heads": 2, "shift": "<tensor float32 [3]>"}
    assert checkpoint.safety.verdict is Verdict.DESCRIPTIVE
    assert checkpoint.container.parts.stem == "net"
    assert "torch 2.1 or later" in checkpoint.container.parts.written_by


def test_a_frozen_module_gives_its_constants(tmp_path: Path) -> None:
    module = torch.jit.freeze(torch.jit.script(Network().eval()))
    checkpoint = open_checkpoint(saved(module, tmp_path / "net.pt"))
    read = tensors(checkpoint.container, checkpoint.choose().tensors)
    graph = module.inlined_graph
    nodes = graph.findAllNodes("prim::Constant")
    constants = [node.t("value") for node in nodes if node.hasAttributes() and node.kindOf("value") == "t"]
    assert constants
    for constant in constants:
        assert any(constant.shape == value.shape and torch.equal(constant, value) for value in read.values())
    assert any("frozen" in note for note in checkpoint.container.parts.notes)
