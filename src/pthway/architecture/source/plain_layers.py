"""What the layers of torch.nn hold that multiply, convolve, normalise and look up."""

from typing import Final

from pthway.architecture.source.values import UNKNOWN, Call, Items, Module, Value, Weight, truth

SPATIAL: Final = {"1d": 1, "2d": 2, "3d": 3}


def size(value: Value) -> int | None:
    """Return a dimension; None where it is not known."""
    return value if type(value) is int else None


def weights(kind: str, shapes: dict[str, tuple[int | None, ...] | None], given: dict[str, Value]) -> Module:
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


def linear(kind: str, call: Call) -> Module:
    """Return a Linear."""
    inside, out = size(call.get(0, "in_features")), size(call.get(1, "out_features"))
    return weights(kind, {"weight": (out, inside), "bias": (out,)}, {"bias": call.get(2, "bias", True)})


def bilinear(kind: str, call: Call) -> Module:
    """Return a Bilinear."""
    first, second, out = (size(call.get(at, name)) for at, name in enumerate(("in1_features", "in2_features", "out_features")))
    return weights(kind, {"weight": (out, first, second), "bias": (out,)}, {"bias": call.get(3, "bias", True)})


def convolution(kind: str, call: Call) -> Module:
    """Return a convolution, transposed or not."""
    spatial = SPATIAL[kind[-2:]]
    transposed = "Transpose" in kind
    inside, out = size(call.get(0, "in_channels")), size(call.get(1, "out_channels"))
    groups = size(call.get(7 if transposed else 6, "groups", 1))
    window = call.get(2, "kernel_size")
    sides = tuple(map(size, window.items)) if isinstance(window, Items) and not window.rest else (size(window),) * spatial
    first, second = (inside, out) if transposed else (out, inside)
    second = second // groups if second is not None and groups else None
    bias = call.get(8 if transposed else 7, "bias", True)
    return weights(kind, {"weight": (first, second, *sides), "bias": (out,)}, {"bias": bias})


def lazy(kind: str, call: Call) -> Module:
    """Return a layer that learns its input's width when it first runs."""
    place = {"LazyLinear": 1}.get(kind, 6)
    name = kind.removeprefix("Lazy")
    return weights(name, {"weight": None, "bias": None}, {"bias": call.get(place, "bias", True)})


def normalised_by_running(kind: str, call: Call) -> Module:
    """Return a BatchNorm or InstanceNorm."""
    on = not kind.startswith("Instance")
    late = kind.startswith("Lazy")
    width = None if late else size(call.get(0, "num_features"))
    shift = 1 if late else 0
    affine, tracked = call.get(3 - shift, "affine", on), call.get(4 - shift, "track_running_stats", on)
    shapes: dict[str, tuple[int | None, ...] | None] = {
        "weight": (width,),
        "bias": (width,),
        "running_mean": (width,),
        "running_var": (width,),
        "num_batches_tracked": (),
    }
    given = {"weight": affine, "bias": affine, **dict.fromkeys(("running_mean", "running_var", "num_batches_tracked"), tracked)}
    made = weights(kind.removeprefix("Lazy"), shapes, given)
    return Module(made.kind, made.parts, made.optional | {"num_batches_tracked"})  # files from before torch 0.4.1 lack the counter


def layer_norm(kind: str, call: Call) -> Module:
    """Return a LayerNorm or RMSNorm."""
    shape = call.get(0, "normalized_shape")
    sides = tuple(map(size, shape.items)) if isinstance(shape, Items) and not shape.rest else None
    sides = (size(shape),) if type(shape) is int else sides
    affine, biased = call.get(2, "elementwise_affine", True), call.get(3, "bias", True)
    names = ("weight",) if kind == "RMSNorm" else ("weight", "bias")
    bias = False if False in (truth(affine), truth(biased)) else None if None in (truth(affine), truth(biased)) else True
    return weights(kind, dict.fromkeys(names, sides), {"weight": affine, "bias": UNKNOWN if bias is None else bias})


def group_norm(kind: str, call: Call) -> Module:
    """Return a GroupNorm."""
    shape = (size(call.get(1, "num_channels")),)
    affine = call.get(3, "affine", True)
    return weights(kind, {"weight": shape, "bias": shape}, {"weight": affine, "bias": affine})


def embedding(kind: str, call: Call) -> Module:
    """Return an Embedding or EmbeddingBag."""
    return weights(kind, {"weight": (size(call.get(0, "num_embeddings")), size(call.get(1, "embedding_dim")))}, {})


def prelu(kind: str, call: Call) -> Module:
    """Return a PReLU."""
    return weights(kind, {"weight": (size(call.get(0, "num_parameters", 1)),)}, {})
