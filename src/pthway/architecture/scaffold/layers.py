"""Which layer of torch has tensors of these names and shapes, and what of it the weights leave open."""

import re
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Final, NamedTuple

from pthway.architecture.scaffold.settings import Settings, Value

FLOATS: Final = frozenset(("float32", "float16", "bfloat16", "float64"))
"""Types that every layer can be built in."""

COUNTER: Final = "num_batches_tracked"


class Layer(NamedTuple):
    """A layer of ``torch.nn`` with its arguments."""

    kind: str
    """Its class, such as ``Conv2d``."""
    arguments: tuple[tuple[str, Value], ...]
    """By name, in the order of the constructor; those in `positional` are written without their name."""
    positional: int = 0
    guesses: tuple[str, ...] = ()
    dtype: str = "float32"
    wrap: str = ""
    """What changes its parameters, such as ``nn.utils.spectral_norm``."""
    takes: int | None = None
    """Channels or features that come in, where that is one number."""
    gives: int | None = None
    dimensions: int | None = None
    """Spatial dimensions of what it takes: 2 of a Conv2d, 0 of a Linear; None for any."""


class Case(NamedTuple):
    """One module's tensors, and what stands around them."""

    shapes: Mapping[str, tuple[int, ...]]
    """Those at and below the module, by their names in it."""
    name: str
    """The last part of its path."""
    settings: Settings
    kind: str = ""
    """The class of torch.nn that the file says it is; empty where it does not."""
    version: int | None = None
    before: Layer | None = None
    """The last layer with a width before it in the file."""
    after: Mapping[str, tuple[int, ...]] = {}
    """The tensors of the module that comes next."""
    dimensions: int | None = None
    """Spatial dimensions of the convolutions around it."""
    inputs: int | None = None
    """What a norm of the matrices tells: the length of one column."""

    def named(self, pattern: str) -> bool:
        """Whether its name has such a part."""
        return re.search(pattern, self.name, re.IGNORECASE) is not None


def infer(case: Case, dtypes: Mapping[str, str]) -> Layer | None:
    """The layer with exactly these tensors, all of one type and none empty; None if there is none."""
    types = {dtype for name, dtype in dtypes.items() if name.rpartition(".")[2] != COUNTER}
    counters = {dtype for name, dtype in dtypes.items() if name.rpartition(".")[2] == COUNTER}
    empty = any(0 in shape for shape in case.shapes.values())
    if len(types) != 1 or not types <= FLOATS or not counters <= {"int64"} or empty:
        return None
    found = _known(case) if case.kind else _first(case)
    return found and found._replace(dtype=min(types))


def _known(case: Case) -> Layer | None:
    rule = RULES.get(case.kind)
    found = rule(case) if rule else None
    return found if found is not None and found.kind == case.kind else None


def _first(case: Case) -> Layer | None:
    return next((layer for rule in _ORDER if (layer := rule(case)) is not None), None)


# --- one rule a family ------------------------------------------------------------------------------------------------


def _linear(case: Case) -> Layer | None:
    match _exact(case, "weight", "bias"):
        case [(out, inp), None]:
            return _of("Linear", case, {"in_features": inp, "out_features": out, "bias": False}, 2, takes=inp, gives=out, dimensions=0)
        case [(out, inp), (bias,)] if bias == out:
            return _of("Linear", case, {"in_features": inp, "out_features": out}, 2, takes=inp, gives=out, dimensions=0)
    return None


def _embedding(case: Case) -> Layer | None:
    match _exact(case, "weight"):
        case [(rows, width)]:
            arguments: dict[str, Value] = {"num_embeddings": rows, "embedding_dim": width}
            extra = case.settings.options({"padding_idx": None, "max_norm": None, "norm_type": 2.0})
            kind = case.kind or "Embedding"
            if kind == "EmbeddingBag":
                extra |= case.settings.options({"mode": "mean", "include_last_offset": False})
            return _of(kind, case, arguments | extra, 2, gives=width, guesses=() if case.kind else ("embedding",))
    return None


def _matrix(case: Case) -> Layer | None:
    """A matrix alone: a table by its name, otherwise a Linear without bias."""
    layer = _linear(case)
    if layer is None or "bias" in case.shapes:
        return layer
    if case.named(r"emb|(^|_)w[tp]e$|token|vocab|position|(^|_)lut$|table|lookup"):
        return _embedding(case)
    return layer._replace(guesses=("embedding",)) if case.settings.told is None else layer


def _bilinear(case: Case) -> Layer | None:
    match _exact(case, "weight", "bias"):
        case [(out, one, two), bias] if bias in (None, (out,)) and (case.kind or case.named("bilinear")):
            arguments: dict[str, Value] = {"in1_features": one, "in2_features": two, "out_features": out}
            if bias is None:
                arguments["bias"] = False
            return _of("Bilinear", case, arguments, 3, guesses=() if case.kind else ("layer",))
    return None


def _convolution(case: Case) -> Layer | None:
    match _exact(case, "weight", "bias"):
        case [(first, second, *kernel), bias] if 1 <= len(kernel) <= 3 and min((first, second, *kernel)) > 0:
            transposed, sure = _direction(case, first, second, bias)
            if transposed is None:
                return None
            return (_transposed if transposed else _plain)(case, (first, second), tuple(kernel), bias=bias, sure=sure)
    return None


def _direction(case: Case, first: int, second: int, bias: tuple[int, ...] | None) -> tuple[bool | None, bool]:
    """Whether it is transposed, and whether that is sure; None if it is neither way round."""
    groups = case.settings.number("groups") or 1
    if case.kind:
        transposed = "Transpose" in case.kind
        return (transposed if bias in (None, (second * groups,) if transposed else (first,)) else None), True
    if case.inputs is not None and first != second:
        return case.inputs == first, True
    ways = [transposed for transposed, out in ((False, first), (True, second)) if bias in (None, (out,))]
    if ways == [] and bias is not None:
        grouped = len(bias) == 1 and bias[0] % second == 0 and bias[0] > second and first % (bias[0] // second) == 0
        return (True if grouped else None), True
    if len(ways) == 1:
        return ways[0], True
    follows = {shape[0] for name, shape in case.after.items() if name in ("running_mean", "bias") and len(shape) == 1}
    if first != second and follows & {first, second} and "running_mean" in case.after:
        return second in follows, True
    before = case.before.gives if case.before and case.before.dimensions else None
    if before is not None and first != second and before in (first, second):
        return before == first, False
    return case.named(r"transp|deconv|(^|_)up|convt"), first == 1 == second


def _plain(case: Case, shape: tuple[int, int], kernel: tuple[int, ...], *, bias: tuple[int, ...] | None, sure: bool) -> Layer | None:
    out, share = shape
    told = case.settings.number("groups")
    before = case.before.gives if case.before and case.before.dimensions else None
    fits = before is not None and before % share == 0 and out % (before // share) == 0
    groups = told or (before // share if before is not None and fits and max(kernel) > 1 else 1)  # a shortcut beside has 1 × 1
    if out % groups:
        return None
    guesses = ("groups",) * (told is None and (groups > 1 or (before is not None and before != share)))
    guesses += ("transposed",) * (not sure)
    arguments: dict[str, Value] = {"in_channels": share * groups, "out_channels": out, "kernel_size": _same(kernel)}
    return _of(
        f"Conv{len(kernel)}d",
        case,
        arguments | _spatial(case, groups, bias=bias, transposed=False),
        3,
        guesses=guesses + case.settings.open("stride", "padding", "dilation"),
        takes=share * groups,
        gives=out,
        dimensions=len(kernel),
    )


def _transposed(case: Case, shape: tuple[int, int], kernel: tuple[int, ...], *, bias: tuple[int, ...] | None, sure: bool) -> Layer | None:
    inp, share = shape
    groups = case.settings.number("groups") or (bias[0] // share if bias is not None and bias[0] % share == 0 else 1)
    if inp % groups or bias not in (None, (share * groups,)):
        return None
    guesses = ("transposed",) * (not sure) + case.settings.open("stride", "padding", "dilation")
    arguments: dict[str, Value] = {"in_channels": inp, "out_channels": share * groups, "kernel_size": _same(kernel)}
    return _of(
        f"ConvTranspose{len(kernel)}d",
        case,
        arguments | _spatial(case, groups, bias=bias, transposed=True),
        3,
        guesses=guesses,
        takes=inp,
        gives=share * groups,
        dimensions=len(kernel),
    )


def _spatial(case: Case, groups: int, *, bias: tuple[int, ...] | None, transposed: bool) -> dict[str, Value]:
    options: dict[str, Value] = {"stride": 1, "padding": 0, "dilation": 1, "padding_mode": "zeros"}
    if transposed:
        options["output_padding"] = 0
    found = case.settings.options(options)
    if groups > 1:
        found["groups"] = groups
    return found | ({"bias": False} if bias is None else {})


def _statistics(case: Case) -> Layer | None:
    """A norm that keeps running statistics."""
    found = _exact(case, "running_mean", "running_var", "weight", "bias", COUNTER)
    if found is None:
        return None
    mean, variance, weight, bias, counter = found
    stripped = counter is None and (case.version or 0) >= 2  # noqa: PLR2004  # since then torch asks for the counter
    if (
        mean is None
        or len(mean) != 1
        or variance != mean
        or weight != bias
        or weight not in (None, mean)
        or counter not in (None, ())
        or stripped
    ):
        return None
    instance = case.named(r"instance|(^|_)in\d*$")
    guesses = ("norm", *_eps(case))
    if case.kind:
        return _norm(case, case.kind, mean[0], affine=weight is not None, tracks=True)
    dimensions = case.before.dimensions if case.before and case.before.gives == mean[0] else None
    if dimensions is None:
        dimensions, guesses = case.dimensions, (*guesses, "dimensions")
    kind = f"{'Instance' if instance else 'Batch'}Norm{dimensions or 1}d"
    return _norm(case, kind, mean[0], affine=weight is not None, tracks=True)._replace(guesses=guesses)


def _norm(case: Case, kind: str, width: int, *, affine: bool, tracks: bool) -> Layer:
    instance = kind.startswith("Instance")
    arguments: dict[str, Value] = {"num_features": width} | case.settings.options({"eps": 1e-5, "momentum": 0.1})
    if affine == instance:
        arguments["affine"] = affine
    if tracks == instance:
        arguments["track_running_stats"] = tracks
    dimensions = int(kind[-2]) if kind[-2:-1].isdigit() and kind[-2] != "1" else None
    return _of(kind, case, arguments, 1, guesses=_eps(case), takes=width, gives=width, dimensions=dimensions)


def _no_statistics(case: Case) -> Layer | None:
    """A batch or instance norm that keeps none, known by its class or by its version."""
    match _exact(case, "weight", "bias"):
        case [(width,), (bias,)] if width == bias and (case.kind or case.version == 2):  # noqa: PLR2004  # of these norms
            dimensions = case.before.dimensions if case.before else case.dimensions
            layer = _norm(case, case.kind or f"InstanceNorm{dimensions or case.dimensions or 1}d", width, affine=True, tracks=False)
            return layer if case.kind else layer._replace(guesses=("norm", "dimensions", "eps"))
    return None


def _layer_norm(case: Case) -> Layer | None:
    match _exact(case, "weight", "bias"):
        case [(*shape,), bias] if shape and bias in (None, tuple(shape)):
            arguments: dict[str, Value] = {"normalized_shape": shape[0] if len(shape) == 1 else tuple(shape)} | case.settings.options(
                {"eps": 1e-5}
            )
            if bias is None:
                arguments["bias"] = False
            open_ = () if case.kind else ("norm",)
            return _of("LayerNorm", case, arguments, 1, guesses=open_ + _eps(case), takes=shape[-1], gives=shape[-1], dimensions=0)
    return None


def _rms_norm(case: Case) -> Layer | None:
    match _exact(case, "weight"):
        case [(*shape,)] if shape:
            arguments: dict[str, Value] = {"normalized_shape": shape[0] if len(shape) == 1 else tuple(shape)} | case.settings.options(
                {"eps": None}
            )
            open_ = () if case.kind else ("norm",)
            return _of("RMSNorm", case, arguments, 1, guesses=open_ + _eps(case), takes=shape[-1], gives=shape[-1], dimensions=0)
    return None


def _group_norm(case: Case) -> Layer | None:
    match _exact(case, "weight", "bias"):
        case [(width,), (bias,)] if width == bias:
            groups = case.settings.number("num_groups") or next(count for count in (32, 16, 8, 4, 2, 1) if width % count == 0)
            if width % groups:
                return None
            arguments: dict[str, Value] = {"num_groups": groups, "num_channels": width} | case.settings.options({"eps": 1e-5})
            guesses = () if case.settings.number("num_groups") else ("norm", "groups")
            return _of("GroupNorm", case, arguments, 2, guesses=guesses + _eps(case), takes=width, gives=width)
    return None


def _vector(case: Case) -> Layer | None:
    """A weight of one dimension, with a bias or alone."""
    match _exact(case, "weight", "bias"):
        case [(width,), None]:
            if width == 1 or case.named(r"prelu|act|relu"):
                return _prelu(case)
            return _layer_norm(case) if case.named(r"layer_?norm|(^|_)ln") else _rms_norm(case)
        case [(_,), _]:
            grouped = case.named(r"group|(^|_)gn\d*$") or (
                case.before is not None and bool(case.before.dimensions) and not case.named(r"ln|layer")
            )
            return _group_norm(case) if grouped else _layer_norm(case)
        case [(_, _, *_) as weight, bias] if weight == bias:
            return _layer_norm(case)
    return None


def _prelu(case: Case) -> Layer | None:
    match _exact(case, "weight"):
        case [(count,)]:
            arguments: dict[str, Value] = {} if count == 1 else {"num_parameters": count}
            return _of("PReLU", case, arguments, 1, guesses=() if case.kind else ("layer",))
    return None


def _recurrent(case: Case) -> Layer | None:
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
    if kind is None or dict(shapes) != dict(_gates(rows, first[1], hidden, layers, both=both, bias=bias, projection=projection)):
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
    return _of(kind, case, arguments, 3, guesses=guesses, takes=first[1], gives=gives, dimensions=0)


def _gates(
    rows: int, inp: int, hidden: int, layers: int, *, both: bool, bias: bool, projection: int
) -> Iterable[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a recurrent layer, as ``torch.nn.RNNBase`` registers them."""
    out = projection or hidden
    for layer in range(layers):
        for end in ("", "_reverse")[: 1 + both]:
            yield f"weight_ih_l{layer}{end}", (rows, inp if layer == 0 else out * (1 + both))
            yield f"weight_hh_l{layer}{end}", (rows, out)
            if bias:
                yield f"bias_ih_l{layer}{end}", (rows,)
                yield f"bias_hh_l{layer}{end}", (rows,)
            if projection:
                yield f"weight_hr_l{layer}{end}", (projection, hidden)


def _cell(case: Case) -> Layer | None:
    match _exact(case, "weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        case [(rows, inp), (again, hidden), one, two] if (
            rows == again and hidden and rows % hidden == 0 and one == two and one in (None, (rows,))
        ):
            kind = {4: "LSTMCell", 3: "GRUCell", 1: "RNNCell"}.get(rows // hidden)
            if kind is None:
                return None
            arguments: dict[str, Value] = {"input_size": inp, "hidden_size": hidden} | ({"bias": False} if one is None else {})
            guesses: tuple[str, ...] = ()
            if kind == "RNNCell":
                arguments |= case.settings.options({"nonlinearity": "tanh"})
                guesses = case.settings.open("nonlinearity")
            return _of(kind, case, arguments, 2, guesses=guesses, takes=inp, gives=hidden, dimensions=0)
    return None


def _attention(case: Case) -> Layer | None:
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
    return _of("MultiheadAttention", case, arguments, 2, guesses=guesses + case.settings.open("batch_first"), takes=width, gives=width)


# --- parameters that are computed from others ---------------------------------------------------------------------------


def _weight_norm(case: Case) -> Layer | None:
    for wrap, gain, direction in (
        ("nn.utils.weight_norm", "weight_g", "weight_v"),
        ("nn.utils.parametrizations.weight_norm", "parametrizations.weight.original0", "parametrizations.weight.original1"),
    ):
        shape = case.shapes.get(direction)
        if shape and case.shapes.get(gain) == (shape[0], *(1,) * (len(shape) - 1)):
            return _wrapped(case, wrap, shape, {gain, direction}, None)
    return None


def _spectral_norm(case: Case) -> Layer | None:
    for wrap, plain, u, v in (
        ("nn.utils.spectral_norm", "weight_orig", "weight_u", "weight_v"),
        (
            "nn.utils.parametrizations.spectral_norm",
            "parametrizations.weight.original",
            "parametrizations.weight.0._u",
            "parametrizations.weight.0._v",
        ),
    ):
        shape, columns, rows = (case.shapes.get(name) for name in (plain, u, v))
        if shape and columns and rows and len(shape) > 1 and columns[0] * rows[0] == prod(shape):
            inputs = shape[0] if columns[0] == shape[1] else shape[1]
            return _wrapped(case, wrap, shape, {plain, u, v}, inputs)
    return None


def _wrapped(case: Case, wrap: str, shape: tuple[int, ...], names: set[str], inputs: int | None) -> Layer | None:
    rest = {name: shape for name, shape in case.shapes.items() if name not in names}
    layer = next(
        (found for rule in (_linear, _convolution) if (found := rule(case._replace(shapes={"weight": shape, **rest}, inputs=inputs)))), None
    )
    if layer is None or (inputs is not None and _columns(layer, shape) != case.shapes[next(n for n in names if n.endswith("_u"))][0]):
        return None
    return layer._replace(wrap=wrap)


def _columns(layer: Layer, shape: tuple[int, ...]) -> int:
    """The rows of the matrix whose norm spectral norm takes: outputs, which in a transposed convolution stand second."""
    return shape[1] if layer.kind.startswith("ConvTranspose") else shape[0]


# --- tools --------------------------------------------------------------------------------------------------------------


def _exact(case: Case, *names: str) -> list[tuple[int, ...] | None] | None:
    """The shapes of *names*, the first of which must be there; None if the module has any other tensor."""
    if names[0] not in case.shapes or not case.shapes.keys() <= set(names):
        return None
    return [case.shapes.get(name) for name in names]


def _of(  # noqa: PLR0913  # what a layer is made of
    kind: str,
    case: Case,
    arguments: Mapping[str, Value],
    positional: int,
    *,
    guesses: tuple[str, ...] = (),
    takes: int | None = None,
    gives: int | None = None,
    dimensions: int | None = None,
) -> Layer:
    known = case.kind if case.kind in ("SyncBatchNorm", "NonDynamicallyQuantizableLinear") else kind
    return Layer(known, tuple(arguments.items()), positional, guesses, takes=takes, gives=gives, dimensions=dimensions)


def _eps(case: Case) -> tuple[str, ...]:
    return case.settings.open("eps")


def _same(sizes: tuple[int, ...]) -> Value:
    return sizes[0] if len(set(sizes)) == 1 else sizes


Rule = Callable[[Case], Layer | None]

_ORDER: Final[tuple[Rule, ...]] = (
    _recurrent, _cell, _attention, _weight_norm, _spectral_norm, _statistics, _no_statistics, _vector, _matrix, _bilinear, _convolution,
)  # fmt: skip
"""The rules where the file tells no class; each takes exactly its own names, so that only the families of one name compete."""


def _numbered(name: str, rule: Rule) -> dict[str, Rule]:
    return {f"{name}{dimensions}d": rule for dimensions in (1, 2, 3)}


def _any_norm(case: Case) -> Layer | None:
    return _statistics(case) or _no_statistics(case)


RULES: Final[Mapping[str, Rule]] = {
    "Linear": _linear, "Embedding": _embedding, "EmbeddingBag": _embedding, "Bilinear": _bilinear,
    **_numbered("Conv", _convolution), **_numbered("ConvTranspose", _convolution),
    **_numbered("BatchNorm", _any_norm), **_numbered("InstanceNorm", _any_norm), "SyncBatchNorm": _any_norm,
    "LayerNorm": _layer_norm, "RMSNorm": _rms_norm, "GroupNorm": _group_norm, "PReLU": _prelu,
    "LSTM": _recurrent, "GRU": _recurrent, "RNN": _recurrent,
    "LSTMCell": _cell, "GRUCell": _cell, "RNNCell": _cell,
    "MultiheadAttention": _attention,
}  # fmt: skip
"""The class that a file names → the rule for it."""
