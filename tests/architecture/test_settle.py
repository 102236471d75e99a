"""What the user settles of a plain chain: the written class then answers as the network did, to the last bit."""

import subprocess
import sys
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pthway.architecture.scaffold.given import Given, layer
from pthway.architecture.scaffold.scaffold import Source, scaffold
from pthway.architecture.scaffold.write import Written
from pthway.checkpoint import open_checkpoint
from pthway.cli.scaffold import told_by
from pthway.errors import UsageError


class Net(nn.Module):
    """A network whose activations are functions, which leave no trace."""

    def __init__(self, layers: dict[str, nn.Module], activation: nn.Module) -> None:
        super().__init__()
        for name, each in layers.items():
            self.add_module(name, each)
        self.function = (activation,)  # in a tuple, so that it is no module of the network

    def forward(self, x: Tensor) -> Tensor:
        last = list(self._modules)[-1]
        for name, each in self._modules.items():
            if isinstance(each, nn.Linear):
                x = x.flatten(1)
            x = each(x)
            follows = list(self._modules)[list(self._modules).index(name) + 1] if name != last else ""
            if follows and not isinstance(self._modules[follows], nn.BatchNorm2d | nn.LayerNorm | nn.BatchNorm1d):
                x = self.function[0](x)
        return x


class Listed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 3)])

    def forward(self, x: Tensor) -> Tensor:
        for each in self.layers[:-1]:
            x = F.gelu(each(x))
        return self.layers[-1](x)


class Split(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(4 * 25, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


def seq(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


ROW, IMAGE, SERIES = (5, 4), (2, 3, 9, 9), (2, 3, 9)

CHAINS: dict[str, tuple[nn.Module, tuple[int, ...], Sequence[str], str | None]] = {
    "MLP, relu": (Net({"fc1": nn.Linear(4, 8), "fc2": nn.Linear(8, 6), "fc3": nn.Linear(6, 2)}, nn.ReLU()), ROW, (), "relu"),
    "MLP, gelu": (Net({"fc1": nn.Linear(4, 8), "fc2": nn.Linear(8, 2)}, nn.GELU()), ROW, (), "gelu"),
    "MLP, leaky": (Net({"a": nn.Linear(4, 8), "b": nn.Linear(8, 2)}, nn.LeakyReLU(0.2)), ROW, (), "LeakyReLU(0.2)"),
    "MLP, no bias": (Net({"a": nn.Linear(4, 8, bias=False), "b": nn.Linear(8, 2)}, nn.Tanh()), ROW, (), "tanh"),
    "MLP, batch norm": (
        Net({"a": nn.Linear(4, 8), "n": nn.BatchNorm1d(8), "b": nn.Linear(8, 2)}, nn.SiLU()), ROW, (), "silu"),
    "MLP, layer norm": (
        Net({"a": nn.Linear(4, 8), "norm": nn.LayerNorm(8, eps=1e-3), "b": nn.Linear(8, 2)}, nn.ReLU()), ROW, ("norm.eps=0.001",), "relu"),
    "list of layers": (Listed(), ROW, (), "gelu"),
    "numbered layers": (seq(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)), ROW, (), "relu"),
    "numbered layers, ELU": (seq(nn.Linear(4, 8), nn.ELU(0.5), nn.Linear(8, 3)), ROW, (), "ELU(alpha=0.5)"),
    "ends in a sigmoid": (
        seq(nn.Linear(4, 8), nn.Mish(), nn.Linear(8, 3), nn.Sigmoid()), ROW, ("3=Sigmoid",), "mish"),
    "dropout": (seq(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)), ROW, ("1=ReLU", "2=Dropout(0.5)"), None),
    "CNN": (Net({"conv1": nn.Conv2d(3, 6, 3), "conv2": nn.Conv2d(6, 4, 3), "fc": nn.Linear(100, 5)}, nn.ReLU()), IMAGE, (), "relu"),
    "CNN, batch norm": (
        Net({"conv1": nn.Conv2d(3, 6, 3), "bn1": nn.BatchNorm2d(6), "conv2": nn.Conv2d(6, 4, 3), "bn2": nn.BatchNorm2d(4)}, nn.ReLU6()),
        IMAGE, (), "relu6"),
    "CNN, strides": (
        Net({"conv1": nn.Conv2d(3, 6, 3, 2, 1), "conv2": nn.Conv2d(6, 4, 3, 2, 1), "fc": nn.Linear(36, 5)}, nn.ReLU()),
        IMAGE, ("conv*.stride=2", "conv*.padding=1"), "relu"),
    "CNN, flattened": (
        seq(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 5)), IMAGE, (), "relu"),
    "CNN, only flattened": (seq(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(100, 5)), IMAGE, (), "relu"),
    "CNN, pooled": (
        seq(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5)),
        IMAGE, ("1=ReLU", "2=MaxPool2d(2)"), "relu"),
    "CNN, pooled to one": (
        seq(nn.Conv2d(3, 6, 3), nn.GELU("tanh"), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
        IMAGE, ("1=GELU('tanh')", "2=AdaptiveAvgPool2d(1)", "3=Flatten"), None),
    "CNN in two parts": (Split(), IMAGE, ("features.3=ReLU",), "relu"),
    "series": (seq(nn.Conv1d(3, 6, 3), nn.SELU(), nn.Conv1d(6, 2, 3)), SERIES, (), "selu"),
    "series, dilated": (
        seq(nn.Conv1d(3, 6, 3, dilation=2), nn.Softplus(), nn.Conv1d(6, 2, 1)), SERIES, ("0.dilation=2",), "softplus"),
    "generator": (
        seq(nn.ConvTranspose2d(3, 6, 4, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.ConvTranspose2d(6, 1, 4, 2, 1), nn.Tanh()),
        IMAGE, ("[03].stride=2", "[03].padding=1", "4=Tanh"), "relu"),
    "replicated edges": (
        seq(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.Hardswish(), nn.Conv2d(4, 3, 1)),
        IMAGE, ("0.padding=1", "0.padding_mode='reflect'"), "hardswish"),
}  # fmt: skip


def bare(module: nn.Module) -> dict[str, Tensor]:
    """The state dict without what it notes of modules."""
    return OrderedDict(module.state_dict().items())


def written(state: dict[str, Tensor], folder: Path, given: Given) -> Written:
    torch.save(state, folder / "model.pth")
    checkpoint = open_checkpoint(folder / "model.pth")
    return scaffold(told_by(checkpoint, checkpoint.choose()), Source("model.pth", "model.py"), given)


def instance(text: str) -> nn.Module:
    home = ModuleType("scaffolded")
    exec(compile(text, "model.py", "exec"), vars(home))
    made: nn.Module = home.Model()
    return made.eval()


@pytest.mark.filterwarnings("ignore:The numbers rest on guesses:UserWarning")
@pytest.mark.parametrize("name", CHAINS)
def test_a_settled_chain_answers_the_same_to_the_last_bit(name: str, tmp_path: Path) -> None:
    module, shape, named, activation = CHAINS[name]
    for _ in range(2):
        module.train()(torch.randn(shape))  # so that norms have statistics
    found = written(bare(module), tmp_path, Given(activation, named))
    made = instance(found.text)
    made.load_state_dict(module.state_dict(), strict=True)
    assert found.forward != "to fill in" and found.unknown == 0
    x = torch.randn(shape)
    assert torch.equal(made(x), module.eval()(x))


@pytest.mark.parametrize("name", ["MLP, relu", "list of layers", "numbered layers", "ends in a sigmoid"])
def test_a_chain_of_matrices_is_complete_once_its_activation_is_given(name: str, tmp_path: Path) -> None:
    module, _, named, activation = CHAINS[name]
    found = written(bare(module), tmp_path, Given(activation, named))
    assert found.guesses.keys() <= {"container"}
    assert written(bare(module), tmp_path, Given()).forward != "complete"


def test_modules_behind_the_last_weights_are_added_one_by_one(tmp_path: Path) -> None:
    state = bare(seq(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
    text = written(state, tmp_path, Given("relu", ("3=Dropout(0.5)", "4=Sigmoid"))).text
    assert "nn.Linear(8, 3),\n            nn.Dropout(0.5),\n            nn.Sigmoid()," in text
    with pytest.raises(UsageError, match="--set 4=… fits no module"):
        written(state, tmp_path, Given("relu", ("4=Sigmoid",)))


def test_the_activation_is_the_one_that_was_given(tmp_path: Path) -> None:
    state = bare(CHAINS["MLP, relu"][0])
    texts = [written(state, tmp_path, Given(each)).text for each in ("relu", "LeakyReLU(0.3)")]
    assert "nn.ReLU()" in texts[0] and "nn.LeakyReLU(0.3)" in texts[1]


def test_where_several_modules_may_be_it_none_is(tmp_path: Path) -> None:
    state = bare(seq(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)))
    found = written(state, tmp_path, Given("relu"))
    assert found.unknown == 2 and found.text.count("nn.ReLU()") == 1
    with pytest.raises(NotImplementedError, match=r"--set '\*1=LAYER'"), pytest.warns(UserWarning, match="guesses"):
        instance(found.text)(torch.zeros(1, 4))


@pytest.mark.parametrize(
    ("activation", "named", "said"),
    [
        ("nothing", (), "'nothing' is no layer without weights of torch"),
        ("Linear(2, 3)", (), "is no layer without weights"),
        ("MaxPool2d", (), "lacks what it needs"),
        ("relu(1, 2, 3, 4)", (), "is no layer"),
        ("relu(wrong=1)", (), "is no layer"),
        ("relu(__import__('os'))", (), "is no layer"),
        ("__import__('os')", (), "is no layer"),
        ("relu", ("7=ReLU",), "--set 7=… fits no module"),
        (None, ("fc1.stride=2",), "--set fc1.stride=… fits no module"),
        (None, ("fc1",), "--set takes NAME=VALUE"),
        (None, ("fc1.eps=[",), "is no value"),
        (None, ("fc1.eps='os'",), "is no setting"),
    ],
)
def test_what_cannot_be_given_is_refused(activation: str | None, named: Sequence[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(").replace("*", r"\*")):
        written(bare(CHAINS["MLP, relu"][0]), tmp_path, Given(activation, named))


def test_two_values_for_one_place_are_refused(tmp_path: Path) -> None:
    state = bare(CHAINS["CNN, strides"][0])
    with pytest.raises(UsageError, match="stride of 'conv1' is given twice"):
        written(state, tmp_path, Given(None, ("conv1.stride=1", "conv*.stride=2")))
    with pytest.raises(UsageError, match="'1' is named twice"):
        written(bare(CHAINS["numbered layers"][0]), tmp_path, Given(None, ("1=ReLU", "*=GELU")))


def test_an_activation_that_fits_nowhere_is_refused(tmp_path: Path) -> None:
    state = bare(nn.ModuleDict({"q": nn.Linear(2, 2), "block": nn.ParameterDict({"w": torch.zeros(2)})}))
    with pytest.raises(UsageError, match="--activation fits no place"):
        written(state, tmp_path, Given("relu"))


def test_what_the_file_tells_is_not_overruled(tmp_path: Path) -> None:
    torch.save(seq(nn.Conv2d(3, 4, 3, stride=2)), tmp_path / "model.pth")
    checkpoint = open_checkpoint(tmp_path / "model.pth")
    with pytest.raises(UsageError, match="fits no module"):
        scaffold(told_by(checkpoint, checkpoint.choose()), Source("model.pth", "model.py"), Given(None, ("0.stride=1",)))


@pytest.mark.parametrize("text", ["relu", "ReLU", "ReLU()", "relu(inplace=False)"])
def test_a_layer_is_written_as_in_python(text: str) -> None:
    assert layer(text).kind == "ReLU" and layer(text).arguments == ()


def test_the_text_passes_ruff(tmp_path: Path) -> None:
    for index, (module, _, named, activation) in enumerate(CHAINS.values()):
        (tmp_path / f"chain_{index}.py").write_text(written(bare(module), tmp_path, Given(activation, named)).text, "utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--isolated", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
