"""What pthway scaffold writes, judged by torch: the class loads the file strictly, and has no name, shape or type besides."""

import ast
import subprocess
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pthway.architecture.scaffold.scaffold import MAX_TEXT, Source, scaffold
from pthway.architecture.scaffold.settings import LARGEST, Settings
from pthway.architecture.scaffold.told import MAX_LEVELS, Held, Told
from pthway.architecture.scaffold.torchscript import modules
from pthway.architecture.scaffold.torchscript.modules import modules_of
from pthway.architecture.scaffold.torchscript.program import parse
from pthway.architecture.scaffold.verify import verify
from pthway.architecture.scaffold.write import Written
from pthway.checkpoint import open_checkpoint
from pthway.cli.scaffold import told_by
from pthway.errors import LimitExceeded, Mismatch, Unrepresentable
from tests.architecture import networks


def written(path: Path, texts: Mapping[str, str] | None = None) -> Written:
    checkpoint = open_checkpoint(path)
    return scaffold(told_by(checkpoint, checkpoint.choose()), Source(path.name, "model.py", texts=texts or {}))


def of(saved: object, folder: Path) -> Written:
    torch.save(saved, folder / "model.pth")
    return written(folder / "model.pth")


def instance(text: str) -> nn.Module:
    home = ModuleType("scaffolded")
    exec(compile(text, "model.py", "exec"), vars(home))
    made: nn.Module = home.Model()
    return made.eval()


def entries(state: Mapping[str, Any]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}


def loaded(saved: Mapping[str, Any], folder: Path) -> tuple[Written, nn.Module]:
    """The text of a state dict's class, and an instance with the weights, loaded strictly by torch."""
    found = of(saved, folder)
    module = instance(found.text)
    assert entries(module.state_dict()) == entries(saved)
    module.load_state_dict(torch.load(folder / "model.pth"), strict=True)
    return found, module


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "Linear": partial(nn.Linear, 3, 4),
    "Linear without bias": partial(nn.Linear, 3, 4, bias=False),
    "Embedding": partial(nn.Embedding, 10, 4),
    "EmbeddingBag": partial(nn.EmbeddingBag, 10, 4),
    "Bilinear": partial(nn.Bilinear, 3, 4, 5),
    "Conv1d": partial(nn.Conv1d, 3, 4, 3),
    "Conv2d grouped": partial(nn.Conv2d, 4, 8, (3, 5), groups=2, padding="same", padding_mode="reflect"),
    "Conv3d": partial(nn.Conv3d, 3, 4, 3, 2, 1),
    "ConvTranspose1d": partial(nn.ConvTranspose1d, 3, 4, 3),
    "ConvTranspose2d grouped": partial(nn.ConvTranspose2d, 4, 8, 3, 2, 1, 1, groups=2),
    "ConvTranspose2d without bias": partial(nn.ConvTranspose2d, 4, 8, 3, bias=False),
    "ConvTranspose3d": partial(nn.ConvTranspose3d, 3, 3, 3),
    "BatchNorm1d": partial(nn.BatchNorm1d, 3),
    "BatchNorm2d without affine": partial(nn.BatchNorm2d, 3, affine=False),
    "BatchNorm3d without statistics": partial(nn.BatchNorm3d, 3, track_running_stats=False),
    "SyncBatchNorm": partial(nn.SyncBatchNorm, 3),
    "InstanceNorm2d": partial(nn.InstanceNorm2d, 3, affine=True),
    "InstanceNorm2d with statistics": partial(nn.InstanceNorm2d, 3, affine=True, track_running_stats=True),
    "LayerNorm": partial(nn.LayerNorm, (4, 5)),
    "LayerNorm without bias": partial(nn.LayerNorm, 4, bias=False),
    "GroupNorm": partial(nn.GroupNorm, 2, 6, eps=1e-3),
    "RMSNorm": partial(nn.RMSNorm, 4),
    "PReLU": nn.PReLU,
    "PReLU per channel": partial(nn.PReLU, 3),
    "LSTM": partial(nn.LSTM, 3, 4, 2, bidirectional=True),
    "LSTM with projection": partial(nn.LSTM, 3, 6, 2, proj_size=2, bidirectional=True, bias=False),
    "GRU": partial(nn.GRU, 3, 4, batch_first=True),
    "RNN": partial(nn.RNN, 3, 4, nonlinearity="relu"),
    "LSTMCell": partial(nn.LSTMCell, 3, 4),
    "GRUCell": partial(nn.GRUCell, 3, 4, bias=False),
    "RNNCell": partial(nn.RNNCell, 3, 4),
    "MultiheadAttention": partial(nn.MultiheadAttention, 8, 2),
    "MultiheadAttention of other keys": partial(nn.MultiheadAttention, 8, 2, kdim=3, vdim=5, add_bias_kv=True),
    "MultiheadAttention without bias": partial(nn.MultiheadAttention, 8, 4, bias=False, batch_first=True),
    "TransformerEncoderLayer": partial(nn.TransformerEncoderLayer, 8, 2, 16, activation="gelu", norm_first=True),
    "TransformerDecoderLayer": partial(nn.TransformerDecoderLayer, 8, 4, 16, batch_first=True),
    "TransformerEncoder": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 4, 16, batch_first=True, dtype=torch.float64), 3, enable_nested_tensor=False
    ),
    "TransformerDecoder": lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2, nn.LayerNorm(8, eps=1e-3)),
}
"""One of every layer with weights that is written by its name."""


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("form", ["with _metadata", "bare names", "inside others"])
def test_every_layer_is_written_so_that_it_loads_strictly(name: str, form: str, tmp_path: Path) -> None:
    layer = LAYERS[name]()
    state = (nn.Sequential(nn.Linear(7, 3), layer) if form == "inside others" else layer).state_dict()
    found, _ = loaded(dict(state) if form == "bare names" else state, tmp_path)
    assert found.forward != "complete" or name in ("Linear", "Linear without bias") or name.startswith(("LSTMC", "GRUC"))


@pytest.mark.parametrize("name", LAYERS)
def test_a_pickled_layer_is_written_with_all_its_settings(name: str, tmp_path: Path) -> None:
    layer = nn.Sequential(LAYERS[name](), nn.ReLU())
    found = of(layer, tmp_path)
    made = instance(found.text)
    assert found.forward == "complete" and not found.guesses
    assert [_settings(module) for module in made.modules()] == [_settings(module) for module in layer.modules()]


def _settings(module: nn.Module) -> tuple[str, dict[str, object]]:
    simple = int, float, str, bool, tuple, type(None)
    held = {name: value for name, value in vars(module).items() if isinstance(value, simple) and name != "training"}
    return type(module).__name__.replace("Model", "Sequential"), held


WITHOUT_WEIGHTS = (
    nn.ReLU(inplace=True), nn.LeakyReLU(0.2), nn.ELU(0.5), nn.GELU("tanh"), nn.Softmax(1), nn.Hardtanh(-2, 2), nn.Softplus(2, 10),
    nn.Threshold(0.1, 20), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d((2, 4), count_include_pad=False),
    nn.AdaptiveAvgPool2d((None, 7)), nn.AdaptiveMaxPool1d(3), nn.Dropout(0.25), nn.Flatten(0, 1), nn.Unflatten(1, (2, 2)),
    nn.PixelShuffle(2), nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=True), nn.ZeroPad2d((1, 2, 3, 4)),
    nn.ConstantPad1d(1, 0.5), nn.ReflectionPad2d(1), nn.LocalResponseNorm(2), nn.GLU(1), nn.ChannelShuffle(2), nn.Identity(),
)  # fmt: skip


def test_pickled_modules_without_weights_keep_their_settings(tmp_path: Path) -> None:
    original = nn.Sequential(nn.Linear(2, 2), *WITHOUT_WEIGHTS)
    found = of(original, tmp_path)
    assert found.unknown == 0 and [_settings(module) for module in instance(found.text).modules()] == [
        _settings(m) for m in original.modules()
    ]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "MLP": partial(networks.SimpleMLP, 3, 4, 5),
    "CNN": networks.SimpleCNN,
    "recurrent": partial(networks.Recurrent, 3, 4, 2, 5, True),
    "U-Net": partial(networks.UNet, 3, 2, 4),
    "text encoder": partial(networks.TextEncoder, 11, 8, 2, 2, 16, 7),
    "heads": partial(networks.Heads, 16),
    "ResNet": partial(networks.ResNet, 10),
    "vision transformer": partial(networks.Vision, 32, 16, 16, 2),
    "stack": partial(networks.Stack, 3, 4, 5, 3),
    "tied": partial(networks.Tied, 7, 3),
    "list": lambda: nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 4)])}),
    "tutorial": partial(networks.Tutorial, 5, 4, 3, 0.1, 0),
    "Transformer": partial(nn.Transformer, 8, 2, 2, 2, 16, batch_first=True),
    "parameters in a list": lambda: nn.ParameterList([torch.zeros(2), torch.zeros(3)]),
    "parameters in a dictionary": lambda: nn.ParameterDict({"a": torch.zeros(2)}),
    "modules in a dictionary": lambda: nn.ModuleDict({"a": nn.Linear(2, 3), "b c": nn.Linear(3, 4)}),
    "half": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).half(),
    "bfloat16": lambda: nn.LSTM(3, 4).bfloat16(),
    "double": lambda: nn.Linear(2, 3).double(),
    "complex": partial(nn.Linear, 2, 3, dtype=torch.complex64),
    "weight norm": lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 3))),
    "spectral norm": lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.ConvTranspose2d(3, 4, 3))),
    "older spectral norm": lambda: nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(3, 4, 3)), nn.utils.spectral_norm(nn.Linear(3, 4))),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_load_strictly_and_lay_down_no_more_than_the_file(name: str, tmp_path: Path) -> None:
    state = NETWORKS[name]().state_dict()
    loaded(state, tmp_path)
    loaded(OrderedDict(state.items()), tmp_path)  # without _metadata


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_older_weight_norm_keeps_its_names(tmp_path: Path) -> None:
    found, _ = loaded(nn.Sequential(nn.utils.weight_norm(nn.Conv1d(3, 4, 3))).state_dict(), tmp_path)
    assert "nn.utils.weight_norm(nn.Conv1d(3, 4, 3))" in found.text


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("weight norm", "spectral norm", "older spectral norm")])
def test_whole_pickled_networks_load_strictly(name: str, tmp_path: Path) -> None:
    module = NETWORKS[name]()
    made = instance(of(module, tmp_path).text)
    assert entries(made.state_dict()) == entries(module.state_dict())
    assert {name for name, _ in made.named_buffers()} == {name for name, _ in module.named_buffers() if name in module.state_dict()}
    made.load_state_dict(module.state_dict(), strict=True)


# --- what runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "shape"),
    [
        (nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)), (3, 4)),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4)), (2, 3, 9, 9)),
        (nn.Sequential(nn.Conv1d(2, 6, 3), nn.BatchNorm1d(6), nn.ConvTranspose1d(6, 2, 3)), (2, 2, 9)),
        (nn.Sequential(nn.Embedding(9, 4), nn.LayerNorm(4), nn.Linear(4, 9)), None),
        (nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.PReLU()), nn.Sequential(nn.Linear(8, 2))), (3, 4)),
    ],
)
def test_a_plain_chain_gives_the_same_numbers_to_the_last_bit(chain: nn.Sequential, shape: tuple[int, ...] | None, tmp_path: Path) -> None:
    _train_a_little(chain, shape)
    _, module = loaded(chain.state_dict(), tmp_path)
    x = torch.arange(6).reshape(2, 3) if shape is None else torch.randn(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it rests on guesses
        assert torch.equal(module(x), chain.eval()(x))


def _train_a_little(module: nn.Module, shape: tuple[int, ...] | None) -> None:
    if shape is not None:
        for _ in range(3):
            module(torch.randn(shape) * 2 + 1)


def test_a_pickled_chain_gives_the_same_numbers_to_the_last_bit(tmp_path: Path) -> None:
    chain = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8, eps=1e-2), nn.LeakyReLU(0.3), nn.MaxPool2d(2)),
        nn.Sequential(*(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.GroupNorm(2, 8), nn.GELU("tanh")) for _ in range(3))),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.4), nn.Linear(32, 10), nn.Softmax(1),
    )  # fmt: skip
    _train_a_little(chain, (2, 3, 16, 16))
    found = of(chain, tmp_path)
    made = instance(found.text)
    made.load_state_dict(chain.state_dict())
    x = torch.randn(2, 3, 16, 16)
    assert found.forward == "complete" and torch.equal(made(x), chain.eval()(x))


def test_a_custom_class_runs_in_the_order_of_the_file_and_warns_that_it_is_a_guess(tmp_path: Path) -> None:
    found, module = loaded(networks.Pooled(28, 4).state_dict(), tmp_path)
    assert found.forward == "guessed" and found.guesses["order"] == 1
    with pytest.warns(UserWarning, match="rest on guesses"), pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        module(torch.randn(1, 3, 28, 28))  # the pooling that nothing tells of is missing
    with pytest.warns(UserWarning, match="rest on guesses"):
        assert module(torch.randn(1, 3, 9, 9)).shape == (1, 10)  # flattened between convolution and Linear


@pytest.mark.parametrize("name", ["U-Net", "recurrent", "Transformer"])
def test_a_forward_that_the_order_does_not_tell_is_left_to_fill_in(name: str, tmp_path: Path) -> None:
    found, module = loaded(NETWORKS[name]().state_dict(), tmp_path)
    assert found.forward == "to fill in"
    with pytest.raises(NotImplementedError, match=r"Model.forward is not in the file. What is known, in its order: \w+"):
        module(torch.zeros(1))


def test_a_module_without_weights_that_nothing_tells_of_refuses_to_be_run(tmp_path: Path) -> None:
    _, module = loaded(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).state_dict(), tmp_path)
    with pytest.warns(UserWarning, match="guesses"), pytest.raises(NotImplementedError, match="1 has no weights"):
        module(torch.zeros(1, 2))


def test_a_dropout_is_known_by_its_name_and_marked(tmp_path: Path) -> None:
    found, _ = loaded(networks.SimpleMLP(3, 4, 5).state_dict(), tmp_path)
    assert "self.dropout = nn.Dropout()  # guess: name" in found.text and found.unknown == 0


# --- how it is told ------------------------------------------------------------------------------------------------------


def test_repeated_blocks_are_one_class_and_a_loop(tmp_path: Path) -> None:
    found, _ = loaded(networks.ResNet(10, blocks=5).state_dict(), tmp_path)
    blocks = [node for node in ast.parse(found.text).body if isinstance(node, ast.ClassDef)]
    assert [block.name for block in blocks] == ["Layer1Block", "Layer2Block", "Model"]
    assert "*(Layer1Block(64) for _ in range(2))" in found.text and "*(Layer1Block(128) for _ in range(4))" in found.text


def test_modules_numbered_in_their_names_are_a_loop(tmp_path: Path) -> None:
    found, _ = loaded(nn.ModuleDict({f"layer_{index}": nn.Linear(3, 3) for index in range(4)}).state_dict(), tmp_path)
    assert "for index in range(4):" in found.text and found.text.count("nn.Linear(3, 3)") == 1


@pytest.mark.parametrize(
    ("layer", "guess"),
    [
        (nn.MultiheadAttention(8, 2), "heads"),
        (nn.Conv2d(4, 4, 3), "transposed"),
        (nn.Conv2d(3, 4, 3), "stride"),
        (nn.LayerNorm(3), "eps"),
        (nn.BatchNorm1d(3), "norm"),
        (nn.Linear(3, 4, bias=False), "embedding"),
        (nn.GRU(3, 4), "batch_first"),
        (nn.RNN(3, 4), "nonlinearity"),
        (nn.ParameterDict({"a": torch.zeros(2)}), "parameter"),
    ],
)
def test_what_weights_do_not_tell_is_marked_with_what_would_settle_it(layer: nn.Module, guess: str, tmp_path: Path) -> None:
    found, _ = loaded(nn.ModuleDict({"a": layer}).state_dict(), tmp_path)
    marked = [line for line in found.text.splitlines() if "# guess: " in line and guess in line.rpartition("# ")[2]]
    assert len(marked) == found.guesses[guess] == 1
    assert f"- {guess} (1 place): " in (ast.get_docstring(ast.parse(found.text)) or "")


def test_what_the_bias_tells_is_no_guess(tmp_path: Path) -> None:
    found, _ = loaded(nn.ModuleDict({"a": nn.ConvTranspose2d(4, 8, 3)}).state_dict(), tmp_path)
    assert "nn.ConvTranspose2d(4, 8, 3)" in found.text and "transposed" not in found.guesses


def test_a_depthwise_convolution_is_told_by_the_layer_before_it(tmp_path: Path) -> None:
    found, _ = loaded(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8)).state_dict(), tmp_path)
    assert "nn.Conv2d(8, 8, 3, groups=8),  # guess: groups" in found.text


def test_notes_on_modules_that_belong_to_other_names_are_not_used(tmp_path: Path) -> None:
    state = nn.Sequential(nn.Linear(2, 3), nn.Tanh()).state_dict()
    renamed = OrderedDict((f"net.{name}", tensor) for name, tensor in state.items())
    renamed._metadata = state._metadata  # type: ignore[attr-defined]
    found, _ = loaded(renamed, tmp_path)
    assert "its keys were changed after training" in found.text and found.unknown == 0


def test_batch_norm_of_before_its_counter_loads_strictly(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in nn.Sequential(nn.BatchNorm2d(3)).state_dict().items() if "num" not in name}
    module = instance(of(state, tmp_path).text)
    module.load_state_dict(torch.load(tmp_path / "model.pth"), strict=True)
    assert torch.equal(module.get_buffer("0.running_var"), torch.ones(3))


# --- names from a file are never code -----------------------------------------------------------------------------------

HOSTILE = (
    'a"); raise SystemExit("', "b'\n", "class", "forward.w", "é.ü", '"""', "\\", "\\'''", "a.0.b", "1", "x\x00y", "x\r\nimport os",
    "self", "torch.nn", "nn.Linear.weight", "{index}0.w", "{index}1.w", "{index}2.w", "{index}3.w", "None", "__y.w", "__x",
    "_extra_state", "type.weight", "add_module.w", "q.append", "#", "# noqa", "\u202ex", "\u2028", "Model.Unknown", f"{'w' * 900}.b",
    "__import__('os').w", "\N{FULLWIDTH LATIN SMALL LETTER A}", "state_dict.w", "children.w", "super.w", "kept_extra.w",
)  # fmt: skip


def test_hostile_names_are_strings(tmp_path: Path) -> None:
    found, _ = loaded({name: torch.zeros(index + 1) for index, name in enumerate(HOSTILE)}, tmp_path)
    assert found.text.isascii()
    assert _calls(found.text) <= {"super", "Unknown", *_classes(found.text)}


def _calls(text: str) -> set[str]:
    """Everything that is called by a name of its own; torch's and the module's own methods are attributes."""
    return {node.func.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)} - {
        "range",
        "NotImplementedError",
        "isinstance",
    }


def _classes(text: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)}


NAMES = st.lists(
    st.text(max_size=6) | st.sampled_from(["weight", "bias", "0", "1", "a", "class", "__class__", "_x"]), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES.map(".".join), st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=6))
def test_any_names_are_loaded_strictly_or_refused(shapes: dict[str, list[int]]) -> None:
    told = Told({name: torch.zeros(shape) for name, shape in shapes.items()})
    held = Told({name: _Spec(tuple(shape)) for name, shape in shapes.items()})
    try:
        text = scaffold(held, Source("model.pth", "model.py")).text
    except Unrepresentable:
        return
    assert verify(text, held) == len(told.tensors)
    assert _calls(text) <= {"super", "Unknown", *_classes(text)}


class _Spec:
    dtype = "float32"

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


@pytest.mark.parametrize(
    "names", [["__class__"], ["x", "x.y"], ["forward"], [""], ["a.training"], ["_modules.x"], ["a..b"], ["__init__.w"]]
)
def test_names_under_which_torch_keeps_nothing_are_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(Unrepresentable, match=r"A (tensor|module) is named"):
        of({name: torch.zeros(2) for name in names}, tmp_path)


def test_settings_of_a_pickled_module_cannot_bring_code(tmp_path: Path) -> None:
    chain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.1), nn.Upsample(scale_factor=2))
    chain[0].padding_mode = "zeros') or exec('raise SystemExit'"
    chain[1].negative_slope = float("nan")
    chain[2].mode = "nearest', exec('raise SystemExit')"
    chain[0].__dict__["stride"] = (10**40, 1)
    found = of(chain, tmp_path)
    assert "SystemExit" not in found.text and "stride" in found.guesses and found.unknown == 1  # LeakyReLU(nan)
    instance(found.text)


def test_names_of_classes_in_a_file_cannot_bring_code() -> None:
    held = {
        path: Held(f'x\n{path}"""\nraise SystemExit', settings_, frozenset())
        for path, settings_ in (("", {}), ("a", {}), ("b", None), ("c.0", {}))
    }
    told = Told({"a.w": _Spec((2,)), "c.1.weight": _Spec((2, 2))}, None, held)
    text = scaffold(told, Source('"""\nraise SystemExit', "model.py", notes=('"""\nraise SystemExit\\',))).text
    assert verify(text, told) == 2 and "SystemExit" in text
    assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Raise) and "SystemExit" in ast.dump(node)]


def test_program_text_of_a_file_stays_a_comment(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(2, 2), "a.bias": torch.zeros(2)}, tmp_path / "model.pth")
    text = 'class Net:\n\tx = 1\r\nimport os\n"""\n\x0c\nraise SystemExit\u2028raise SystemExit'
    bare = written(tmp_path / "model.pth").text
    found = written(tmp_path / "model.pth", {"source of __main__.Net\nraise SystemExit": text}).text
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(bare))
    assert "\n# | class Net:\n# |     x = 1\\r\n" in found
    assert all(line == "" or line.startswith("#") for line in found.removeprefix(bare).splitlines())


@pytest.mark.parametrize(("length", "cut"), [(MAX_TEXT, False), (MAX_TEXT + 1, True)])
def test_long_program_text_is_cut_and_says_so(length: int, cut: bool, tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "model.pth")
    assert ("1 characters left out" in written(tmp_path / "model.pth", {"a.py": "x" * length}).text) == cut


def test_modules_are_written_to_a_limit_of_levels() -> None:
    def at(levels: int) -> Told:
        return Told({".".join(["a"] * levels + ["w"]): _Spec((2,))})

    assert verify(scaffold(at(MAX_LEVELS), Source("model.pth", "model.py")).text, at(MAX_LEVELS)) == 1
    with pytest.raises(LimitExceeded, match=f"has {MAX_LEVELS + 1} levels"):
        scaffold(at(MAX_LEVELS + 1), Source("model.pth", "model.py"))


def test_a_large_index_makes_no_large_list() -> None:
    told = Told({"a.0.weight": _Spec((2, 2)), "a.99999.weight": _Spec((2, 2))})
    text = scaffold(told, Source("model.pth", "model.py")).text
    assert len(text) < 5000 and verify(text, told) == 2


def test_a_program_whose_classes_hold_each_other_is_given_up() -> None:
    text = "class A(Module):\n  x : __torch__.A\n  y : __torch__.A\nclass B(Module):\n  a : __torch__.A\n"
    program = parse({"code/__torch__.py": text})
    assert program is not None
    assert modules_of(program, {"w": _Spec((2,))}) is not None  # the root holds the tensor, and the tree has an end
    assert modules_of(program, {"q.w": _Spec((2,))}) is None


def test_a_class_that_does_not_fit_is_not_kept() -> None:
    told = Told({"a.weight": _Spec((2, 2))})
    text = scaffold(told, Source("model.pth", "model.py")).text
    for other in ({"a.weight": _Spec((2, 3))}, {"b.weight": _Spec((2, 2))}, {**told.tensors, "c": _Spec((1,))}):
        with pytest.raises(Mismatch, match="does not fit the weights"):
            verify(text, Told(other))
    half = _Spec((2, 2))
    half.dtype = "float16"
    with pytest.raises(Mismatch, match=r"the first 'a.weight'"):
        verify(text, Told({"a.weight": half}))


def test_the_text_passes_ruff(tmp_path: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    for index, build in enumerate(NETWORKS.values()):
        (tmp_path / f"network_{index}.py").write_text(of(build().state_dict(), tmp_path).text, "utf-8")
    hostile = {name: torch.zeros(2) for name in HOSTILE}
    (tmp_path / "hostile.py").write_text(of(hostile, tmp_path).text, "utf-8")
    done = subprocess.run([ruff, "check", "--isolated", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_sparse_tensor_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unrepresentable, match=r"'a.w' of .* is a sparse_coo tensor"):
        of({"a.w": torch.eye(2).to_sparse(), "b": torch.zeros(2)}, tmp_path)


# --- limits ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kept"), [(LARGEST - 1, True), (LARGEST, False), ([1] * 8, True), ([1] * 9, False), ("zeros", True), ("os", False)]
)
def test_settings_are_numbers_and_known_words_to_a_limit(value: object, kept: bool) -> None:
    assert Settings({"stride": value}).has("stride") == kept


@pytest.mark.parametrize(("last", "filled"), [(16, True), (17, False)])
def test_holes_between_indices_are_filled_to_a_limit(last: int, filled: bool) -> None:
    told = Told({"a.0.weight": _Spec((2, 2)), f"a.{last}.weight": _Spec((2, 2))})
    found = scaffold(told, Source("model.pth", "model.py"))
    assert (found.unknown == last - 1) == filled and (found.unknown == 0) != filled and verify(found.text, told) == 2


@pytest.mark.parametrize(("layers", "one"), [(256, True), (257, False)])
def test_a_layer_has_up_to_1024_tensors(layers: int, one: bool) -> None:
    names = [f"{group}_l{layer}" for layer in range(layers) for group in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    told = Told({f"rnn.{name}": _Spec((4, 1) if name.startswith("weight") else (4,)) for name in names})
    assert ("nn.LSTM(1, 1, 256)" in scaffold(told, Source("model.pth", "model.py")).text) == one


@pytest.mark.parametrize(("limit", "known"), [(3, True), (2, False)])
def test_the_tree_of_a_program_is_followed_to_a_limit(limit: int, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "MAX_MODULES", limit)
    text = "class Net(Module):\n  a : __torch__.A\n  b : __torch__.A\nclass A(Module):\n  __buffers__ = []\n"
    program = parse({"code/__torch__.py": text})
    assert program is not None
    held = modules_of(program, {"b.w": _Spec((2,))})
    assert (list(held or ()) == ["", "a", "b"]) == known


@pytest.mark.parametrize(("length", "name"), [(40, "A" + "a" * 39), (41, "A" + "a" * 39)])
def test_names_of_classes_are_cut(length: int, name: str) -> None:
    told = Told({f"{'a' * length}.w": _Spec((2,))})
    assert f"class {name}(nn.Module)" in scaffold(told, Source("model.pth", "model.py")).text


@pytest.mark.parametrize(("following", "kind"), [(nn.Linear(64, 3), "LayerNorm(64)"), (nn.Conv2d(64, 3, 1), "GroupNorm(32, 64)")])
def test_the_kind_of_a_norm_is_guessed_from_the_layers_around_it(following: nn.Module, kind: str, tmp_path: Path) -> None:
    found, _ = loaded(nn.Sequential(nn.Conv2d(3, 64, 4), nn.LayerNorm(64), following).state_dict(), tmp_path)
    assert f"nn.{kind}" in found.text and found.guesses["norm"] == 1 and "flatten" not in found.text


def test_a_branch_beside_another_is_not_taken_for_a_grouped_convolution(tmp_path: Path) -> None:
    state = nn.ModuleDict({"squeeze": nn.Conv2d(64, 16, 1), "narrow": nn.Conv2d(16, 64, 1), "wide": nn.Conv2d(16, 64, 3)}).state_dict()
    found, _ = loaded(state, tmp_path)
    assert "self.wide = nn.Conv2d(16, 64, 3)  # guess: groups" in found.text
