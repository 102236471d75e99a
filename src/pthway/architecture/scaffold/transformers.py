"""The layers of ``torch.nn.Transformer``, which hold other layers."""

from collections.abc import Callable, Iterator
from typing import Final

from pthway.architecture.scaffold.case import Case, Layer, Value

STACK: Final = "layers"
"""The list of a stack's layers."""

CHILDREN: Final = frozenset(("self_attn", "linear1", "linear2", "norm1", "norm2"))
"""Modules that both layers have."""


def encoder_layer(case: Case) -> Layer | None:
    """A TransformerEncoderLayer: attention, two matrices, two norms; None if it is none."""
    return _layer(case, "TransformerEncoderLayer", ("self_attn",))


def decoder_layer(case: Case) -> Layer | None:
    """A TransformerDecoderLayer: two attentions, two matrices, three norms; None if it is none."""
    return _layer(case, "TransformerDecoderLayer", ("self_attn", "multihead_attn"))


def encoder(case: Case) -> Layer | None:
    """A TransformerEncoder: layers that are equal, and perhaps a norm; None if it is none."""
    # Nested tensors change no number, and torch warns where a layer does not allow them.
    return _stack(case, "TransformerEncoder", encoder_layer, {"enable_nested_tensor": False})


def decoder(case: Case) -> Layer | None:
    """A TransformerDecoder: layers that are equal, and perhaps a norm; None if it is none."""
    return _stack(case, "TransformerDecoder", decoder_layer, {})


def _stack(case: Case, kind: str, rule: Callable[[Case], Layer | None], more: dict[str, Value]) -> Layer | None:
    count = 0
    rest = dict(case.shapes)
    first = _taken(rest, f"{STACK}.0.")
    for count in range(1, len(case.shapes)):
        if not (next_ := _taken(rest, f"{STACK}.{count}.")):
            break
        if next_ != first:
            return None
    inner = rule(case._replace(shapes=first, kind=case.kind and f"{kind}Layer")) if first else None
    if inner is None or inner.takes is None or not rest.keys() <= {"norm.weight", "norm.bias"}:
        return None
    arguments: dict[str, Value] = {"layer": inner, "num_layers": count}
    if rest:
        if any(shape != (inner.takes,) for shape in rest.values()) or "norm.weight" not in rest:
            return None
        eps = {"eps": case.settings.value("norm_eps")} if case.settings.options({"norm_eps": 1e-5}) else {}
        affine = {} if "norm.bias" in rest else {"bias": False}
        arguments["norm"] = Layer("LayerNorm", (("normalized_shape", inner.takes), *eps.items(), *affine.items()), 1)
    guesses = inner.guesses + ("norm", "eps") * (bool(rest) and not case.kind)
    return Layer(kind, (*arguments.items(), *more.items()), 2, tuple(dict.fromkeys(guesses)), takes=inner.takes, gives=inner.gives)


def _taken(shapes: dict[str, tuple[int, ...]], prefix: str) -> dict[str, tuple[int, ...]]:
    """The entries of *shapes* that begin with *prefix*, without it; they are taken out."""
    return {name.removeprefix(prefix): shapes.pop(name) for name in list(shapes) if name.startswith(prefix)}


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
