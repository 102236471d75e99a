"""Constructor arguments from names and shapes. The oracle is the construction itself."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pthway.architecture.budget import MAX_BUILDS
from pthway.architecture.build import build, shapes
from pthway.architecture.difference import Shape
from pthway.architecture.match import Match, Origin
from pthway.architecture.resolve import resolve
from pthway.architecture.solve import solve, solve_nearest
from pthway.errors import ConstructorFailed, Mismatch, UnsolvedArguments, UsageError
from tests.architecture.networks import (
    ConvNet,
    HeadDim,
    Heads,
    HeadsRequired,
    OnlyTheProduct,
    Pooled,
    Recurrent,
    ResNet,
    SimpleCNN,
    SimpleMLP,
    Stack,
    TextEncoder,
    Tied,
    Tutorial,
    UNet,
    Untyped,
    Vision,
    resnet18,
)


def tensors(factory: Callable[..., nn.Module], arguments: Mapping[str, object]) -> dict[str, Shape]:
    """What a checkpoint of the real module holds, by torch itself."""
    state = factory(**arguments).state_dict()
    return {key: Shape(tuple(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in state.items()}


def solved(factory: Callable[..., nn.Module], arguments: Mapping[str, object], **given: object) -> Match:
    return solve(resolve(factory), tensors(factory, arguments), given)


def values(match: Match) -> dict[str, object]:
    return {name: argument.value for name, argument in match.arguments.items()}


CASES: list[tuple[Callable[..., nn.Module], dict[str, Any], dict[str, Any]]] = [
    (SimpleMLP, {"input_size": 784, "hidden_size": 128, "output_size": 10}, {}),
    (SimpleMLP, {"input_size": 8, "hidden_size": 8, "output_size": 8}, {}),
    (SimpleCNN, {"num_classes": 10}, {}),
    (SimpleCNN, {"num_classes": 37}, {}),
    (Untyped, {"inp": 20, "hidden": 33, "out": 5}, {}),
    (ConvNet, {"width": 24, "classes": 5}, {}),
    (Recurrent, {"input_size": 13, "hidden_size": 37, "num_layers": 3, "classes": 4}, {}),
    (Recurrent, {"input_size": 3, "hidden_size": 7, "num_layers": 1, "classes": 4, "bidirectional": True}, {"bidirectional": True}),
    (UNet, {"in_channels": 1, "out_channels": 4, "base": 12}, {}),
    (TextEncoder, {"vocab": 99, "d_model": 24, "nhead": 4, "layers": 3, "feedforward": 40, "max_len": 77}, {"nhead": 4}),
    (Heads, {"dim": 64, "depth": 4}, {}),
    (Heads, {"dim": 36, "heads": 6}, {"heads": 6}),
    (HeadsRequired, {"dim": 36, "heads": 12}, {"heads": 12}),
    (ResNet, {"num_classes": 37, "in_channels": 1, "blocks": 4}, {}),
    (resnet18, {"num_classes": 37, "in_channels": 1}, {}),
    (resnet18, {}, {}),
    (Vision, {"image_size": 64, "patch_size": 8, "dim": 48, "depth": 3}, {}),
    (Stack, {"inp": 9, "hidden": 50, "out": 3, "layers": 6}, {}),
    (Tied, {"vocab": 50, "dim": 6}, {}),
    (Pooled, {"size": 28, "channels": 9}, {}),
    (HeadDim, {"dim": 96, "heads": 12, "head_dim": 8}, {"head_dim": 8}),
]


@pytest.mark.parametrize(("factory", "arguments", "given"), CASES)
def test_inference_inverts_construction(factory: Callable[..., nn.Module], arguments: dict[str, Any], given: dict[str, Any]) -> None:
    match = solved(factory, arguments, **given)
    assert {name: values(match)[name] for name in arguments} == arguments
    assert shapes(build(match.architecture, match.call).module).keys() == tensors(factory, arguments).keys()
    assert match.builds <= MAX_BUILDS


sizes = st.integers(1, 40)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, sizes)
def test_any_mlp_is_solved(inp: int, hidden: int, out: int) -> None:
    arguments = {"input_size": inp, "hidden_size": hidden, "output_size": out}
    assert solved(SimpleMLP, arguments).call == arguments


@settings(max_examples=25, deadline=None)
@given(sizes, sizes, sizes, st.integers(1, 12))
def test_any_depth_of_a_plain_stack_is_solved(inp: int, hidden: int, out: int, layers: int) -> None:
    arguments = {"inp": inp, "hidden": hidden, "out": out, "layers": layers}
    assert solved(Stack, arguments).call == arguments


@settings(max_examples=25, deadline=None)
@given(sizes, sizes, st.integers(1, 6), sizes)
def test_any_recurrent_network_is_solved(inp: int, hidden: int, layers: int, out: int) -> None:
    arguments = {"input_size": inp, "hidden_size": hidden, "num_layers": layers, "classes": out}
    assert solved(Recurrent, arguments).call == arguments


@settings(max_examples=10, deadline=None)
@given(sizes, sizes, st.integers(1, 30))
def test_any_unet_is_solved(inp: int, out: int, base: int) -> None:
    arguments = {"in_channels": inp, "out_channels": out, "base": base}
    assert {name: values(solved(UNet, arguments))[name] for name in arguments} == arguments


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.sampled_from([2, 4, 6]), sizes, sizes)
def test_any_transformer_is_solved_once_its_heads_are_given(vocab: int, per_head: int, heads: int, feedforward: int, max_len: int) -> None:
    arguments = {
        "vocab": vocab, "d_model": per_head * heads, "nhead": heads, "layers": 2, "feedforward": feedforward, "max_len": max_len
    }  # fmt: skip
    assert {name: values(solved(TextEncoder, arguments, nhead=heads))[name] for name in arguments} == arguments


# --- what is said of each argument ---


def test_each_argument_says_where_its_value_came_from() -> None:
    arguments = solved(SimpleMLP, {"input_size": 784, "hidden_size": 128, "output_size": 10}, output_size=10).arguments
    assert arguments["input_size"].origin is Origin.SOLVED
    assert arguments["input_size"].because == "fc1.weight is [128, 784]: dimension 1 is input_size"
    assert (arguments["output_size"].origin, arguments["output_size"].determined) == (Origin.GIVEN, None)
    assert (arguments["dropout"].origin, arguments["dropout"].determined) == (Origin.DEFAULT, False)


def test_a_multiple_and_a_depth_are_told_as_such() -> None:
    assert solved(Untyped, {"inp": 2, "hidden": 9}).arguments["hidden"].because.endswith("dimension 0 is 4 * hidden")
    depth = solved(Stack, {"inp": 9, "hidden": 50, "out": 3, "layers": 6}).arguments["layers"]
    assert depth.because == "the checkpoint has 7 of net.…: this is layers + 1"


def test_a_default_that_the_weights_prove_is_a_determined_default() -> None:
    default = solved(SimpleCNN, {}).arguments["num_classes"]
    assert (default.value, default.origin, default.determined) == (10, Origin.DEFAULT, True)


def test_stride_and_heads_leave_no_trace_and_a_flag_that_adds_tensors_does() -> None:
    assert not solved(ConvNet, {}).arguments["stride"].determined
    assert not solved(Heads, {"dim": 64}).arguments["heads"].determined
    assert solved(Untyped, {"inp": 2, "hidden": 2}).arguments["bias"].determined


# --- no guessing ---


def test_required_heads_have_to_be_passed_and_the_values_that_fit_are_listed() -> None:
    with pytest.raises(UnsolvedArguments, match=r"(?s)heads of HeadsRequired.*1, 2, 3, 4, 6, 12 all fit.*heads=…"):
        solved(HeadsRequired, {"dim": 36, "heads": 6})


def test_default_heads_that_the_solved_width_forbids_have_to_be_passed() -> None:
    with pytest.raises(UnsolvedArguments, match=r"(?s)dim=36, which the constructor refuses beside the default heads=8.*heads=…"):
        solved(Heads, {"dim": 36, "heads": 6})


def test_two_factors_of_which_only_the_product_shows_are_both_named() -> None:
    with pytest.raises(UnsolvedArguments, match=r"(?s)groups and width.*groups=4, width=6"):
        solved(OnlyTheProduct, {"groups": 4, "width": 6})
    assert solved(OnlyTheProduct, {"groups": 4, "width": 6}, groups=4).call == {"groups": 4, "width": 6}


def test_of_two_readings_the_one_with_more_defaults_wins_only_if_it_is_alone() -> None:
    assert solved(HeadDim, {"dim": 5}).call == {"dim": 5}
    with pytest.raises(UnsolvedArguments, match=r"heads=8, head_dim=96; heads=12, head_dim=64"):
        solved(HeadDim, {"dim": 5, "heads": 12})


def test_sizes_that_integer_division_hides_are_listed_unless_the_default_is_among_them() -> None:
    with pytest.raises(UnsolvedArguments, match="size=64; size=65; size=66; size=67"):
        solved(Pooled, {"size": 64})
    assert solved(Pooled, {"size": 29}).arguments["size"].value == 28


def test_a_probability_and_an_index_without_annotation_do_not_stand_in_the_way() -> None:
    arguments = {"vocab_size": 30, "embedding_dim": 6, "hidden_dim": 5, "dropout": 0.5, "pad_idx": 1}
    with pytest.raises(UnsolvedArguments, match="dropout and pad_idx of Tutorial have to be passed"):
        solved(Tutorial, arguments)
    assert solved(Tutorial, arguments, dropout=0.5, pad_idx=1).call == arguments


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 20), st.integers(2, 20), st.integers(1, 10), st.integers(1, 14))  # an image of one patch is not always found
def test_any_image_and_patch_size_that_divide_are_solved(patch: int, grid: int, width: int, depth: int) -> None:
    arguments = {"image_size": patch * grid, "patch_size": patch, "dim": 8 * width, "depth": depth}
    assert {name: values(solved(Vision, arguments))[name] for name in arguments} == arguments


def test_an_unknown_argument_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(UsageError, match="Did you mean hidden_size=3"):
        solved(SimpleMLP, {"input_size": 1, "hidden_size": 1, "output_size": 1}, hiden_size=3)


def test_a_constructor_that_raises_is_not_blamed_on_the_weights() -> None:
    class Broken(nn.Module):
        def __init__(self, width: int = 3) -> None:
            super().__init__()
            raise OSError("no such config")

    with pytest.raises(ConstructorFailed, match="no such config"):
        solve(resolve(Broken), {}, {})


# --- keys that may be absent ---


def test_old_files_without_batch_counters_fit_and_it_is_reported() -> None:
    found = {key: shape for key, shape in tensors(ConvNet, {}).items() if "num_batches" not in key}
    assert list(solve(resolve(ConvNet), found, {}).difference.tolerated) == ["bn.num_batches_tracked"]


def test_a_tied_twin_may_be_absent_if_the_other_is_there() -> None:
    found = {"embed.weight": Shape((50, 6), "float32")}
    match = solve(resolve(Tied), found, {})
    assert match.call == {"vocab": 50, "dim": 6}
    assert match.difference.tolerated == {"head.weight": "tied to embed.weight, which is present"}


# --- bounds and partial matches ---


def test_the_search_stays_within_its_builds_where_nothing_fits() -> None:
    built = 0

    class Counted(Stack):
        def __init__(self, inp: int, hidden: int, out: int, layers: int) -> None:
            nonlocal built
            built += 1
            super().__init__(inp, hidden, out, layers)

    with pytest.raises(Mismatch):
        solve(resolve(Counted), tensors(UNet, {"in_channels": 1, "out_channels": 1}), {})
    assert built <= MAX_BUILDS


def test_the_nearest_match_solves_what_it_can_and_lists_the_rest() -> None:
    found = tensors(ResNet, {"num_classes": 37, "in_channels": 1})
    del found["layer2.0.bn1.bias"]
    found["extra.weight"] = Shape((3,), "float32")
    match = solve_nearest(resolve(ResNet), found, {"num_classes": 10})
    assert match.call == {"num_classes": 10, "in_channels": 1}
    assert match.difference.missing == ("layer2.0.bn1.bias",)
    assert match.difference.unexpected == ("extra.weight",)
    assert match.difference.differing == {"fc.weight": ((10, 128), (37, 128)), "fc.bias": ((10,), (37,))}


def test_the_nearest_match_does_not_invent_a_required_size() -> None:
    found = tensors(SimpleMLP, dict.fromkeys(("input_size", "hidden_size", "output_size"), 3))
    headless = {key: shape for key, shape in found.items() if not key.startswith("fc2")}
    with pytest.raises(UnsolvedArguments, match="output_size of SimpleMLP"):
        solve_nearest(resolve(SimpleMLP), headless, {})


def test_warnings_of_probes_are_not_shown() -> None:
    class Warns(nn.Module):
        def __init__(self, hidden: int, layers: int = 2) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, hidden, layers, dropout=0.5)

    assert solve(resolve(Warns), tensors(Warns, {"hidden": 4}), {}).call == {"hidden": 4}


def test_solving_leaves_the_random_state_alone() -> None:
    found, before = tensors(SimpleCNN, {"num_classes": 3}), torch.get_rng_state()
    solve(resolve(SimpleCNN), found, {})
    assert torch.equal(before, torch.get_rng_state())
