"""What the recurrent layers, attention and transformers of torch.nn hold."""

from typing import Final

from pthway.architecture.source.plain_layers import layer_norm, linear, size, weights
from pthway.architecture.source.values import NUMBER, UNKNOWN, Call, Items, Module, Value, Weight, truth

GATES: Final = {"LSTM": 4, "GRU": 3, "RNN": 1}


def recurrent(kind: str, call: Call) -> Module:
    """Return an LSTM, GRU or RNN."""
    inside, hidden = size(call.get(0, "input_size")), size(call.get(1, "hidden_size"))
    layers, bias = size(call.get(2, "num_layers", 1)), call.get(3, "bias", True)
    both, projected = call.get(6, "bidirectional", False), call.get(7, "proj_size", 0)
    out = None if projected is UNKNOWN else size(projected) or hidden
    rows = hidden * GATES[kind] if hidden is not None else None
    directions = None if truth(both) is None else 2 if truth(both) else 1
    made = Module(kind)
    for layer in range(min(layers, 64)) if layers is not None else (0,):
        for reverse in ("", "_reverse"):
            if reverse and directions == 1:
                continue
            wide = inside if layer == 0 else out * directions if out is not None and directions else None
            end = f"l{layer}{reverse}"
            shapes: dict[str, tuple[int | None, ...]] = {f"weight_ih_{end}": (rows, wide), f"weight_hh_{end}": (rows, out)}
            shapes |= {f"bias_ih_{end}": (rows,), f"bias_hh_{end}": (rows,)} if truth(bias) is not False else {}
            shapes |= {f"weight_hr_{end}": (size(projected), hidden)} if truth(projected) is not False else {}
            for name, shape in shapes.items():
                doubtful = (bool(reverse) and directions is None) or (name[:4] == "bias" and truth(bias) is None)
                made = made.having(name, Weight(shape), optional=doubtful or (name[:9] == "weight_hr" and truth(projected) is None))
    if layers is None:
        for name in ("weight_ih_l*", "weight_hh_l*", "bias_ih_l*", "bias_hh_l*", "weight_hr_l*"):
            made = made.having(name, Weight(), optional=True)
    return made


def cell(kind: str, call: Call) -> Module:
    """Return a cell of one of these."""
    inside, hidden = size(call.get(0, "input_size")), size(call.get(1, "hidden_size"))
    rows = hidden * GATES[kind.removesuffix("Cell")] if hidden is not None else None
    bias = call.get(2, "bias", True)
    shapes: dict[str, tuple[int | None, ...] | None] = {"weight_ih": (rows, inside), "weight_hh": (rows, hidden)}
    return weights(kind, {**shapes, "bias_ih": (rows,), "bias_hh": (rows,)}, {"bias_ih": bias, "bias_hh": bias})


def _times(size: int | None, factor: int) -> int | None:
    return None if size is None else size * factor


def attention(kind: str, call: Call) -> Module:
    """Return a MultiheadAttention."""
    width, bias = size(call.get(0, "embed_dim")), call.get(3, "bias", True)
    apart = [given for given in (call.get(6, "kdim"), call.get(7, "vdim")) if given is not None]
    widened = call.get(4, "add_bias_kv", False)
    if any(size(given) != width or width is None for given in apart):
        shapes: dict[str, tuple[int | None, ...] | None] = {f"{which}_proj_weight": (width, None) for which in "qkv"}
        shapes["in_proj_weight"] = (_times(width, 3), width)
        given: dict[str, Value] = dict.fromkeys(shapes, UNKNOWN)
    else:
        shapes, given = {"in_proj_weight": (_times(width, 3), width)}, {}
    shapes |= {"in_proj_bias": (_times(width, 3),), "bias_k": (1, 1, width), "bias_v": (1, 1, width)}
    made = weights(kind, shapes, {**given, "in_proj_bias": bias, "bias_k": widened, "bias_v": widened})
    return made.having("out_proj", linear("Linear", Call(Items((width or UNKNOWN, width or UNKNOWN, bias)))))


def transformer_layer(kind: str, call: Call) -> Module:
    """Return a layer of an encoder or a decoder."""
    width = call.get(0, "d_model")
    inner, bias = call.get(2, "dim_feedforward", 2048), call.get(8, "bias", True)
    decoder = "Decoder" in kind
    attended = attention("MultiheadAttention", Call(Items((width, UNKNOWN, UNKNOWN, bias))))
    norm = layer_norm("LayerNorm", Call(Items((width, UNKNOWN, True, bias))))
    parts: dict[str, Value] = {"self_attn": attended, **({"multihead_attn": attended} if decoder else {})}
    parts["linear1"] = linear("Linear", Call(Items((width, inner, bias))))
    parts["dropout"] = Module("Dropout")
    parts["linear2"] = linear("Linear", Call(Items((inner, width, bias))))
    for number in range(1, 4 if decoder else 3):
        parts[f"norm{number}"], parts[f"dropout{number}"] = norm, Module("Dropout")
    return Module(kind, parts)


def transformer_stack(kind: str, call: Call) -> Module:
    """Return an encoder or a decoder."""
    layer, count, norm = call.get(0, f"{kind.removeprefix('Transformer').lower()}_layer"), call.get(1, "num_layers"), call.get(2, "norm")
    made = Module(kind, {"layers": _repeated(layer, size(count))})
    return made if norm is None else made.having("norm", norm, optional=not isinstance(norm, Module))


def transformer(kind: str, call: Call) -> Module:
    """Return a Transformer: both."""
    width, inner, bias = call.get(0, "d_model", 512), call.get(4, "dim_feedforward", 2048), call.get(12, "bias", True)
    norm = layer_norm("LayerNorm", Call(Items((width, UNKNOWN, True, bias))))
    parts: dict[str, Value] = {}
    for place, side in ((2, "encoder"), (3, "decoder")):
        layer = transformer_layer(f"Transformer{side.title()}Layer", Call(Items((width, UNKNOWN, inner)), {"bias": bias}))
        count = call.get(place, f"num_{side}_layers", 6)
        parts[side] = Module(f"Transformer{side.title()}", {"layers": _repeated(layer, size(count)), "norm": norm})
    return Module(kind, parts)


def _repeated(layer: Value, count: int | None) -> Module:
    """Return a ModuleList of *count* times *layer*; of any number if it is None."""
    if count is None or count > 256:  # noqa: PLR2004  # no network lists more by hand
        return Module("ModuleList", {NUMBER: layer}, frozenset((NUMBER,)))
    return Module("ModuleList", {str(position): layer for position in range(count)})
