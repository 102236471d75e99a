"""Histograms of numbers that are seen once, judged by numpy on all of them at once."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import pthway
from pthway.checkpoint.histogram import BINS, Binning, Histogram
from pthway.checkpoint.statistics import Statistics, statistics

torch.manual_seed(0)
TENSORS = {
    "single": torch.randn(700, 1000) + 1000,
    "turned": torch.randn(300, 700).t(),
    "growing": torch.arange(3_000_000).float(),
    "double": torch.randn(1000, dtype=torch.float64) * 1e200,
    "half": torch.randn(1000).half(),
    "brain": torch.randn(1000).bfloat16(),
    "eight": torch.randn(1000).to(torch.float8_e4m3fn),
    "short": torch.randint(-(2**15), 2**15, (1000,), dtype=torch.int16),
    "byte": torch.randint(0, 255, (1000,), dtype=torch.uint8),
    "yes": torch.rand(1000) > 0.3,
    "one": torch.tensor(3.5),
}


def measured(folder: Path, state: dict[str, torch.Tensor]) -> dict[str, Statistics]:
    torch.save(state, folder / "in.pth")
    checkpoint = pthway.open(folder / "in.pth")
    return statistics(checkpoint.container, checkpoint.choose().tensors, histograms=True)


def binned(numbers: np.ndarray, pieces: int = 1) -> Histogram:
    binning = Binning()
    for piece in np.array_split(numbers, pieces):
        if piece.size:
            binning.add(piece, piece.min().item(), piece.max().item())
    result = binning.result()
    assert result is not None
    return result


@pytest.mark.parametrize("name", TENSORS)
def test_the_counts_are_those_of_numpy_for_the_same_edges(name: str, tmp_path: Path) -> None:
    tensor = TENSORS[name]
    histogram = measured(tmp_path, {name: tensor})[name].histogram
    assert histogram is not None
    exact = tensor.double().numpy()
    assert list(histogram.counts) == np.histogram(exact, histogram.edges)[0].tolist()
    assert histogram.edges[0] <= exact.min() < histogram.edges[1]
    assert histogram.edges[-2] <= exact.max() < histogram.edges[-1]


def test_nan_and_infinity_are_left_out_and_complex_and_empty_tensors_have_none(tmp_path: Path) -> None:
    inf, nan = math.inf, math.nan
    state = {"w": torch.tensor([nan, 1.0, inf, -inf, 3.0]), "n": torch.tensor([nan]), "z": torch.tensor([1j]), "e": torch.zeros(0)}
    found = measured(tmp_path, state)
    assert found["w"].histogram is not None and sum(found["w"].histogram.counts) == 2
    assert [found[name].histogram for name in "nze"] == [None, None, None]


def test_it_is_only_made_when_it_is_asked_for(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3)}, tmp_path / "in.pth")
    checkpoint = pthway.open(tmp_path / "in.pth")
    assert statistics(checkpoint.container, checkpoint.choose().tensors)["w"].histogram is None


NUMBERS = st.one_of(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1).map(lambda some: np.array(some, np.float64)),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1).map(lambda some: np.array(some, np.int64)),
    st.lists(st.integers(0, 2**64 - 1), min_size=1).map(lambda some: np.array(some, np.uint64)),
)


@given(NUMBERS, st.integers(2, 9))
def test_it_depends_on_the_numbers_and_not_on_how_they_are_cut(numbers: np.ndarray, pieces: int) -> None:
    histogram = binned(numbers)
    assert binned(numbers, pieces) == histogram == binned(numbers[::-1], pieces)
    assert len(histogram.counts) <= BINS
    indices = [math.floor(Fraction(number) / Fraction(2) ** histogram.exponent) for number in numbers.tolist()]
    counts = [0] * len(histogram.counts)
    for index in indices:
        counts[index - histogram.first] += 1
    assert tuple(counts) == histogram.counts


def test_bins_become_wider_when_they_are_no_longer_enough() -> None:
    assert binned(np.arange(64)) == Histogram(0, 0, (1,) * 64)
    assert binned(np.arange(65)) == Histogram(0, 1, (2,) * 32 + (1,))


def test_zeros_that_come_first_do_not_make_the_bins_of_small_numbers_wide() -> None:
    numbers = np.array([0.0, 0.0, 3e-30])
    assert binned(numbers, 3) == binned(numbers) and len(binned(numbers).counts) > BINS // 2


def test_a_negative_number_that_is_next_to_nothing_beside_the_largest_lies_below_zero() -> None:
    histogram = binned(np.array([-1e-300, 1e20]))
    assert histogram.first == -1 and histogram.counts[0] == 1


def test_the_smallest_and_the_largest_numbers_of_a_type_have_bins() -> None:
    least, most = 5e-324, 1.7976931348623157e308
    assert sum(binned(np.array([-most, -least, 0.0, least, most]), 5).counts) == 5
    assert binned(np.array([0.0, least])).counts == (1, 1)
