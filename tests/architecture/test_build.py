"""Building on meta: the same module as torch builds, without its weights."""

import random
import threading
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from pthway.architecture.build import Bound, TooManyParameters, build, shapes, trial
from pthway.architecture.resolve import resolve
from pthway.errors import ConstructorFailed
from tests.architecture.networks import Tied, UNet


class WithBuffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("steps", torch.arange(4), persistent=False)


class SharedFromTheStart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        weight = nn.Parameter(torch.randn(3))
        self.a, self.b = weight, weight
        self.rest = nn.ParameterList([nn.Parameter(torch.zeros(2)) for _ in range(3)])


class InitialisesByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.fc.weight.data.normal_(0, 0.02)
        self.fc.weight.data[0] = 0
        self.fc.bias.data *= 2
        nn.init.trunc_normal_(self.fc.weight, std=0.02)
        nn.init.orthogonal_(self.fc.weight)


class ReadsAWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.scale = float(self.fc.weight.detach().abs().sum())


class KeepsAList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        weight = nn.Parameter(torch.randn(2))
        self.weight, self.plain = weight, [weight]


class OldWeightNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.fc = nn.utils.weight_norm(nn.Linear(3, 4))


class LoadsItself(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)
        other = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        state = {f"{'fc' if key[0] == '0' else 'norm'}{key[1:]}": value for key, value in other.state_dict().items()}
        state["norm.running_mean"] = torch.full((3,), 7.0)
        self.load_state_dict(state)


ON_META: list[Callable[[], nn.Module]] = [
    WithBuffers,
    SharedFromTheStart,
    InitialisesByHand,
    LoadsItself,
    lambda: UNet(1, 2, 4),
    lambda: Tied(10, 4),
    lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    lambda: nn.MultiheadAttention(8, 2),
    lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
    lambda: parametrizations.weight_norm(nn.Linear(3, 4)),
    lambda: parametrizations.spectral_norm(nn.Linear(3, 4)),
]


@pytest.mark.parametrize("factory", ON_META)
@pytest.mark.filterwarnings("error")
def test_a_module_built_on_meta_has_the_state_dict_that_torch_gives_it(factory: Callable[[], nn.Module]) -> None:
    built = build(resolve(factory), {})
    oracle = factory().state_dict()
    assert {key: shape.shape for key, shape in shapes(built.module).items()} == {k: tuple(v.shape) for k, v in oracle.items()}
    assert {key: shape.dtype for key, shape in shapes(built.module).items()} == {
        key: str(value.dtype).removeprefix("torch.") for key, value in oracle.items()
    }
    assert built.plainly is not None or all(parameter.is_meta for parameter in built.module.parameters())
    assert not any(buffer.is_meta for buffer in built.module.buffers())


@pytest.mark.parametrize("factory", ON_META[:-1])
def test_such_modules_are_built_on_meta_and_not_plainly(factory: Callable[[], nn.Module]) -> None:
    assert build(resolve(factory), {}).plainly is None


@pytest.mark.parametrize("factory", ON_META[4:])
def test_weights_assigned_to_a_built_module_give_the_outputs_of_the_plain_one(factory: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    plain = factory().eval()
    built = build(resolve(factory), {}).module.eval()
    built.load_state_dict(plain.state_dict(), assign=True)
    assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), built.state_dict().values(), strict=True))
    if isinstance(plain, nn.LSTM):
        x = torch.randn(5, 1, 3)
        assert torch.equal(plain(x)[0], built(x)[0])


def test_buffers_are_real_and_hold_their_values() -> None:
    module = build(resolve(WithBuffers), {}).module
    assert torch.equal(module.get_buffer("steps"), torch.arange(4))
    assert torch.equal(module.get_buffer("norm.running_var"), torch.ones(3))
    assert torch.equal(build(resolve(LoadsItself), {}).module.get_buffer("norm.running_mean"), torch.full((3,), 7.0))


def test_tied_parameters_stay_one_object_and_are_named_as_tied() -> None:
    module = build(resolve(Tied), {"vocab": 10, "dim": 4}).module
    assert module.head.weight is module.embed.weight
    assert shapes(module)["head.weight"].tied == "embed.weight"
    shared = build(resolve(SharedFromTheStart), {}).module
    assert shared.a is shared.b


@pytest.mark.parametrize(
    ("factory", "reason"),
    [(ReadsAWeight, "meta"), (KeepsAList, "outside of their registration"), (OldWeightNorm, "fc.weight is computed")],
)
def test_what_cannot_stay_on_meta_is_built_plainly_and_says_why(factory: Callable[[], nn.Module], reason: str) -> None:
    built = build(resolve(factory), {})
    assert built.plainly is not None
    assert reason in built.plainly
    assert not any(parameter.is_meta for parameter in built.module.parameters())


def test_the_random_state_of_the_caller_is_untouched() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]

    def noisy() -> nn.Module:
        torch.rand(3), random.random(), np.random.rand()
        return nn.Linear(2, 2)

    build(resolve(noisy), {})
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert np.array_equal(before[2], np.random.get_state()[1])  # type: ignore[index]


def test_other_threads_build_real_modules_meanwhile() -> None:
    inside, done = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        inside.wait(5)
        seen.append(nn.Linear(2, 2).weight.is_meta)
        done.set()

    class Waits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inside.set()
            done.wait(5)
            self.fc = nn.Linear(2, 2)

    thread = threading.Thread(target=other)
    thread.start()
    module = build(resolve(Waits), {}).module
    thread.join()
    assert seen == [False]
    assert module.fc.weight.is_meta


def test_building_within_a_build_and_after_an_exception_leaves_torch_as_it_was() -> None:
    register, load = nn.Module.register_parameter, nn.Module.load_state_dict

    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = build(resolve(WithBuffers), {}).module
            self.fc = nn.Linear(2, 2)

    assert all(parameter.is_meta for parameter in build(resolve(Nested), {}).module.parameters())

    def fails() -> nn.Module:
        raise KeyError("no")

    with pytest.raises(ConstructorFailed, match="KeyError: 'no'"):
        build(resolve(fails), {})
    assert (nn.Module.register_parameter, nn.Module.load_state_dict) == (register, load)
    assert not nn.Linear(2, 2).weight.is_meta


def test_a_failing_constructor_is_told_with_its_arguments_and_line() -> None:
    class Picky(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            if width != 3:
                raise ValueError("width has to be 3")

    with pytest.raises(ConstructorFailed, match=r"(?s)Picky\(width=4\).*ValueError: width has to be 3 .*line \d+: raise"):
        build(resolve(Picky), {"width": 4})


def test_a_factory_that_returns_something_else_is_refused() -> None:
    with pytest.raises(ConstructorFailed, match="it returned int"):
        build(resolve(lambda: 3), {})


def test_a_build_past_its_limit_is_aborted() -> None:
    many = resolve(lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(1000))))
    with pytest.raises(TooManyParameters, match="more than 10 parameters"):
        trial(many, {}, Bound(parameters=10, numbers=1000))


@pytest.mark.parametrize("make", [torch.zeros, torch.randn, torch.empty, torch.ones])
def test_a_tensor_larger_than_memory_is_refused_before_it_is_allocated(make: Callable[..., torch.Tensor]) -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(make(1 << 20, 1 << 20, 64))

    with pytest.raises(TooManyParameters, match="numbers"):
        trial(resolve(Positions), {}, Bound(parameters=10, numbers=1000))


def test_extra_state_and_lazy_parameters_take_any_shape() -> None:
    class Extra(nn.Module):
        def get_extra_state(self) -> object:
            return {"version": 1}

    assert shapes(Extra())["_extra_state"].free
    assert shapes(nn.LazyLinear(3))["weight"].free
