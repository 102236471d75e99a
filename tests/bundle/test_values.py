"""Constructor arguments as JSON and back; what `encode` never writes is refused, and calls nothing."""

import enum
import math
import subprocess
from argparse import Namespace
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pthway.bundle import values
from pthway.errors import BundleRefused, UsageError


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 2


@dataclass
class Config:
    width: int = 1
    parts: tuple[Any, ...] = ()
    made: int = field(init=False, default=3)


class Plain:
    def __init__(self, **given: Any) -> None:
        raise AssertionError("called")


NAMED = {"Colour": Colour, "Level": Level, "Config": Config, "Plain": Plain, "len": len, "Popen": subprocess.Popen}


def reference(found: object) -> str:
    return next(name for name, each in NAMED.items() if each is found)


def back(value: object) -> Any:
    written = msgspec.json.decode(msgspec.json.encode(values.encode(value, reference)))
    return values.decode(written, NAMED.__getitem__)


LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
SPECIAL = st.sampled_from([Colour.RED, Level.HIGH, Config, len, Plain])
KEYS = st.integers(-9, 9) | st.text(max_size=5) | st.tuples(st.integers(0, 3), st.text(max_size=3)) | st.sampled_from([Colour.RED, Level])
VALUES = st.recursive(
    LEAVES | SPECIAL,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS | st.sampled_from(["$tuple", "$name"]), inner, max_size=3)
        | st.builds(Config, st.integers(0, 9), st.lists(inner, max_size=2).map(tuple))
        | inner.map(lambda value: Namespace(given=value))
        | inner.map(lambda value: SimpleNamespace(given=value))
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_arguments_survive_being_written_and_read(value: Any) -> None:
    found = back(value)
    assert found == value
    assert repr(found) == repr(value)  # 1, 1.0 and True are equal, and so are tuples of them


def test_numbers_that_json_lacks_survive() -> None:
    assert math.isnan(back(float("nan")))
    assert back([math.inf, -math.inf]) == [math.inf, -math.inf]


@pytest.mark.parametrize("value", [object(), 1j, {1, 2}, b"bytes", 2**63, -(2**63) - 1, [object()], {"key": 2**64}])
def test_a_value_without_text_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="has no text"):
        values.encode(value, reference)


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"plain": 1},
        {"$unknown": 1},
        {"$tuple": 1},
        {"$tuple": [], "$name": "len"},
        {"$dict": [[1]]},
        {"$dict": [1]},
        {"$dict": [[[], 1]]},
        {"$float": "1.5"},
        {"$float": "infinity"},
        {"$float": 1.5},
        {"$name": 1},
        {"$enum": ["Colour", "BLUE"]},
        {"$enum": ["Colour", "__class__"]},
        {"$enum": ["Plain", "x"]},
        {"$enum": ["len", "x"]},
        {"$object": ["Plain", {}]},
        {"$object": ["Popen", {"args": ["touch", "mark"]}]},
        {"$object": ["len", {}]},
        {"$object": ["Config", {"unknown": 1}]},
        {"$object": ["Config", {"made": 1}]},
        {"$object": ["Config"]},
        {"$namespace": ["dict", {}]},
        {"$namespace": ["Namespace"]},
        [{"$unknown": 1}],
        {"$tuple": [{"$object": ["Plain", {}]}]},
    ],
)
def test_what_is_never_written_is_refused_and_calls_nothing(written: Any) -> None:
    with pytest.raises(BundleRefused, match="which pthway does not write"):
        values.decode(written, NAMED.__getitem__)
