"""Whether modules that run one after the other fit: what one gives, the next one takes."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from pthway.architecture.scaffold.case import Layer
from pthway.architecture.scaffold.part import Form, Part


class Signal(NamedTuple):
    """What flows between modules, as far as shapes of weights tell."""

    width: int | None = None
    """Channels or features; None where anything may come."""
    dimensions: int | None = None
    """Spatial dimensions: 2 of images, 0 of rows of features; None where it is not known."""
    loose: bool = False
    """Whether it may be flattened channels, so that the features are some multiple of the width."""


NOT_IN_A_CHAIN: Final = frozenset(
    (
        "LSTM",
        "GRU",
        "RNN",
        "LSTMCell",
        "GRUCell",
        "RNNCell",
        "MultiheadAttention",
        "Bilinear",
        "TransformerDecoderLayer",
        "TransformerDecoder",
    )
)
"""Layers that take or give more than one tensor."""

ANY_WIDTH: Final = frozenset(("PixelShuffle", "PixelUnshuffle", "Unflatten", "GLU"))
"""Layers without weights that change the number of channels."""


def through(part: Part, signal: Signal) -> Signal | None:
    """What *part* makes of *signal*; None if it cannot take it, or is no step of a chain."""
    match part.form:
        case Form.UNKNOWN:
            return signal._replace(loose=bool(signal.dimensions) or signal.loose)
        case Form.LAYER if part.layer is not None:
            return _layer(part.layer, signal)
        case Form.SEQUENTIAL:
            return through_all((child for _, child in part.children), signal)
        case Form.CLASS:
            return Signal(None, signal.dimensions)
    return None


def through_all(parts: Iterable[Part], signal: Signal) -> Signal | None:
    """What *parts* make of *signal*, one after the other; None if they do not fit."""
    for part in parts:
        after = through(part, signal)
        if after is None:
            return None
        signal = after
    return signal


def flattened(signal: Signal) -> Signal:
    """*signal* with everything but the batch in one dimension."""
    return Signal(signal.width, 0, loose=True)


def _layer(layer: Layer, signal: Signal) -> Signal | None:
    if layer.kind in NOT_IN_A_CHAIN:
        return None
    if layer.kind == "Flatten":
        return flattened(signal)
    if layer.kind in ANY_WIDTH:
        return Signal()
    if layer.gives is None:
        return signal
    return Signal(layer.gives, _after(layer, signal)) if _takes(layer, signal) else None


def _takes(layer: Layer, signal: Signal) -> bool:
    if layer.takes is None:  # an Embedding takes indices, which no other layer gives
        return signal.width is None
    if layer.kind == "Linear" and signal.loose:
        return signal.width is None or layer.takes % signal.width == 0
    same_kind = layer.dimensions is None or signal.dimensions is None or layer.dimensions == signal.dimensions
    return same_kind and signal.width in (None, layer.takes)


def _after(layer: Layer, signal: Signal) -> int | None:
    return signal.dimensions if layer.dimensions is None else layer.dimensions
