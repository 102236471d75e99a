"""What the classes of torch.nn hold in their state dict, by their arguments.

Names and shapes are those of torch's documentation of each class. A dimension that the arguments do not tell is None.
"""

from collections.abc import Callable
from typing import Final

from pthway.architecture.source.values import NUMBER, UNKNOWN, Call, Data, Items, Module, Table, Value, Weight, choice, truth

_SPATIAL: Final = {"1d": 1, "2d": 2, "3d": 3}


def torch_layer(name: str, call: Call) -> Value:
    """Return what ``torch.nn.<name>`` makes of *call*; `UNKNOWN` for a name that torch.nn does not have."""
    if name in _MADE:
        return _MADE[name](name, call)
    return Module(name) if name in _WITHOUT_TENSORS else UNKNOWN


def is_layer(name: str) -> bool:
    """Whether ``torch.nn.<name>`` is a module class."""
    return name in _MADE or name in _WITHOUT_TENSORS


def _size(value: Value) -> int | None:
    return value if type(value) is int else None


def _weights(kind: str, shapes: dict[str, tuple[int | None, ...] | None], given: dict[str, Value]) -> Module:
    """Return a layer with the tensors of *shapes*; *given* says of a name what argument decides whether it is there."""
    parts: dict[str, Value] = {}
    optional = set()
    for name, shape in shapes.items():
        answer = truth(given.get(name, True))
        if answer is not False:
            parts[name] = Weight(shape)
        if answer is None:
            optional.add(name)
    return Module(kind, parts, frozenset(optional))


def _linear(kind: str, call: Call) -> Module:
    inside, out = _size(call.get(0, "in_features")), _size(call.get(1, "out_features"))
    return _weights(kind, {"weight": (out, inside), "bias": (out,)}, {"bias": call.get(2, "bias", True)})


def _bilinear(kind: str, call: Call) -> Module:
    first, second, out = (_size(call.get(at, name)) for at, name in enumerate(("in1_features", "in2_features", "out_features")))
    return _weights(kind, {"weight": (out, first, second), "bias": (out,)}, {"bias": call.get(3, "bias", True)})


def _convolution(kind: str, call: Call) -> Module:
    spatial = _SPATIAL[kind[-2:]]
    transposed = "Transpose" in kind
    inside, out = _size(call.get(0, "in_channels")), _size(call.get(1, "out_channels"))
    groups = _size(call.get(7 if transposed else 6, "groups", 1))
    window = call.get(2, "kernel_size")
    sides = tuple(map(_size, window.items)) if isinstance(window, Items) and not window.rest else (_size(window),) * spatial
    first, second = (inside, out) if transposed else (out, inside)
    second = second // groups if second is not None and groups else None
    bias = call.get(8 if transposed else 7, "bias", True)
    return _weights(kind, {"weight": (first, second, *sides), "bias": (out,)}, {"bias": bias})


def _lazy(kind: str, call: Call) -> Module:
    place = {"LazyLinear": 1}.get(kind, 6)
    name = kind.removeprefix("Lazy")
    return _weights(name, {"weight": None, "bias": None}, {"bias": call.get(place, "bias", True)})


def _normalised_by_running(kind: str, call: Call) -> Module:
    on = not kind.startswith("Instance")
    lazy = kind.startswith("Lazy")
    width = None if lazy else _size(call.get(0, "num_features"))
    shift = 1 if lazy else 0
    affine, tracked = call.get(3 - shift, "affine", on), call.get(4 - shift, "track_running_stats", on)
    shapes: dict[str, tuple[int | None, ...] | None] = {
        "weight": (width,),
        "bias": (width,),
        "running_mean": (width,),
        "running_var": (width,),
        "num_batches_tracked": (),
    }
    given = {"weight": affine, "bias": affine, **dict.fromkeys(("running_mean", "running_var", "num_batches_tracked"), tracked)}
    made = _weights(kind.removeprefix("Lazy"), shapes, given)
    return Module(made.kind, made.parts, made.optional | {"num_batches_tracked"})  # files from before torch 0.4.1 lack the counter


def _layer_norm(kind: str, call: Call) -> Module:
    shape = call.get(0, "normalized_shape")
    sides = tuple(map(_size, shape.items)) if isinstance(shape, Items) and not shape.rest else None
    sides = (_size(shape),) if type(shape) is int else sides
    affine, biased = call.get(2, "elementwise_affine", True), call.get(3, "bias", True)
    names = ("weight",) if kind == "RMSNorm" else ("weight", "bias")
    bias = False if False in (truth(affine), truth(biased)) else None if None in (truth(affine), truth(biased)) else True
    return _weights(kind, dict.fromkeys(names, sides), {"weight": affine, "bias": UNKNOWN if bias is None else bias})


def _group_norm(kind: str, call: Call) -> Module:
    shape = (_size(call.get(1, "num_channels")),)
    affine = call.get(3, "affine", True)
    return _weights(kind, {"weight": shape, "bias": shape}, {"weight": affine, "bias": affine})


def _embedding(kind: str, call: Call) -> Module:
    return _weights(kind, {"weight": (_size(call.get(0, "num_embeddings")), _size(call.get(1, "embedding_dim")))}, {})


def _prelu(kind: str, call: Call) -> Module:
    return _weights(kind, {"weight": (_size(call.get(0, "num_parameters", 1)),)}, {})


_GATES: Final = {"LSTM": 4, "GRU": 3, "RNN": 1}


def _recurrent(kind: str, call: Call) -> Module:
    inside, hidden = _size(call.get(0, "input_size")), _size(call.get(1, "hidden_size"))
    layers, bias = _size(call.get(2, "num_layers", 1)), call.get(3, "bias", True)
    both, projected = call.get(6, "bidirectional", False), call.get(7, "proj_size", 0)
    out = None if projected is UNKNOWN else _size(projected) or hidden
    rows = hidden * _GATES[kind] if hidden is not None else None
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
            shapes |= {f"weight_hr_{end}": (_size(projected), hidden)} if truth(projected) is not False else {}
            for name, shape in shapes.items():
                doubtful = (bool(reverse) and directions is None) or (name[:4] == "bias" and truth(bias) is None)
                made = made.having(name, Weight(shape), optional=doubtful or (name[:9] == "weight_hr" and truth(projected) is None))
    if layers is None:
        for name in ("weight_ih_l*", "weight_hh_l*", "bias_ih_l*", "bias_hh_l*", "weight_hr_l*"):
            made = made.having(name, Weight(), optional=True)
    return made


def _cell(kind: str, call: Call) -> Module:
    inside, hidden = _size(call.get(0, "input_size")), _size(call.get(1, "hidden_size"))
    rows = hidden * _GATES[kind.removesuffix("Cell")] if hidden is not None else None
    bias = call.get(2, "bias", True)
    shapes: dict[str, tuple[int | None, ...] | None] = {"weight_ih": (rows, inside), "weight_hh": (rows, hidden)}
    return _weights(kind, {**shapes, "bias_ih": (rows,), "bias_hh": (rows,)}, {"bias_ih": bias, "bias_hh": bias})


def _times(size: int | None, factor: int) -> int | None:
    return None if size is None else size * factor


def _attention(kind: str, call: Call) -> Module:
    width, bias = _size(call.get(0, "embed_dim")), call.get(3, "bias", True)
    apart = [size for size in (call.get(6, "kdim"), call.get(7, "vdim")) if size is not None]
    widened = call.get(4, "add_bias_kv", False)
    if any(_size(size) != width or width is None for size in apart):
        shapes: dict[str, tuple[int | None, ...] | None] = {f"{which}_proj_weight": (width, None) for which in "qkv"}
        shapes["in_proj_weight"] = (_times(width, 3), width)
        given: dict[str, Value] = dict.fromkeys(shapes, UNKNOWN)
    else:
        shapes, given = {"in_proj_weight": (_times(width, 3), width)}, {}
    shapes |= {"in_proj_bias": (_times(width, 3),), "bias_k": (1, 1, width), "bias_v": (1, 1, width)}
    made = _weights(kind, shapes, {**given, "in_proj_bias": bias, "bias_k": widened, "bias_v": widened})
    return made.having("out_proj", _linear("Linear", Call(Items((width or UNKNOWN, width or UNKNOWN, bias)))))


def _transformer_layer(kind: str, call: Call) -> Module:
    width = call.get(0, "d_model")
    inner, bias = call.get(2, "dim_feedforward", 2048), call.get(8, "bias", True)
    decoder = "Decoder" in kind
    attention = _attention("MultiheadAttention", Call(Items((width, UNKNOWN, UNKNOWN, bias))))
    norm = _layer_norm("LayerNorm", Call(Items((width, UNKNOWN, True, bias))))
    parts: dict[str, Value] = {"self_attn": attention, **({"multihead_attn": attention} if decoder else {})}
    parts["linear1"] = _linear("Linear", Call(Items((width, inner, bias))))
    parts["dropout"] = Module("Dropout")
    parts["linear2"] = _linear("Linear", Call(Items((inner, width, bias))))
    for number in range(1, 4 if decoder else 3):
        parts[f"norm{number}"], parts[f"dropout{number}"] = norm, Module("Dropout")
    return Module(kind, parts)


def _transformer_stack(kind: str, call: Call) -> Module:
    layer, count, norm = call.get(0, f"{kind.removeprefix('Transformer').lower()}_layer"), call.get(1, "num_layers"), call.get(2, "norm")
    made = Module(kind, {"layers": repeated(layer, _size(count))})
    return made if norm is None else made.having("norm", norm, optional=not isinstance(norm, Module))


def _transformer(kind: str, call: Call) -> Module:
    width, inner, bias = call.get(0, "d_model", 512), call.get(4, "dim_feedforward", 2048), call.get(12, "bias", True)
    norm = _layer_norm("LayerNorm", Call(Items((width, UNKNOWN, True, bias))))
    parts: dict[str, Value] = {}
    for place, side in ((2, "encoder"), (3, "decoder")):
        layer = _transformer_layer(f"Transformer{side.title()}Layer", Call(Items((width, UNKNOWN, inner)), {"bias": bias}))
        count = call.get(place, f"num_{side}_layers", 6)
        parts[side] = Module(f"Transformer{side.title()}", {"layers": repeated(layer, _size(count)), "norm": norm})
    return Module(kind, parts)


def repeated(layer: Value, count: int | None) -> Module:
    """Return a ModuleList of *count* times *layer*; of any number if it is None."""
    if count is None or count > 256:  # noqa: PLR2004  # no network lists more by hand
        return Module("ModuleList", {NUMBER: layer}, frozenset((NUMBER,)))
    return Module("ModuleList", {str(position): layer for position in range(count)})


def _adaptive_softmax(kind: str, call: Call) -> Module:
    del call
    return Module(kind, {"head": Module("Linear", {"weight": Weight()}), "tail": Module("ModuleList", {}, open=True)}, open=True)


def sequence(kind: str, items: Items) -> Module:
    """Return a container that numbers *items*; those whose place is not known stand under `NUMBER`."""
    parts = {str(position): item for position, item in enumerate(items.items)}
    if items.rest:
        parts[NUMBER] = choice(items.rest)
    return Module(kind, parts, frozenset((NUMBER,)) if items.rest else frozenset())


def _sequential(kind: str, call: Call) -> Module:
    items = call.arguments
    if len(items.items) == 1 and not items.rest and isinstance(items.items[0], Table):
        return _named(kind, items.items[0])
    return sequence(kind, items)


def _list(kind: str, call: Call) -> Module:
    given = call.get(0, "modules" if kind == "ModuleList" else "values")
    if given is None:
        return Module(kind)
    if isinstance(given, Items):
        return sequence(kind, Items(tuple(map(_held, given.items)), tuple(map(_held, given.rest))) if kind == "ParameterList" else given)
    if isinstance(given, Module):
        return Module(kind, given.parts, given.optional, given.open)
    return Module(kind, open=True)


def _held(value: Value) -> Value:
    return Weight(value.shape) if isinstance(value, Data) else value


def _dictionary(kind: str, call: Call) -> Module:
    given = call.get(0, "modules" if kind == "ModuleDict" else "parameters")
    if given is None:
        return Module(kind)
    return _named(kind, given) if isinstance(given, Table) else Module(kind, open=True)


def _named(kind: str, table: Table) -> Module:
    parts = {name: value for name, value in table.entries.items() if isinstance(name, str)}
    if not table.rest:
        return Module(kind, parts)
    return Module(kind, {**parts, "*": choice(table.rest)}, frozenset(("*",)))


_MADE: Final[dict[str, Callable[[str, Call], Value]]] = {
    "Linear": _linear,
    "NonDynamicallyQuantizableLinear": _linear,
    "LazyLinear": _lazy,
    "Bilinear": _bilinear,
    **{f"{kind}{end}": _convolution for kind in ("Conv", "ConvTranspose") for end in _SPATIAL},
    **{f"Lazy{kind}{end}": _lazy for kind in ("Conv", "ConvTranspose") for end in _SPATIAL},
    **{f"{lazy}{kind}{end}": _normalised_by_running for lazy in ("", "Lazy") for kind in ("BatchNorm", "InstanceNorm") for end in _SPATIAL},
    "SyncBatchNorm": _normalised_by_running,
    "LayerNorm": _layer_norm,
    "RMSNorm": _layer_norm,
    "GroupNorm": _group_norm,
    "Embedding": _embedding,
    "EmbeddingBag": _embedding,
    "PReLU": _prelu,
    **dict.fromkeys(_GATES, _recurrent),
    **{f"{kind}Cell": _cell for kind in _GATES},
    "MultiheadAttention": _attention,
    "TransformerEncoderLayer": _transformer_layer,
    "TransformerDecoderLayer": _transformer_layer,
    "TransformerEncoder": _transformer_stack,
    "TransformerDecoder": _transformer_stack,
    "Transformer": _transformer,
    "AdaptiveLogSoftmaxWithLoss": _adaptive_softmax,
    "Sequential": _sequential,
    "ModuleList": _list,
    "ParameterList": _list,
    "ModuleDict": _dictionary,
    "ParameterDict": _dictionary,
    "Module": lambda kind, _: Module(kind),
    "DataParallel": lambda kind, call: Module(kind, {"module": call.get(0, "module")}),
}

_WITHOUT_TENSORS: Final = frozenset(
    (
        "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
        "AlphaDropout", "AvgPool1d", "AvgPool2d", "AvgPool3d", "BCELoss", "BCEWithLogitsLoss", "CELU", "CTCLoss", "ChannelShuffle",
        "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "CosineEmbeddingLoss",
        "CosineSimilarity", "CrossEntropyLoss", "CrossMapLRN2d", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "ELU",
        "FeatureAlphaDropout", "Flatten", "Fold", "FractionalMaxPool2d", "FractionalMaxPool3d", "GELU", "GLU", "GaussianNLLLoss",
        "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "HingeEmbeddingLoss", "HuberLoss", "Identity", "KLDivLoss", "L1Loss",
        "LPPool1d", "LPPool2d", "LPPool3d", "LeakyReLU", "LocalResponseNorm", "LogSigmoid", "LogSoftmax", "MSELoss",
        "MarginRankingLoss", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "Mish",
        "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "NLLLoss2d", "PairwiseDistance",
        "PixelShuffle", "PixelUnshuffle", "PoissonNLLLoss", "RReLU", "ReLU", "ReLU6", "ReflectionPad1d", "ReflectionPad2d",
        "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "SELU", "SiLU", "Sigmoid", "SmoothL1Loss",
        "SoftMarginLoss", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
        "TripletMarginLoss", "TripletMarginWithDistanceLoss", "Unflatten", "Unfold", "Upsample", "UpsamplingBilinear2d",
        "UpsamplingNearest2d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
    )
)  # fmt: skip
"""Modules without parameters and buffers; they are in the module tree of a checkpoint, not among its tensors."""
