"""What the source of a constructor is seen to do with its arguments. Nothing is run."""

import argparse
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from pthway.architecture.usage import usage

TABLE = {"small": 1, "large": 2}


def compared(kind: Any) -> None:
    if kind == "a" or kind in ("b", "c"):
        pass
    elif kind.lower() != "d":
        raise ValueError


def looked_up(kind: Any) -> None:
    print(TABLE[kind], {"x": nn.ReLU, "y": nn.Tanh}[kind])


def matched(kind: Any) -> None:
    match kind:
        case "one" | "two":
            pass


def passed_on(kind: Any) -> None:
    renamed = kind
    compared(renamed)


class Holding(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind
        self.build()

    def build(self) -> None:
        if self.kind == "held":
            pass


class Deriving(Holding):
    def __init__(self, name: Any) -> None:
        super().__init__(name)


@pytest.mark.parametrize(
    ("function", "name", "choices"),
    [
        (compared, "kind", ["a", "b", "c", "d"]),
        (looked_up, "kind", ["small", "large", "x", "y"]),
        (matched, "kind", ["one", "two"]),
        (passed_on, "kind", ["a", "b", "c", "d"]),
        (Holding, "kind", ["held"]),
        (Deriving, "name", ["held"]),
    ],
)
def test_the_strings_that_an_argument_is_compared_with_are_its_choices(function: Callable[..., Any], name: str, choices: list[str]) -> None:
    assert list(usage(function, name).choices) == choices


def counted(widths: Any, fixed: Any, number: Any) -> None:
    for width in widths:
        print(width)
    print(fixed[3])
    print(range(number))


def test_what_is_gone_through_or_indexed_is_a_list_and_its_least_length_is_known() -> None:
    assert usage(counted, "widths").sequence
    assert (usage(counted, "fixed").sequence, usage(counted, "fixed").least) == (True, 4)
    assert not usage(counted, "number").sequence


def called(layer: Any, flag: Any) -> None:
    if flag:
        layer(3)


def called_or_another(layer: Any) -> None:
    (layer or nn.ReLU)(True)


def test_what_is_called_and_what_is_asked_for_its_truth_are_told_apart() -> None:
    assert usage(called, "layer").called and not usage(called, "layer").tested
    assert usage(called_or_another, "layer").called
    assert usage(called, "flag").tested and not usage(called, "flag").called


def configured(config: Any, args: argparse.Namespace) -> None:
    hidden = config["hidden"]
    for width in hidden:
        print(width, config.get("bias", True), config.get("maybe"))
    if args.kind == "wide":
        print(getattr(args, "depth", 4), args.width)


def test_the_keys_and_attributes_of_a_configuration_are_read_with_their_defaults_and_their_own_use() -> None:
    keys, attributes = usage(configured, "config").keys, usage(configured, "args").attributes
    assert {name: read.default for name, read in keys.items()} == {"hidden": ..., "bias": True, "maybe": None}
    assert keys["hidden"].usage.sequence
    assert {name: read.default for name, read in attributes.items()} == {"kind": ..., "depth": 4, "width": ...}
    assert list(attributes["kind"].usage.choices) == ["wide"]


def inner(width: int, depth: int = 2) -> None: ...


def spread(options: Any) -> None:
    inner(**options)


def test_keywords_that_are_passed_on_as_a_whole_are_those_of_the_function_that_takes_them() -> None:
    assert {name: read.default for name, read in usage(spread, "options").keys.items()} == {"width": ..., "depth": 2}


def test_a_callable_without_source_says_nothing() -> None:
    assert usage(len, "obj").choices == {}
    assert usage(eval("lambda kind: kind == 'a'"), "kind").choices == {}


def recursive(kind: Any) -> None:
    recursive(kind)


def test_functions_that_call_themselves_are_followed_once() -> None:
    assert usage(recursive, "kind").choices == {}
