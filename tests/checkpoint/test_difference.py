"""Two files beside each other: what differs is named and measured, and nothing else is."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pthway
from pthway import errors
from pthway.checkpoint.difference import Difference, Kind, differences


def compared(folder: Path, one: Any, two: Any) -> list[Difference]:
    torch.save(one, folder / "one.pth")
    torch.save(two, folder / "two.pth", _use_new_zipfile_serialization=False)
    return differences(pthway.open(folder / "one.pth"), pthway.open(folder / "two.pth"))


def test_equal_tensors_are_not_named_however_they_lie(tmp_path: Path) -> None:
    base = torch.randn(2000, 800)
    one = {"w": base, "nan": torch.tensor([math.nan, 0.0]), "n": torch.arange(3)}
    two = {"nan": torch.tensor([math.nan, -0.0]), "w": base.t().contiguous().t(), "n": torch.arange(3)}
    assert compared(tmp_path, {"model": one}, two) == []


def test_each_kind_of_difference_is_named_in_the_order_of_the_first_file(tmp_path: Path) -> None:
    one = {"gone": torch.ones(1), "shape": torch.ones(2, 3), "type": torch.tensor([1.0, 0.1]), "w": torch.tensor([1.0, 2.0, 3.0, math.inf])}
    two = {
        "w": torch.tensor([1.0, 2.5, 3.0, 4.0]),
        "type": torch.tensor([1.0, 0.1]).half(),
        "shape": torch.ones(3, 2),
        "new": torch.ones(1),
    }
    gone, shape, type_, w, new = compared(tmp_path, one, two)
    assert gone == Difference("gone", Kind.ONLY_FIRST, "float32 [1]", None)
    assert new == Difference("new", Kind.ONLY_SECOND, None, "float32 [1]")
    assert shape == Difference("shape", Kind.SHAPE, "float32 [2, 3]", "float32 [3, 2]")
    assert (type_.kind, type_.differing, type_.largest) == (Kind.TYPE, 1, pytest.approx(2.44e-5, rel=1e-2))
    assert w == Difference("w", Kind.NUMBERS, "float32 [4]", "float32 [4]", 2, 4, 0.5, pytest.approx(0.2), 1)


def test_large_integers_that_differ_by_one_differ(tmp_path: Path) -> None:
    (found,) = compared(tmp_path, {"n": torch.tensor([2**62, 5])}, {"n": torch.tensor([2**62 + 1, 5])})
    assert (found.differing, found.largest) == (1, 1.0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 2**31), st.floats(0, 1), st.booleans())
def test_counts_and_extents_are_those_that_torch_computes(tmp_path: Path, shape: list[int], seed: int, share: float, turned: bool) -> None:
    random = torch.Generator().manual_seed(seed)
    one = torch.randn(shape, generator=random)
    two = torch.where(torch.rand(shape, generator=random) < share, one + torch.randn(shape, generator=random), one)
    if turned and len(shape) > 1:
        two = two.transpose(0, -1).contiguous().transpose(0, -1)
    count = int((one != two).sum())
    found = compared(tmp_path, {"w": one}, {"w": two})
    if not count:
        assert found == []
        return
    distance = (one.double() - two.double()).abs()
    relative = (distance / torch.maximum(one.abs(), two.abs())).nan_to_num(0).max()
    assert (found[0].differing, found[0].largest) == (count, float(distance.max()))
    assert found[0].relative == pytest.approx(float(relative))


def test_what_cannot_be_compared_is_an_error_not_a_silence(tmp_path: Path) -> None:
    state = {"s": torch.eye(2).to_sparse()}
    with pytest.raises(errors.Unrepresentable, match="s is a sparse_coo tensor"):
        compared(tmp_path, state, state)
