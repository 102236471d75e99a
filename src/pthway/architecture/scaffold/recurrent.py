"""Recurrent layers and cells, and attention."""

from collections.abc import Iterator
from typing import NamedTuple

from pthway.architecture.scaffold.case import Case, Layer, Value, exact


def recurrent(case: Case) -> Layer | None:
    """An LSTM, GRU or RNN, by the rows of its matrices: 4, 3 or 1 for each feature of its state; None if it is none."""
    shapes = case.shapes
    first, second = shapes.get("weight_ih_l0"), shapes.get("weight_hh_l0")
    if first is None or second is None or len(first) != 2 or len(second) != 2 or not second[1]:  # noqa: PLR2004  # matrices
        return None
    projected = "weight_hr_l0" in shapes
    rows, hidden = first[0], first[0] // 4 if projected else second[1]
    kind = {4: "LSTM", 3: "GRU", 1: "RNN"}.get(rows // hidden if hidden and rows % hidden == 0 else 0)
    layers = 0
    while f"weight_ih_l{layers}" in shapes:
        layers += 1
    both, bias, projection = "weight_ih_l0_reverse" in shapes, "bias_ih_l0" in shapes, second[1] if projected else 0
    sizes = _Sizes(rows, first[1], hidden, layers, ("", "_reverse") if both else ("",), projection)
    if kind is None or dict(shapes) != dict(_gates(sizes, bias=bias)):
        return None
    arguments: dict[str, Value] = {"input_size": first[1], "hidden_size": hidden, "num_layers": layers}
    arguments |= {"bias": False} if not bias else {}
    arguments |= {"bidirectional": True} if both else {}
    arguments |= {"proj_size": projection} if projected else {}
    arguments |= case.settings.options({"batch_first": False, "dropout": 0.0})
    guesses = case.settings.open("batch_first")
    if kind == "RNN":
        arguments |= case.settings.options({"nonlinearity": "tanh"})
        guesses += case.settings.open("nonlinearity")
    gives = (projection or hidden) * (1 + both)
    return Layer(kind, tuple(arguments.items()), 3, guesses=guesses, takes=first[1], gives=gives, dimensions=0)


class _Sizes(NamedTuple):
    """What decides the shapes of a recurrent layer."""

    rows: int
    inputs: int
    hidden: int
    layers: int
    ends: tuple[str, ...]
    """What the names of each direction end with."""
    projection: int
    """Features of the output where it is projected, else 0."""


def _gates(of: _Sizes, *, bias: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a recurrent layer, as ``torch.nn.RNNBase`` registers them."""
    out = of.projection or of.hidden
    for layer in range(of.layers):
        for end in of.ends:
            yield f"weight_ih_l{layer}{end}", (of.rows, of.inputs if layer == 0 else out * len(of.ends))
            yield f"weight_hh_l{layer}{end}", (of.rows, out)
            if bias:
                yield f"bias_ih_l{layer}{end}", (of.rows,)
                yield f"bias_hh_l{layer}{end}", (of.rows,)
            if of.projection:
                yield f"weight_hr_l{layer}{end}", (of.projection, of.hidden)


def cell(case: Case) -> Layer | None:
    """A cell of one step, by the rows of its matrices; None if it is none."""
    match exact(case, "weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        case [(rows, inp), (again, hidden), one, two] if (
            rows == again and hidden and rows % hidden == 0 and one == two and one in (None, (rows,))
        ):
            kind = {4: "LSTMCell", 3: "GRUCell", 1: "RNNCell"}.get(rows // hidden)
            if kind is None:
                return None
            arguments: dict[str, Value] = {"input_size": inp, "hidden_size": hidden}
            arguments |= {"bias": False} if one is None else {}
            guesses: tuple[str, ...] = ()
            if kind == "RNNCell":
                arguments |= case.settings.options({"nonlinearity": "tanh"})
                guesses = case.settings.open("nonlinearity")
            return Layer(kind, tuple(arguments.items()), 2, guesses=guesses, takes=inp, gives=hidden, dimensions=0)
    return None


def attention(case: Case) -> Layer | None:
    """A MultiheadAttention, whose output layer is a module in it; None if it is none."""
    shapes = dict(case.shapes)
    width = (shapes.get("out_proj.weight") or (0,))[0]
    joint = "in_proj_weight" in shapes
    bias, extra = "in_proj_bias" in shapes, "bias_k" in shapes
    key, value = ((shapes.get(f"{part}_proj_weight") or (0, width))[-1] for part in "kv")
    expected: dict[str, tuple[int, ...]] = {"out_proj.weight": (width, width)}
    expected |= {"in_proj_weight": (3 * width, width)} if joint else {}
    expected |= {} if joint else {"q_proj_weight": (width, width), "k_proj_weight": (width, key), "v_proj_weight": (width, value)}
    expected |= {"in_proj_bias": (3 * width,), "out_proj.bias": (width,)} if bias else {}
    expected |= {"bias_k": (1, 1, width), "bias_v": (1, 1, width)} if extra else {}
    if not width or shapes != expected:
        return None
    told = case.settings.number("num_heads")
    heads = told or next(count for count in (width // 64, 8, 4, 2, 1) if count and width % count == 0)
    if width % heads:
        return None
    arguments: dict[str, Value] = {"embed_dim": width, "num_heads": heads}
    arguments |= {} if bias else {"bias": False}
    arguments |= {"add_bias_kv": True} if extra else {}
    arguments |= {} if joint else {"kdim": key, "vdim": value}
    arguments |= case.settings.options({"batch_first": False, "add_zero_attn": False, "dropout": 0.0})
    guesses = () if told else ("heads",)
    return Layer(
        "MultiheadAttention", tuple(arguments.items()), 2, guesses=guesses + case.settings.open("batch_first"), takes=width, gives=width
    )
