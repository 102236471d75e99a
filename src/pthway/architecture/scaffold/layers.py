"""Which layer of torch has tensors of these names and shapes, and what of it the weights leave open."""

from collections.abc import Callable, Mapping
from typing import Final

from pthway.architecture.scaffold.case import COUNTER, Case, Layer
from pthway.architecture.scaffold.computed import spectral_norm, weight_norm
from pthway.architecture.scaffold.convolutions import convolution
from pthway.architecture.scaffold.matrices import bilinear, embedding, linear, matrix
from pthway.architecture.scaffold.norms import (
    batch_norm,
    group_norm,
    layer_norm,
    prelu,
    rms_norm,
    vector,
    with_statistics,
    without_statistics,
)
from pthway.architecture.scaffold.recurrent import attention, cell, recurrent
from pthway.architecture.scaffold.transformers import decoder, decoder_layer, encoder, encoder_layer

FLOATS: Final = frozenset(("float32", "float16", "bfloat16", "float64"))
"""Types that every layer can be built in."""


def infer(case: Case, dtypes: Mapping[str, str]) -> Layer | None:
    """The layer with exactly these tensors, all of one type and none empty; None if there is none."""
    types = {dtype for name, dtype in dtypes.items() if name.rpartition(".")[2] != COUNTER}
    counters = {dtype for name, dtype in dtypes.items() if name.rpartition(".")[2] == COUNTER}
    empty = any(0 in shape for shape in case.shapes.values())
    if len(types) != 1 or not types <= FLOATS or not counters <= {"int64"} or empty:
        return None
    found = _known(case) if case.kind else _first(case)
    return found and _typed(found, min(types))


def _typed(layer: Layer, dtype: str) -> Layer:
    """*layer* with parameters of that type; where it is made of other layers, those have it."""
    inner = any(isinstance(value, Layer) for _, value in layer.arguments)
    arguments = tuple((name, _typed(value, dtype) if isinstance(value, Layer) else value) for name, value in layer.arguments)
    return layer._replace(arguments=arguments, dtype="float32" if inner else dtype)


def _known(case: Case) -> Layer | None:
    rule = RULES.get(case.kind)
    found = rule(case) if rule else None
    return found if found is not None and found.kind == case.kind else None


def _first(case: Case) -> Layer | None:
    return next((layer for rule in _ORDER if (layer := rule(case)) is not None), None)


Rule = Callable[[Case], Layer | None]

_ORDER: Final[tuple[Rule, ...]] = (
    recurrent, cell, attention, weight_norm, spectral_norm, with_statistics, without_statistics, vector, matrix, bilinear, convolution,
    encoder_layer, decoder_layer, encoder, decoder,
)  # fmt: skip
"""The rules where the file tells no class; each takes exactly its own names, so that only the families of one name compete."""


def _each(name: str, rule: Rule) -> dict[str, Rule]:
    return {f"{name}{dimensions}d": rule for dimensions in (1, 2, 3)}


RULES: Final[Mapping[str, Rule]] = {
    "Linear": linear, "Embedding": embedding, "EmbeddingBag": embedding, "Bilinear": bilinear,
    **_each("Conv", convolution), **_each("ConvTranspose", convolution),
    **_each("BatchNorm", batch_norm), **_each("InstanceNorm", batch_norm), "SyncBatchNorm": batch_norm,
    "LayerNorm": layer_norm, "RMSNorm": rms_norm, "GroupNorm": group_norm, "PReLU": prelu,
    "LSTM": recurrent, "GRU": recurrent, "RNN": recurrent,
    "LSTMCell": cell, "GRUCell": cell, "RNNCell": cell,
    "MultiheadAttention": attention, "TransformerEncoderLayer": encoder_layer, "TransformerDecoderLayer": decoder_layer,
    "TransformerEncoder": encoder, "TransformerDecoder": decoder,
}  # fmt: skip
"""The class that a file names → the rule for it."""
