"""Arguments that are no whole numbers: what is tried, what is said, and what is refused."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from torch import nn

from pthway.architecture.budget import MAX_BUILDS, MAX_SECONDS, Budget
from pthway.architecture.match import Match, Origin
from pthway.architecture.resolve import resolve
from pthway.architecture.solve import solve
from pthway.errors import Mismatch, UnsolvedArguments
from tests.architecture.test_solve import solved, tensors, values


class Stack(nn.Module):
    def __init__(self, sizes: list[int], activation: str = "relu") -> None:
        super().__init__()
        assert activation in ("relu", "tanh")
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])


class Strided(nn.Module):
    def __init__(self, widths, strides):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3, stride) for (a, b), stride in zip(pairwise(widths), strides, strict=True)])


class TwoStacks(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(encoder)])
        self.decoder = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(decoder)])


class Expanding(nn.Module):
    def __init__(self, width: int, expand: bool = False) -> None:
        super().__init__()
        self.fc = nn.Linear(3, width * (2 if expand else 1))


class Modes(nn.Module):
    def __init__(self, width: int, mode: Literal["sum", "mean", "cat"]) -> None:
        super().__init__()
        self.fc = nn.Linear(2 * width if mode == "cat" else width, 1)
        self.gate = nn.Linear(width, 1)


class Optional(nn.Module):
    def __init__(self, width: int, bottleneck: int | None = None, tail: list[int] | None = None) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        if bottleneck is not None:
            self.down = nn.Linear(width, bottleneck)
        if tail is not None:
            self.tail = nn.ModuleList([nn.Linear(width, out) for out in tail])


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        assert dim % heads == 0
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(dim, 3 * dim)


class Configured(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.fc = nn.Linear(cfg.width, cfg.classes)
        self.drop = nn.Dropout(cfg.dropout)


class Keyed(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fc = nn.Linear(config["width"], config.get("classes", 10))
        if config["aux"]:
            self.aux = nn.Linear(config["width"], config["aux_classes"])


@dataclass
class Settings:
    width: int
    depth: int = 2


class FromDataclass(nn.Module):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(settings.width, settings.width) for _ in range(settings.depth)])


def with_extras(factory: Any, arguments: Mapping[str, object], extras: Mapping[str, object], **given: object) -> Match:
    return solve(resolve(factory), tensors(factory, arguments), given, extras)


# --- lists ---


@pytest.mark.parametrize("sizes", [[3, 4], [9, 1, 7], [5] * 9])
def test_a_list_is_solved_with_its_length(sizes: list[int]) -> None:
    argument = solved(Stack, {"sizes": sizes}).arguments["sizes"]
    assert (argument.value, argument.origin, argument.determined) == (sizes, Origin.SOLVED, True)
    assert argument.parts["sizes[0]"].because == f"layers.0.weight is [{sizes[1]}, {sizes[0]}]: dimension 1 is sizes[0]"


def test_a_list_that_the_caller_gives_is_left_as_it_is() -> None:
    assert solved(Stack, {"sizes": [3, 4, 5]}, sizes=[3, 4, 5]).call == {"sizes": [3, 4, 5]}
    with pytest.raises(Mismatch, match=r"layers\.1 is 5 wide"):
        solved(Stack, {"sizes": [3, 4, 5]}, sizes=[3, 4, 6])


def test_required_numbers_in_a_list_that_leave_no_trace_have_to_be_passed() -> None:
    with pytest.raises(UnsolvedArguments, match=r"(?s)strides\[0\] and strides\[1\] of Strided.*strides=…"):
        solved(Strided, {"widths": [3, 8, 9], "strides": [1, 2]})
    assert values(solved(Strided, {"widths": [3, 8, 9], "strides": [1, 2]}, strides=[1, 2]))["widths"] == [3, 8, 9]


@pytest.mark.parametrize("encoder", [[3, 4, 5], [3, 4, 5, 6, 7]])
def test_two_lists_need_not_be_equally_long(encoder: list[int]) -> None:
    arguments = {"encoder": encoder, "decoder": [9, 8, 7]}
    assert values(solved(TwoStacks, arguments)) == arguments


# --- flags and choices ---


def test_a_choice_without_a_trace_stays_at_its_default_and_what_else_fits_is_said() -> None:
    argument = solved(Stack, {"sizes": [3, 4]}).arguments["activation"]
    assert (argument.value, argument.origin, argument.determined) == ("relu", Origin.DEFAULT, False)
    assert argument.because == "the weights do not change with it (built with 'tanh' as well)"


def test_a_required_choice_of_which_two_fit_has_to_be_passed() -> None:
    with pytest.raises(UnsolvedArguments, match=r"(?s)mode of Modes.*'sum', 'mean' all fit.*mode=…"):
        solved(Modes, {"width": 5, "mode": "mean"})
    assert values(solved(Modes, {"width": 5, "mode": "cat"})) == {"width": 5, "mode": "cat"}


def test_of_two_assignments_that_fit_the_less_usual_is_listed_and_neither_is_called_proven() -> None:
    match = solved(Expanding, {"width": 5, "expand": True})
    assert values(match) == {"width": 10, "expand": False}
    assert match.others == ({"width": 5, "expand": True},)
    assert not match.arguments["width"].determined
    assert match.arguments["width"].because.endswith("they fit as well with width=5, expand=True")
    assert values(solved(Expanding, {"width": 5, "expand": True}, expand=True)) == {"width": 5, "expand": True}


def test_a_choice_that_a_depth_makes_up_for_is_such_an_assignment_too() -> None:
    class Doubling(nn.Module):
        def __init__(self, depth: int, double: bool = False) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(depth * (2 if double else 1))])

    match = solved(Doubling, {"depth": 3, "double": True})
    assert (values(match), match.others) == ({"depth": 6, "double": False}, ({"depth": 3, "double": True},))
    assert not match.arguments["depth"].determined
    assert solved(Doubling, {"depth": 5}).arguments["depth"].determined


class Normed(nn.Module):
    def __init__(self, width: int, norm_layer: Any = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.norm = (norm_layer or nn.BatchNorm2d)(width)


def test_two_unusual_choices_of_which_nothing_speaks_for_one_are_an_error_with_both() -> None:
    assert solved(Normed, {"width": 5}).call == {"width": 5}
    with pytest.raises(UnsolvedArguments, match="norm_layer=Identity; norm_layer=InstanceNorm2d"):
        solved(Normed, {"width": 5, "norm_layer": nn.InstanceNorm2d})
    assert solved(Normed, {"width": 5, "norm_layer": nn.Identity}, norm_layer=nn.Identity).call == {"width": 5, "norm_layer": nn.Identity}


def test_a_divisor_that_is_multiplied_again_is_not_called_proven() -> None:
    class Divided(nn.Module):
        def __init__(self, dim: int, heads: int = 8) -> None:
            super().__init__()
            self.query = nn.Linear(dim, dim // heads * heads)

    assert not solved(Divided, {"dim": 64, "heads": 4}).arguments["heads"].determined


def test_a_divisor_far_from_its_default_is_found() -> None:
    class Squeeze(nn.Module):
        def __init__(self, width: int, reduction: int = 16) -> None:
            super().__init__()
            self.down, self.up = nn.Linear(width, width // reduction), nn.Linear(width // reduction, width)

    assert solved(Squeeze, {"width": 64, "reduction": 2}).call == {"width": 64, "reduction": 2}


@pytest.mark.parametrize("bottleneck", [None, 4])
@pytest.mark.parametrize("tail", [None, [3], [4, 5, 6]])
def test_what_may_be_absent_is_found_to_be_there_or_not(bottleneck: int | None, tail: list[int] | None) -> None:
    arguments = {"width": 6, "bottleneck": bottleneck, "tail": tail}
    assert values(solved(Optional, arguments)) == arguments


@pytest.mark.parametrize("default", [None, False, 0])
def test_an_argument_that_may_fetch_weights_is_never_given_another_value(default: object) -> None:
    tried: list[object] = []

    class Fetching(nn.Module):
        def __init__(self, width: int, pretrained: Any = default) -> None:
            super().__init__()
            tried.append(pretrained)
            if pretrained == "imagenet":
                raise ConnectionError
            self.fc = nn.Linear(width, 2)

    match = with_extras(Fetching, {"width": 3}, {"hparams": {"pretrained": "imagenet"}})
    assert match.call == {"width": 3}
    assert all(value is default for value in tried)


def test_an_argument_that_may_fetch_weights_has_to_be_passed_where_it_has_no_default() -> None:
    class Fetching(nn.Module):
        def __init__(self, width: int, pretrained: bool) -> None:
            super().__init__()
            self.fc = nn.Linear(width, 2)

    with pytest.raises(UnsolvedArguments, match="pretrained"):
        solved(Fetching, {"width": 3, "pretrained": False})
    assert solved(Fetching, {"width": 3, "pretrained": False}, pretrained=False).call == {"width": 3, "pretrained": False}


# --- configurations ---


def test_a_namespace_is_learnt_from_what_the_class_reads() -> None:
    built = Namespace(width=5, classes=3, dropout=0.5)
    with pytest.raises(UnsolvedArguments, match=r"(?s)cfg\.dropout of Configured.*cfg=…"):
        solved(Configured, {"cfg": built})
    match = with_extras(Configured, {"cfg": built}, {"args": vars(built)})
    assert vars(match.arguments["cfg"].value) == vars(built)  # type: ignore[call-overload]
    assert match.leaves["cfg.width"].determined and not match.leaves["cfg.dropout"].determined
    assert solved(Configured, {"cfg": SimpleNamespace(**vars(built))}, cfg=built).call == {"cfg": built}


def test_a_dictionary_holds_the_keys_that_are_read_and_no_others() -> None:
    assert values(solved(Keyed, {"config": {"width": 5, "aux": False}})) == {"config": {"width": 5, "classes": 10, "aux": False}}
    full = {"width": 5, "classes": 4, "aux": True, "aux_classes": 7}
    assert values(solved(Keyed, {"config": full})) == {"config": full}


def test_a_dataclass_is_solved_field_by_field() -> None:
    match = solved(FromDataclass, {"settings": Settings(7, 5)})
    assert match.call == {"settings": Settings(7, 5)}
    assert match.leaves["settings.depth"].because == "the checkpoint has 5 of layers.…: this is settings.depth"


# --- what the file says ---


def test_stored_values_settle_what_the_weights_leave_open() -> None:
    match = with_extras(Attention, {"dim": 12, "heads": 3}, {"hyper_parameters": {"dim": 12, "heads": 3, "dropout": 0.4, "lr": 0.1}})
    assert match.call == {"dim": 12, "heads": 3, "dropout": 0.4}
    assert match.arguments["heads"].origin is Origin.STORED and not match.arguments["heads"].determined
    assert match.arguments["heads"].because.endswith("hyper_parameters.heads in the file says so")


def test_stored_values_that_the_weights_contradict_are_not_used_and_it_is_said() -> None:
    match = with_extras(Attention, {"dim": 12, "heads": 3}, {"hparams": {"dim": 24, "heads": 3}})
    assert match.call == {"dim": 12, "heads": 3}
    assert match.arguments["dim"].because.endswith("hparams.dim in the file says 24, with which they do not fit")


def test_two_stored_values_between_which_the_weights_cannot_choose_are_an_error() -> None:
    extras = {"args": {"dim": 12, "heads": 3}, "config": {"model": {"heads": 4}}}
    with pytest.raises(UnsolvedArguments, match=r"(?s)two things of heads.*args\.heads is 3 and config\.model\.heads is 4.*heads=…"):
        with_extras(Attention, {"dim": 12, "heads": 3}, extras)
    assert with_extras(Attention, {"dim": 12, "heads": 3}, extras, heads=4).call == {"dim": 12, "heads": 4}


def test_values_outside_of_what_training_programs_call_settings_are_not_taken() -> None:
    with pytest.raises(UnsolvedArguments, match="heads of Attention"):
        with_extras(Attention, {"dim": 12, "heads": 3}, {"optimizer": {"heads": 3}, "history": {"heads": 3}})


# --- bounds ---


@pytest.mark.parametrize(("builds", "spent"), [(MAX_BUILDS - 1, False), (MAX_BUILDS, True)])
def test_the_builds_of_a_search_are_bounded(builds: int, spent: bool) -> None:
    assert Budget(builds).spent is spent


@pytest.mark.parametrize(("seconds", "spent"), [(MAX_SECONDS - 1, False), (MAX_SECONDS + 1, True)])
def test_the_time_of_a_search_is_bounded(seconds: float, spent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pthway.architecture.budget.time.thread_time", lambda: 1000.0)
    assert Budget(started=1000.0 - seconds).spent is spent


def test_where_nothing_fits_the_nearest_arguments_are_told_and_the_limit_that_ended_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tensors(Stack, {"sizes": [3, 4, 5]}) | tensors(Attention, {"dim": 2, "heads": 1})
    with pytest.raises(Mismatch, match=r"nearest arguments that were found: sizes=\[3, 4, 5\]") as caught:
        solve(resolve(Stack), found, {})
    assert "the search ended" not in str(caught.value)
    monkeypatch.setattr("pthway.architecture.budget.MAX_BUILDS", 9)
    with pytest.raises(Mismatch, match="the search ended after 9 builds"):
        solve(resolve(Stack), found, {})


def test_a_required_argument_with_which_nothing_builds_is_named_with_the_last_refusal() -> None:
    class Picky(nn.Module):
        def __init__(self, secret: str) -> None:
            super().__init__()
            raise ValueError(f"not {secret}")

    with pytest.raises(UnsolvedArguments, match=r"(?s)Picky needs secret.*ValueError: not"):
        solve(resolve(Picky), {"fc.weight": tensors(nn.Linear, {"in_features": 2, "out_features": 2})["weight"]}, {})


def test_a_choice_is_searched_with_a_seed_that_changes_nothing() -> None:
    found, before = tensors(Stack, {"sizes": [3, 4]}), torch.get_rng_state()
    solve(resolve(Stack), found, {})
    assert torch.equal(before, torch.get_rng_state())


def test_a_stored_value_that_the_constructor_refuses_is_told_and_not_replaced_by_a_guess() -> None:
    class Defaulted(Attention):
        def __init__(self, dim: int = 8, heads: int = 2) -> None:
            super().__init__(dim, heads)

    extras = {"config": {"heads": 3}}
    with pytest.raises(UnsolvedArguments, match=r"(?s)refuses heads=3, as the file has it.*heads: 1, 2, 4, 8 fit.*heads=…"):
        with_extras(Defaulted, {"dim": 8}, extras)
    assert with_extras(Defaulted, {"dim": 8}, extras, heads=2).call == {"heads": 2}
