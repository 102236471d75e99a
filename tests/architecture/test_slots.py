"""Slots: naming, reading and replacing what lies inside arguments."""

from argparse import Namespace
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pthway.architecture.slots import ABSENT, frozen, length_of, numbers, replaced, root, same, walk, within


@dataclass(frozen=True)
class Config:
    width: int
    layers: list[int]


ARGUMENTS = {"depth": 3, "layers": [1, 2], "config": Config(4, [5]), "args": Namespace(rate=0.5), "options": {"bias": True, "n": 6}}


def test_every_number_and_length_has_a_slot_named_as_in_python() -> None:
    assert numbers(ARGUMENTS) == {
        "depth": 3, "len(layers)": 2, "layers[0]": 1, "layers[1]": 2, "config.width": 4, "len(config.layers)": 1, "config.layers[0]": 5,
        "args.rate": 0.5, "options['n']": 6,
    }  # fmt: skip


def test_a_slot_evaluates_to_what_it_names() -> None:
    for slot, value in walk(ARGUMENTS):
        assert eval(slot, {}, dict(ARGUMENTS)) == value


@given(st.lists(st.integers(0, 9), max_size=5), st.integers(0, 7))
def test_a_list_that_grows_repeats_its_last_element_and_one_that_shrinks_loses_the_last(values: list[int], length: int) -> None:
    changed = replaced({"x": values}, {length_of("x"): length})["x"]
    assert isinstance(changed, list)
    assert len(changed) == length
    assert changed[: len(values)] == values[:length]
    assert not values or all(value == values[-1] for value in changed[len(values) :])


def test_replacing_leaves_the_original_and_everything_else_alone() -> None:
    before = frozen(ARGUMENTS)
    changed = replaced(ARGUMENTS, {"config.layers[0]": 9, "args.rate": 0.25, "options['n']": ABSENT, "depth": None})
    assert frozen(ARGUMENTS) == before
    assert changed == {
        "depth": None, "layers": [1, 2], "config": Config(4, [9]), "args": Namespace(rate=0.25), "options": {"bias": True}
    }  # fmt: skip


@pytest.mark.parametrize("slot", ["layers", "layers[0]", "len(layers)", "layers.x", "layers['a'][1]"])
def test_a_slot_lies_within_its_argument_and_not_within_one_that_begins_alike(slot: str) -> None:
    assert root(slot) == "layers"
    assert within(slot, "layers")
    assert not within(slot, "layer")


def test_values_are_the_same_only_if_their_types_are() -> None:
    assert same([1, {"a": (2,)}], [1, {"a": (2,)}])
    assert not same(1, True)
    assert not same(1, 1.0)
    assert not same([1], (1,))
    assert not same({}, [])
