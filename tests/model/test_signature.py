"""What a network takes and gives, found by running a weightless copy of it: never assumed, and never at a cost to the module."""

import copy
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pthway.model.infer import infer
from pthway.signature import Input, Limit, Output, Signature

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")


class Net(nn.Module):
    """Layers under names, and a forward pass over them."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._pass = forward

    def forward(self, x: Tensor) -> Any:
        return self._pass(self, x)


def seed_cnn() -> nn.Module:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.pool(torch.relu(net.conv1(x)))
        x = net.pool(torch.relu(net.conv2(x)))
        return net.fc(x.view(-1, 32 * 7 * 7))

    layers = {"conv1": nn.Conv2d(3, 16, 3, padding=1), "conv2": nn.Conv2d(16, 32, 3, padding=1)}
    return Net(forward, **layers, pool=nn.MaxPool2d(2), fc=nn.Linear(32 * 7 * 7, 10))


def last_step(width: int = 3, **options: Any) -> nn.Module:
    axis = 1 if options.get("batch_first") else 0
    return Net(lambda net, x: net.fc(net.rnn(x)[0].select(axis, -1)), rnn=nn.LSTM(6, 8, **options), fc=nn.Linear(8, width))


def vision_transformer() -> nn.Module:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.patch(x).flatten(2).transpose(1, 2) + net.position
        return net.head(net.encoder(x).mean(1))

    net = Net(forward, patch=nn.Conv2d(3, 16, 16, 16), encoder=nn.TransformerEncoder(_layer(), 1), head=nn.Linear(16, 5))
    net.position = nn.Parameter(torch.zeros(1, 196, 16))
    return net


def _layer() -> nn.Module:
    return nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)


def text() -> nn.Module:
    return Net(
        lambda net, x: net.head(net.encoder(net.embed(x)).mean(1)), embed=nn.Embedding(100, 16), encoder=_layer(), head=nn.Linear(16, 4)
    )


def unet() -> nn.Module:
    def forward(net: Any, x: Tensor) -> Tensor:
        small = net.down(x)
        deep = net.deep(nn.functional.max_pool2d(small, 4))
        return net.out(torch.cat([small, net.up(deep)], 1))

    layers = {"down": nn.Conv2d(1, 4, 3, padding=1), "deep": nn.Conv2d(4, 4, 3, padding=1)}
    return Net(forward, **layers, up=nn.ConvTranspose2d(4, 4, 4, 4), out=nn.Conv2d(8, 2, 1))


class Registered(nn.Module):
    """Its head is registered first, and run last."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 2)
        self.body = nn.Linear(20, 8)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(torch.relu(self.body(x)))
        return result


FOUND: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), "(batch, 784) → (batch, 10)"),
    "the seed's CNN": (seed_cnn, "(batch, 3, 28, 28) → (batch, 10)"),
    "norm first": (lambda: nn.Sequential(nn.BatchNorm1d(20), nn.Linear(20, 2)), "(batch, 20) → (batch, 2)"),
    "layer norm first": (lambda: nn.Sequential(nn.LayerNorm(20), nn.Linear(20, 2)), "(batch, 20) → (batch, 2)"),
    "image norm first": (
        lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
        "(batch, 3, height, width) → (batch, 2)",
    ),
    "registered in another order than run": (Registered, "(batch, 20) → (batch, 2)"),
    "free sizes": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
        "(batch, 3, height, width) → (batch, 4)",
    ),
    "image to image": (lambda: nn.Conv2d(1, 2, 3, padding=1), "(batch, 1, height, width) → (batch, 2, height, width)"),
    "image to smaller image": (lambda: nn.Conv2d(1, 2, 3), "(batch, 1, height, width) → (batch, 2, height-2, width-2)"),
    "sizes of one divisor": (unet, "(batch, 1, height, width) → (batch, 2, height, width)"),
    "lenet": (
        lambda: nn.Sequential(nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10)),
        "(batch, 1, 32, 32) → (batch, 10)",
    ),
    "patches": (vision_transformer, "(batch, 3, 224, 224) → (batch, 5)"),
    "lstm, batch second": (last_step, "(length, batch, 6) → (batch, 3)"),
    "lstm, batch first": (lambda: last_step(batch_first=True), "(batch, length, 6) → (batch, 3)"),
    "gru that gives every step": (
        lambda: Net(lambda net, x: net.fc(net.rnn(x)[0]), rnn=nn.GRU(6, 8), fc=nn.Linear(8, 3)),
        "(length, batch, 6) → (length, batch, 3)",
    ),
    "encoder, batch second": (lambda: nn.TransformerEncoderLayer(16, 2, 32), "(length, batch, 16) → (length, batch, 16)"),
    "encoder, batch first": (lambda: nn.TransformerEncoder(_layer(), 1), "(batch, length, 16) → (batch, length, 16)"),
    "tokens": (text, "(batch, length) → (batch, 4)"),
    "tokens of one length": (lambda: nn.Sequential(nn.Embedding(50, 8), nn.Flatten(), nn.Linear(96, 3)), "(batch, 12) → (batch, 3)"),
    "sound": (
        lambda: nn.Sequential(nn.Conv1d(12, 8, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 5)),
        "(batch, 12, length) → (batch, 5)",
    ),
    "volume": (
        lambda: nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.MaxPool3d(2), nn.Flatten(), nn.Linear(4 * 8**3, 5)),
        "(batch, 1, 16, 16, 16) → (batch, 5)",
    ),
    "latent vectors": (
        lambda: nn.Sequential(nn.Linear(100, 64), nn.Unflatten(1, (4, 4, 4)), nn.ConvTranspose2d(4, 3, 4, 2, 1)),
        "(batch, 100) → (batch, 3, 8, 8)",
    ),
    "squeezed": (lambda: Net(lambda net, x: net.fc(x).squeeze(-1), fc=nn.Linear(9, 1)), "(batch, 9) → (batch)"),
}


def shapes(signature: Signature) -> str:
    def side(each: Input | Output) -> str:
        assert each.shape is not None, signature
        return f"({', '.join(map(str, each.shape))})"

    return f"{', '.join(map(side, signature.inputs))} → {', '.join(map(side, signature.outputs))}"


@pytest.mark.parametrize("name", FOUND)
def test_shapes_are_found(name: str) -> None:
    factory, expected = FOUND[name]
    assert shapes(infer(factory().eval())) == expected


def test_the_range_of_sizes_that_run_is_told_and_the_one_with_nothing_cropped_chosen() -> None:
    signature = infer(seed_cnn())
    (image,) = signature.inputs
    assert image.name == "x" and image.dtype == "float32"
    assert {axis: (limit.low, limit.high) for axis, limit in image.limits.items()} == {2: (28, 31), 3: (28, 31)}
    assert image.takes((1, 3, 28, 28)) and image.takes((7, 3, 31, 31)) and not image.takes((1, 3, 32, 32))
    assert "28 to 31" in str(signature)


def oblong(numbers: int, **options: Any) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, **options), nn.ReLU(), nn.MaxPool2d(8), nn.Flatten(), nn.Linear(4 * numbers, 2))


def test_pairs_of_unequal_sides_that_run_are_told_where_no_square_does() -> None:
    signature = infer(oblong(6 * 8))
    assert signature.inputs[0].shape == ("batch", 3, "height", "width")
    (note,) = signature.notes
    pairs = [tuple(map(int, pair.split("×"))) for pair in note.partition(": ")[2].partition(" run")[0].split(", ")]
    assert (48, 64) in pairs and (64, 48) in pairs and "example=" in note
    for height, width in pairs:
        oblong(6 * 8)(torch.zeros(1, 3, height, width))


def test_the_only_pair_of_unequal_sides_is_the_shape() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, (24, 32), stride=(24, 32)), nn.Flatten(), nn.Linear(2 * 7 * 13, 2))
    (image,) = infer(network).inputs
    assert image.shape == ("batch", 1, 320, 224)


@pytest.mark.parametrize(
    ("factory", "low"), [(lambda: nn.Conv2d(3, 8, 7), 7), (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2)), 4)]
)
def test_the_least_free_size_is_known(factory: Callable[[], nn.Module], low: int) -> None:
    (image,) = infer(factory()).inputs
    assert image.limits[2].low == low and image.limits[2].high is None


def test_a_divisor_of_free_sizes_is_known() -> None:
    (image,) = infer(unet()).inputs
    assert image.limits[2].multiple == 4
    assert image.takes((1, 1, 36, 36)) and not image.takes((1, 1, 37, 37))


def test_the_vocabulary_bounds_token_ids() -> None:
    (tokens,) = infer(text()).inputs
    assert (tokens.dtype, tokens.vocabulary) == ("int64", 100)
    assert "ids below 100" in str(tokens)


def test_the_type_is_that_of_the_weights() -> None:
    assert [each.dtype for each in infer(nn.Linear(3, 2).double()).inputs] == ["float64"]
    assert [each.dtype for each in infer(nn.Linear(3, 2).bfloat16()).inputs] == ["bfloat16"]


class Scores(NamedTuple):
    logits: Tensor
    features: Tensor


NAMED = [
    (lambda net, x: net.fc(x), ["output"]),
    (lambda net, x: (net.fc(x), x), ["output_0", "output_1"]),
    (lambda net, x: {"logits": net.fc(x), "in": x}, ["logits", "in"]),
    (lambda net, x: Scores(net.fc(x), x), ["logits", "features"]),
    (lambda net, x: {"a": (net.fc(x), x), "off": None}, ["a_0", "a_1"]),
]


@pytest.mark.parametrize(("forward", "names"), NAMED)
def test_outputs_have_the_names_that_the_network_gives_them(forward: Any, names: list[str]) -> None:
    signature = infer(Net(forward, fc=nn.Linear(4, 2)))
    assert [output.name for output in signature.outputs] == names
    assert all(output.batch == 0 for output in signature.outputs)


def test_several_required_inputs_are_named_and_their_shapes_not_invented() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, left: Tensor, right: Tensor, scale: float = 1.0) -> Tensor:
            result: Tensor = self.fc(left + right) * scale
            return result

    signature = infer(Two())
    assert [(each.name, each.shape) for each in signature.inputs] == [("left", None), ("right", None)]
    assert signature.outputs == () and "left, right" in signature.notes[0] and "example=" in signature.notes[0]


@pytest.mark.parametrize("module", [nn.ReLU(), nn.Identity(), Net(lambda _, x: x["image"], fc=nn.Linear(2, 2))])
def test_what_cannot_be_found_is_said_and_not_guessed(module: nn.Module) -> None:
    signature = infer(module)
    assert signature.inputs[0].shape is None
    assert signature.notes and "unknown" in str(signature)


def test_a_forward_pass_that_needs_values_is_run_with_them() -> None:
    network = Net(lambda net, x: net.fc(x) if x.sum().item() >= 0 else net.fc(-x), fc=nn.Linear(5, 2))
    assert shapes(infer(network)) == "(batch, 5) → (batch, 2)"


def test_nothing_of_the_module_is_touched() -> None:
    class Counting(nn.Module):
        calls = 0

        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)
            self.drop = nn.Dropout(0.5)
            self.seen: list[int] = []

        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(len(x))
            self.last = x
            result: Tensor = self.drop(self.norm(x)).mean((2, 3))
            return result

    network = Counting().train()
    network.drop.eval()
    before, flags = copy.deepcopy(network.state_dict()), [module.training for module in network.modules()]
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert infer(network).inputs[0].shape == ("batch", 3, "height", "width")
    assert [module.training for module in network.modules()] == flags
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert network.seen == [] and not hasattr(network, "last")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == states[1:]


def test_weights_are_not_read() -> None:
    network = nn.Sequential(nn.Linear(8, 4, device="meta"), nn.ReLU(), nn.Linear(4, 2, device="meta"))
    assert shapes(infer(network)) == "(batch, 8) → (batch, 2)"


def test_a_module_that_cannot_be_copied_is_left_alone() -> None:
    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo: object) -> Any:
            raise RuntimeError("one only")

    signature = infer(Stubborn(3, 2))
    assert signature.inputs[0].shape is None and "one only" in signature.notes[0]


def test_a_module_with_hooks_and_weight_norm_is_copied_and_tried() -> None:
    network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Linear(3, 2))
    network[1].register_forward_hook(lambda *_: None)
    network(torch.ones(1, 4)).sum().backward()
    assert shapes(infer(network)) == "(batch, 4) → (batch, 2)"


def test_a_deep_network_takes_a_bounded_number_of_passes() -> None:
    passes = 0

    class Counter(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            nonlocal passes
            passes += 1
            return x

    blocks = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(30)]
    head = [nn.MaxPool2d(8), nn.Flatten(), nn.Linear(8 * 14 * 14, 3)]
    network = nn.Sequential(Counter(), nn.Conv2d(3, 8, 3, padding=1), *blocks, *head)
    (image,) = infer(network).inputs
    assert image.shape == ("batch", 3, 112, 112)
    assert passes <= 80


def test_a_limit_says_what_it_holds() -> None:
    assert str(Limit(28, 31)) == "28 to 31" and str(Limit(4, None, 4)) == "from 4, multiples of 4" and str(Limit(5, 5)) == "5"
    assert Limit(4, None, 4).holds(8) and not Limit(4, None, 4).holds(6) and not Limit(4, 8).holds(9)


def test_a_signature_prints_as_a_line() -> None:
    signature = infer(nn.Linear(784, 10))
    assert str(signature) == "input: float32 (batch, 784) → output: float32 (batch, 10)"


def test_the_number_of_threads_is_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        infer(nn.Conv2d(3, 4, 3))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
