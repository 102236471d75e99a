"""What each network of `networks.py` is asked: inputs of other numbers of samples and other sizes than were recorded."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray]


class Case(NamedTuple):
    network: str
    inputs: Callable[[np.random.Generator, int], Arrays]
    """From a number of samples; every call has other sizes where these are free."""
    free: tuple[str, ...] = ("batch",)
    example: bool = False
    """Whether the inputs have to be shown, since the weights do not tell what they are."""


def decimals(name: str, *sample: int) -> Callable[[np.random.Generator, int], Arrays]:
    return lambda rng, count: {name: rng.standard_normal((count, *sample), dtype=np.float32)}


def images(channels: int, multiple: int) -> Callable[[np.random.Generator, int], Arrays]:
    def make(rng: np.random.Generator, count: int) -> Arrays:
        rows, columns = (int(multiple * rng.integers(8, 13)) for _ in range(2))
        return {"x": rng.standard_normal((count, channels, rows, columns), dtype=np.float32)}

    return make


def ids(vocabulary: int) -> Callable[[np.random.Generator, int], Arrays]:
    return lambda rng, count: {"tokens": rng.integers(0, vocabulary, (count, int(rng.integers(3, 20))))}


def masked(rng: np.random.Generator, count: int) -> Arrays:
    length = int(rng.integers(3, 20))
    kept = rng.integers(1, length + 1, (count, 1)) > np.arange(length)
    return {"input_ids": rng.integers(0, 40, (count, length)), "attention_mask": kept.astype(np.int64)}


def time_first(rng: np.random.Generator, count: int) -> Arrays:
    return {"x": rng.standard_normal((int(rng.integers(3, 20)), count, 6), dtype=np.float32)}


CASES = (
    Case("Mlp", decimals("x", 20)),
    Case("Cnn", decimals("x", 1, 12, 12)),
    Case("ResNet", images(3, 4), ("batch", "height", "width")),
    Case("Vit", decimals("x", 3, 16, 16)),
    Case("UNet", images(1, 4), ("batch", "height", "width")),
    Case("Tagger", ids(30), ("batch", "length")),
    Case("Encoder", masked, ("batch", "length"), example=True),
    Case("TwoHeads", decimals("x", 10)),
    Case("Tied", ids(25), ("batch", "length")),
    Case("TimeFirst", time_first, ("batch", "length")),
)
