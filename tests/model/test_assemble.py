"""Assembling a module from tensors gives what plain ``load_state_dict`` gives, to the last bit, without the copy."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

import pthway
from pthway.architecture.build import build
from pthway.architecture.match import Architecture
from pthway.errors import Mismatch
from pthway.model.assemble import Assembly, assemble

Factory = Callable[[], nn.Module]


class Tied(nn.Module):
    """A language model whose head is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.head(self.embedding(ids))
        return result


class Unsaved(nn.Module):
    """A table that is computed and not saved, and one that is."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.register_buffer("table", torch.arange(4.0), persistent=False)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.fc(x - self.mean) * self.table
        return result


class First(nn.Module):
    """The first of what a module returns."""

    def __init__(self, inner: Factory, inputs: int = 1) -> None:
        super().__init__()
        self.inner = inner()
        self.inputs = inputs

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(*[x] * self.inputs)[0]
        return result


def convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))


def frozen() -> nn.Module:
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    network[0].requires_grad_(requires_grad=False)
    return network


IMAGES, ROWS = torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(1)), torch.randn(5, 7, 4)
NETWORKS: dict[str, tuple[Factory, Tensor]] = {
    "convolutions and batch norm": (convolutions, IMAGES),
    "LSTM of two layers, both ways": (partial(First, partial(nn.LSTM, 4, 6, 2, bidirectional=True)), ROWS),
    "LSTM with projection": (partial(First, partial(nn.LSTM, 4, 6, proj_size=3)), ROWS),
    "GRU": (partial(First, partial(nn.GRU, 4, 6, batch_first=True)), ROWS),
    "GRU cell": (partial(nn.GRUCell, 4, 6), ROWS[0]),
    "attention": (partial(First, partial(nn.MultiheadAttention, 4, 2), 3), ROWS),
    "transformer encoder": (partial(nn.TransformerEncoder, nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2), ROWS),
    "tied embedding": (Tied, torch.arange(20).reshape(2, 10)),
    "buffers that are not saved": (Unsaved, ROWS),
    "weight norm, old": (lambda: weight_norm(nn.Linear(4, 3)), ROWS),
    "weight norm, parametrized": (lambda: parametrizations.weight_norm(nn.Linear(4, 3)), ROWS),
    "spectral norm, old": (lambda: spectral_norm(nn.Linear(4, 3)), ROWS),
    "orthogonal": (lambda: parametrizations.orthogonal(nn.Linear(4, 4)), ROWS),
    "frozen layer": (frozen, ROWS),
    "half precision": (lambda: nn.Linear(4, 3).half(), ROWS.half()),
    "lazy layer": (lambda: nn.LazyLinear(3), ROWS),
}
NORMS = pytest.mark.filterwarnings(
    "ignore:.*weight_norm:FutureWarning", "ignore:Lazy:UserWarning", "ignore:LSTM with projections:UserWarning"
)


def trained(factory: Factory, x: Tensor) -> nn.Module:
    torch.manual_seed(3)
    network = factory().train()
    for _ in range(2):
        network(x)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network.eval()


def on_meta(factory: Factory) -> nn.Module:
    return build(Architecture("Net", factory, None), {}).module


def given_by_torch(factory: Factory, state: Any, x: Tensor, **options: Any) -> Tensor:
    network = factory()
    network.load_state_dict(state, **options)
    return answer(network.eval(), x)


def answer(network: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        result: Tensor = network(x)
    return result


def put_into(network: nn.Module, state: Any, fresh: Factory | None = None) -> Assembly:
    return assemble(network, dict(state), getattr(state, "_metadata", None), fresh=fresh)


@NORMS
@pytest.mark.parametrize("name", NETWORKS)
def test_answers_are_those_of_load_state_dict_to_the_last_bit(name: str) -> None:
    factory, x = NETWORKS[name]
    state = trained(factory, x).state_dict()
    network = on_meta(factory)
    put_into(network, state)
    assert torch.equal(answer(network, x), given_by_torch(factory, state, x))
    assert not any(module.training for module in network.modules())
    assert not any(tensor.is_meta for tensor in [*network.parameters(), *network.buffers()])


@NORMS
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "lazy layer"])
def test_a_second_saving_gives_the_same_state(name: str) -> None:
    factory, x = NETWORKS[name]
    state = trained(factory, x).state_dict()
    network = on_meta(factory)
    put_into(network, state)
    again = network.state_dict()
    assert list(again) == list(state)
    assert all(torch.equal(again[key], state[key]) for key in state)


@NORMS
@pytest.mark.parametrize("name", NETWORKS)
def test_training_reaches_every_parameter_as_in_a_plain_module(name: str) -> None:
    factory, x = NETWORKS[name]
    state = trained(factory, x).state_dict()
    plain, ours = factory(), on_meta(factory)
    plain.load_state_dict(state)
    put_into(ours, {key: value.clone() for key, value in state.items()})
    for network in (plain, ours):
        network.eval()(x).float().square().mean().backward()
    expected = {key: parameter.grad for key, parameter in plain.named_parameters()}
    found = {key: parameter.grad for key, parameter in ours.named_parameters()}
    assert list(found) == list(expected)
    for key, gradient in expected.items():
        assert (found[key] is None) == (gradient is None), key
        assert gradient is None or torch.equal(found[key], gradient), key


def test_parameters_are_the_tensors_of_the_file_without_a_copy() -> None:
    state = trained(convolutions, IMAGES).state_dict()
    network = on_meta(convolutions)
    report = put_into(network, state)
    assert all(parameter.data_ptr() == state[key].data_ptr() for key, parameter in network.named_parameters())
    assert report.assigned == len(list(network.parameters()))
    assert report.copied == len(list(network.buffers()))


def test_tied_parameters_stay_one_object() -> None:
    state = trained(Tied, torch.arange(20)).state_dict()
    network = on_meta(Tied)
    put_into(network, state)
    assert network.head.weight is network.embedding.weight
    assert len(list(network.parameters())) == 1


@pytest.mark.parametrize("dropped", ["embedding.weight", "head.weight"])
def test_one_of_two_tied_names_is_enough(dropped: str) -> None:
    state = trained(Tied, torch.arange(20)).state_dict()
    network = on_meta(Tied)
    report = put_into(network, {key: value for key, value in state.items() if key != dropped})
    assert torch.equal(network.head.weight, state["head.weight"])
    assert network.head.weight is network.embedding.weight
    assert report.fresh == ()


def test_parameters_that_only_the_file_ties_are_separated() -> None:
    shared = torch.randn(3, 3)
    network = on_meta(lambda: nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)))
    put_into(network, {"0.weight": shared, "1.weight": shared})
    with torch.no_grad():
        network[0].weight.zero_()
    assert network[1].weight.abs().sum() > 0


def test_the_weights_of_an_lstm_are_the_ones_it_computes_with() -> None:
    network = on_meta(lambda: nn.LSTM(4, 6))
    put_into(network, nn.LSTM(4, 6).state_dict())
    assert [id(weight) for weight in network._flat_weights] == [id(weight) for weight in network.parameters()]
    with torch.no_grad():
        network.weight_ih_l0.zero_()
        network.weight_hh_l0.zero_()
        network.bias_ih_l0.zero_()
        network.bias_hh_l0.zero_()
    assert answer(First(lambda: network), ROWS).abs().sum() == 0


def test_tensors_in_another_memory_layout_answer_alike() -> None:
    plain = trained(convolutions, IMAGES)
    state = {key: value.to(memory_format=torch.channels_last) if value.ndim == 4 else value for key, value in plain.state_dict().items()}
    state["5.weight"] = state["5.weight"].t().contiguous().t()
    assert not state["5.weight"].is_contiguous() and not state["0.weight"].is_contiguous()
    network = on_meta(convolutions)
    put_into(network, state)
    assert torch.equal(answer(network, IMAGES), given_by_torch(convolutions, state, IMAGES))


CASTS = [
    (torch.float16, "float16 to float32, without loss"),
    (torch.bfloat16, "bfloat16 to float32, without loss"),
    (torch.float64, "float64 to float32, rounded"),
]


@pytest.mark.parametrize(("dtype", "told"), CASTS)
def test_the_type_of_the_class_wins_and_is_reported(dtype: torch.dtype, told: str) -> None:
    state = trained(convolutions, IMAGES).to(dtype).state_dict()
    network = on_meta(convolutions)
    report = put_into(network, state)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert torch.equal(answer(network, IMAGES), given_by_torch(convolutions, state, IMAGES))
    assert f"cast: 8 tensors from {told}" in str(report)


def test_a_complex_tensor_does_not_go_into_a_real_parameter() -> None:
    with pytest.raises(Mismatch, match="imaginary"):
        put_into(on_meta(lambda: nn.Linear(2, 2, bias=False)), {"weight": torch.zeros(2, 2, dtype=torch.complex64)})


def test_files_from_before_the_batch_counter_are_complete() -> None:
    state = trained(convolutions, IMAGES).state_dict()
    old = OrderedDict((key, value) for key, value in state.items() if not key.endswith("num_batches_tracked"))
    network = on_meta(convolutions)
    report = put_into(network, old)
    assert torch.equal(answer(network, IMAGES), given_by_torch(convolutions, old, IMAGES))
    assert report.fresh == ()
    assert network[1].num_batches_tracked == 0


def test_hooks_of_the_module_see_the_versions_in_the_file() -> None:
    seen: list[object] = []

    class Versioned(nn.Linear):
        _version = 3

        def _load_from_state_dict(self, state: Any, prefix: str, metadata: dict[str, Any], *rest: Any) -> None:
            seen.append(metadata.get("version"))
            super()._load_from_state_dict(state, prefix, metadata, *rest)

    put_into(on_meta(lambda: Versioned(2, 2)), Versioned(2, 2).state_dict())
    assert seen == [3]


def test_the_metadata_that_is_given_is_not_written_to() -> None:
    state = nn.Linear(2, 2).state_dict()
    metadata = {"": {"version": 1}}
    assemble(on_meta(lambda: nn.Linear(2, 2)), dict(state), metadata)
    assert metadata == {"": {"version": 1}}


def test_a_frozen_parameter_stays_frozen_whatever_the_file_says() -> None:
    network = on_meta(frozen)
    put_into(network, {key: nn.Parameter(value) for key, value in frozen().state_dict().items()})
    assert [parameter.requires_grad for parameter in network.parameters()] == [False, False, True, True]
    assert all(type(parameter) is nn.Parameter for parameter in network.parameters())


def test_what_is_missing_or_left_over_is_an_error_that_names_it() -> None:
    state = nn.Linear(3, 2).state_dict()
    with pytest.raises(Mismatch, match=r"bias missing"):
        put_into(on_meta(lambda: nn.Linear(3, 2)), {"weight": state["weight"]})
    with pytest.raises(Mismatch, match=r"extra unexpected"):
        put_into(on_meta(lambda: nn.Linear(3, 2)), {**state, "extra": torch.zeros(1)})
    with pytest.raises(Mismatch, match=r"size mismatch for weight"):
        put_into(on_meta(lambda: nn.Linear(3, 4)), state)


def test_partial_loading_fills_from_a_fresh_module_and_reports_both_sides() -> None:
    state = convolutions().state_dict()
    state["5.weight"] = torch.zeros(7, 6)
    state["unknown"] = torch.zeros(2)
    del state["0.bias"], state["1.running_mean"]
    network = on_meta(convolutions)
    report = put_into(network, state, fresh=convolutions)
    assert not any(tensor.is_meta for tensor in [*network.parameters(), *network.buffers()])
    assert torch.equal(network[0].weight, state["0.weight"])
    assert network[5].weight.shape == (5, 6) and network[5].weight.abs().sum() > 0
    assert set(report.fresh) == {"0.bias", "1.running_mean", "5.weight"}
    assert dict(report.unused).keys() == {"5.weight", "unknown"}
    assert "[7, 6]" in report.unused["5.weight"] and "[5, 6]" in report.unused["5.weight"]
    assert "initialised afresh: 0.bias" in str(report) and "left out: unknown" in str(report)


def test_partial_loading_of_an_lstm_computes_with_the_filled_weights() -> None:
    state = nn.LSTM(4, 6).state_dict()
    del state["bias_hh_l0"]
    network = on_meta(lambda: nn.LSTM(4, 6))
    put_into(network, state, fresh=lambda: nn.LSTM(4, 6))
    assert [id(weight) for weight in network._flat_weights] == [id(weight) for weight in network.parameters()]
    assert torch.isfinite(answer(First(lambda: network), ROWS)).all()


def test_partial_loading_keeps_ties_of_the_class() -> None:
    network = on_meta(Tied)
    report = put_into(network, {"other": torch.zeros(1)}, fresh=Tied)
    assert network.head.weight is network.embedding.weight
    assert not network.head.weight.is_meta
    assert set(report.fresh) == {"embedding.weight", "head.weight"}


def test_a_module_that_was_built_with_real_parameters_is_filled_as_well() -> None:
    network, source = nn.Linear(3, 2), nn.Linear(3, 2)
    put_into(network, source.state_dict())
    assert torch.equal(network.weight, source.weight)
    assert network.weight.data_ptr() != source.weight.data_ptr()


def test_a_class_that_overrides_load_state_dict_as_it_once_was_loads() -> None:
    class Old(nn.Linear):
        def load_state_dict(self, state_dict: Any, strict: bool = True) -> Any:
            return super().load_state_dict(state_dict, strict)

    source = Old(3, 2)
    network = on_meta(lambda: Old(3, 2))
    put_into(network, source.state_dict())
    assert torch.equal(network.weight, source.weight)


class Versioned(nn.Linear):
    """Asks for the version of its weights, as torchvision's MNASNet does."""

    _version = 2

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any) -> None:
        if local_metadata.get("version") != 2:
            raise ValueError(f"version should be set to 2 instead of {local_metadata.get('version')}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def test_a_class_that_asks_for_a_version_that_the_file_lacks_is_a_mismatch_with_the_way_to_note_it(tmp_path: Path) -> None:
    network, path = Versioned(2, 3), tmp_path / "m.pth"
    torch.save(dict(network.state_dict()), path)
    with pytest.raises(Mismatch, match=r"version should be set to 2 instead of None\. The file does not note") as raised:
        pthway.load(path, partial(Versioned, 2, 3))
    noted = raised.value.fix.partition(": ")[2].replace("Versioned(…)", "Versioned(2, 3)")
    exec(noted, {"OrderedDict": OrderedDict, "torch": torch, "path": path, "Versioned": Versioned})
    assert torch.equal(pthway.load(path, partial(Versioned, 2, 3)).module.weight, network.weight)


def test_a_class_that_refuses_a_version_that_the_file_notes_is_a_mismatch_too() -> None:
    state = Versioned(2, 3).state_dict()
    state._metadata[""]["version"] = 1  # type: ignore[attr-defined]
    with pytest.raises(Mismatch, match=r"version should be set to 2 instead of 1\.$|instead of 1\.\n") as raised:
        assemble(on_meta(lambda: Versioned(2, 3)), dict(state), state._metadata)  # type: ignore[attr-defined]
    assert "_metadata" not in str(raised.value)
