"""The layers of ``torch.nn.Transformer``, which hold other layers."""

from collections.abc import Iterator
from typing import Final

from pthway.architecture.scaffold.case import Case, Layer
from pthway.architecture.scaffold.settings import Value

CHILDREN: Final = frozenset(("self_attn", "linear1", "linear2", "norm1", "norm2"))
"""Modules that both layers have."""


def encoder_layer(case: Case) -> Layer | None:
    """A TransformerEncoderLayer: attention, two matrices, two norms; None if it is none."""
    return _layer(case, "TransformerEncoderLayer", ("self_attn",))


def decoder_layer(case: Case) -> Layer | None:
    """A TransformerDecoderLayer: two attentions, two matrices, three norms; None if it is none."""
    return _layer(case, "TransformerDecoderLayer", ("self_attn", "multihead_attn"))


def _layer(case: Case, kind: str, attentions: tuple[str, ...]) -> Layer | None:
    inner = case.shapes.get("linear1.weight", ())
    bias = "linear1.bias" in case.shapes
    if len(inner) != 2 or dict(case.shapes) != dict(_expected(*inner, attentions, bias=bias)):  # noqa: PLR2004  # a matrix
        return None
    hidden, width = inner
    told = case.settings.number("num_heads")
    heads = told or next(count for count in (width // 64, 8, 4, 2, 1) if count and width % count == 0)
    if width % heads:
        return None
    activation = case.settings.value("activation") if case.settings.has("activation") else None
    arguments: dict[str, Value] = {"d_model": width, "nhead": heads, "dim_feedforward": hidden}
    arguments |= {"activation": "gelu"} if activation == "gelu" else {}
    arguments |= case.settings.options({"dropout": 0.1, "layer_norm_eps": 1e-5, "batch_first": False, "norm_first": False})
    arguments |= {} if bias else {"bias": False}
    guesses = ("layer",) * (not case.kind) + ("heads",) * (not told)
    guesses += case.settings.open("batch_first", "norm_first", "activation")
    guesses += ("eps",) * (not case.settings.has("layer_norm_eps"))
    return Layer(kind, tuple(arguments.items()), 3, guesses, takes=width, gives=width)


def _expected(hidden: int, width: int, attentions: tuple[str, ...], *, bias: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name in attentions:
        yield f"{name}.in_proj_weight", (3 * width, width)
        yield f"{name}.out_proj.weight", (width, width)
        if bias:
            yield f"{name}.in_proj_bias", (3 * width,)
            yield f"{name}.out_proj.bias", (width,)
    yield "linear1.weight", (hidden, width)
    yield "linear2.weight", (width, hidden)
    if bias:
        yield "linear1.bias", (hidden,)
        yield "linear2.bias", (width,)
    for number in range(1, len(attentions) + 2):
        yield f"norm{number}.weight", (width,)
        if bias:
            yield f"norm{number}.bias", (width,)
