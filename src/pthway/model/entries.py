"""Which inputs a network might take, by the layers that have weights: hypotheses, each to be tried by running it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import torch
from torch import nn

from pthway.model.trial import dtype_of
from pthway.signature import BATCH, Dim

MAX_ENTRIES: Final = 5
"""Layers that are looked at, in the order in which the class registers them; the input meets one of the first."""
COLOURS: Final = (1, 3, 4)
"""Channels of images."""


class Kind(StrEnum):
    """How the sizes that a hypothesis leaves open are found."""

    FIXED = "fixed"
    SPATIAL = "spatial"
    SEQUENCE = "sequence"
    """Two open dimensions, one of which is the batch."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A shape that the network may take."""

    shape: tuple[Dim, ...]
    kind: Kind
    dtype: torch.dtype
    because: str
    """The layer it is read from."""
    vocabulary: int | None = None


def hypotheses(module: nn.Module) -> Iterator[Hypothesis]:
    """Shapes to try, likeliest first: by layers in the order of registration, and for each from the plainest shape on."""
    floating = dtype_of(module)
    mixes = any(isinstance(each, nn.RNNBase | nn.MultiheadAttention) for each in module.modules())
    seen: set[tuple[tuple[Dim, ...], Kind]] = set()
    count = 0
    for path, layer in module.named_modules():
        found = [*_shapes(layer, mixes=mixes)]
        count += bool(found)
        if count > MAX_ENTRIES:
            break
        for shape, kind in found:
            if (shape, kind) in seen:
                continue
            seen.add((shape, kind))
            tokens = isinstance(layer, nn.Embedding | nn.EmbeddingBag)
            because = f"{path or type(layer).__name__} is {_described(layer)}"
            yield Hypothesis(shape, kind, torch.int64 if tokens else floating, because, int(layer.num_embeddings) if tokens else None)
    for path, parameter in module.named_parameters():
        width = parameter.shape[-1] if parameter.ndim > 1 else 0
        for side in dict.fromkeys((width, *parameter.shape[:1])) if width else ():
            if ((BATCH, side), Kind.FIXED) not in seen and count <= MAX_ENTRIES:
                seen.add(((BATCH, side), Kind.FIXED))
                count += 1
                yield Hypothesis((BATCH, side), Kind.FIXED, floating, f"{path} is {list(parameter.shape)}")


def _shapes(layer: nn.Module, *, mixes: bool) -> Iterator[tuple[tuple[Dim, ...], Kind]]:
    """*mixes*: whether some layer reads rows of a matrix as the steps of one sequence, so that a matrix is no batch for sure."""
    match layer:
        case nn.Linear():
            plain = ((BATCH, layer.in_features), Kind.FIXED)
            steps = (("first", "second", layer.in_features), Kind.SEQUENCE)
            if mixes:
                yield from (steps, plain)
            else:
                yield from (plain, *_images_of(layer.in_features), steps)
        case nn.Embedding() | nn.EmbeddingBag():
            yield ("first", "second"), Kind.SEQUENCE
            yield (BATCH,), Kind.FIXED
        case nn.RNNBase():
            yield ("first", "second", layer.input_size), Kind.SEQUENCE
            if layer.input_size == 1:
                yield (BATCH, "length"), Kind.SPATIAL
        case nn.RNNCellBase():
            yield (BATCH, layer.input_size), Kind.FIXED
        case nn.MultiheadAttention():
            yield ("first", "second", layer.embed_dim), Kind.SEQUENCE
        case nn.TransformerEncoderLayer():
            yield ("first", "second", layer.self_attn.embed_dim), Kind.SEQUENCE
        case _:
            yield from _channelled(layer)


def _channelled(layer: nn.Module) -> Iterator[tuple[tuple[Dim, ...], Kind]]:
    match layer:
        case nn.Conv1d() | nn.ConvTranspose1d():
            yield from _along(layer.in_channels, ("length",))
        case nn.Conv2d() | nn.ConvTranspose2d():
            yield from _along(layer.in_channels, ("height", "width"))
            if layer.in_channels == 1:
                yield (BATCH, "length"), Kind.SPATIAL
        case nn.Conv3d() | nn.ConvTranspose3d():
            yield from _along(layer.in_channels, ("depth", "height", "width"))
        case nn.BatchNorm1d() | nn.InstanceNorm1d():
            yield (BATCH, layer.num_features), Kind.FIXED
            yield (BATCH, layer.num_features, "length"), Kind.SPATIAL
        case nn.BatchNorm2d() | nn.InstanceNorm2d():
            yield from _along(layer.num_features, ("height", "width"))
        case nn.BatchNorm3d() | nn.InstanceNorm3d():
            yield from _along(layer.num_features, ("depth", "height", "width"))
        case nn.GroupNorm():
            yield from _along(layer.num_channels, ("height", "width"))
            yield from _along(layer.num_channels, ("length",))
        case nn.LayerNorm() | nn.RMSNorm():
            yield (BATCH, *layer.normalized_shape), Kind.FIXED
            yield ("first", "second", *layer.normalized_shape), Kind.SEQUENCE


def _along(channels: int, sides: tuple[str, ...]) -> Iterator[tuple[tuple[Dim, ...], Kind]]:
    yield (BATCH, channels, *sides), Kind.SPATIAL
    if channels == 1:
        yield (BATCH, *sides), Kind.SPATIAL
    yield (BATCH, *sides, channels), Kind.SPATIAL


def _images_of(numbers: int) -> Iterator[tuple[tuple[Dim, ...], Kind]]:
    """Square images of that many numbers, for a forward pass that unpacks four dimensions before it flattens them."""
    for channels in COLOURS:
        side = round((numbers / channels) ** 0.5)
        if side > 1 and channels * side * side == numbers:
            yield (BATCH, channels, side, side), Kind.FIXED


def _described(layer: Any) -> str:
    return f"{type(layer).__name__}({layer.extra_repr() if not isinstance(layer, nn.TransformerEncoderLayer) else '…'})"
