"""Layers that normalise, and those with a vector of weights."""

from pthway.architecture.scaffold.case import COUNTER, Case, Layer, Value, eps, exact


def batch_norm(case: Case) -> Layer | None:
    """A batch or instance norm, with running statistics or without; None if it is none."""
    return with_statistics(case) or without_statistics(case)


def with_statistics(case: Case) -> Layer | None:
    """A norm that keeps running statistics."""
    found = exact(case, "running_mean", "running_var", "weight", "bias", COUNTER)
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
    guesses = ("norm", *eps(case))
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
    return Layer(kind, tuple(arguments.items()), 1, guesses=eps(case), takes=width, gives=width, dimensions=dimensions)


def without_statistics(case: Case) -> Layer | None:
    """A batch or instance norm that keeps none, known by its class or by its version."""
    match exact(case, "weight", "bias"):
        case [(width,), (bias,)] if width == bias and (case.kind or case.version == 2):  # noqa: PLR2004  # of these norms
            dimensions = case.before.dimensions if case.before else case.dimensions
            layer = _norm(case, case.kind or f"InstanceNorm{dimensions or case.dimensions or 1}d", width, affine=True, tracks=False)
            return layer if case.kind else layer._replace(guesses=("norm", "dimensions", "eps"))
    return None


def layer_norm(case: Case) -> Layer | None:
    """A LayerNorm: weight and bias have the shape that is normalised; None if it is none."""
    match exact(case, "weight", "bias"):
        case [(*shape,), bias] if shape and bias in (None, tuple(shape)):
            arguments: dict[str, Value] = {"normalized_shape": shape[0] if len(shape) == 1 else tuple(shape)} | case.settings.options(
                {"eps": 1e-5}
            )
            if bias is None:
                arguments["bias"] = False
            open_ = () if case.kind else ("norm",)
            return Layer(
                "LayerNorm", tuple(arguments.items()), 1, guesses=open_ + eps(case), takes=shape[-1], gives=shape[-1], dimensions=0
            )
    return None


def rms_norm(case: Case) -> Layer | None:
    """An RMSNorm, which has no bias; None if it is none."""
    match exact(case, "weight"):
        case [(*shape,)] if shape:
            arguments: dict[str, Value] = {"normalized_shape": shape[0] if len(shape) == 1 else tuple(shape)} | case.settings.options(
                {"eps": None}
            )
            open_ = () if case.kind else ("norm",)
            return Layer("RMSNorm", tuple(arguments.items()), 1, guesses=open_ + eps(case), takes=shape[-1], gives=shape[-1], dimensions=0)
    return None


def group_norm(case: Case) -> Layer | None:
    """A GroupNorm, of 32 groups where nothing tells, as most code has it; None if it is none."""
    match exact(case, "weight", "bias"):
        case [(width,), (bias,)] if width == bias:
            groups = case.settings.number("num_groups") or next(count for count in (32, 16, 8, 4, 2, 1) if width % count == 0)
            if width % groups:
                return None
            arguments: dict[str, Value] = {"num_groups": groups, "num_channels": width} | case.settings.options({"eps": 1e-5})
            guesses = () if case.settings.number("num_groups") else ("norm", "groups")
            return Layer("GroupNorm", tuple(arguments.items()), 2, guesses=guesses + eps(case), takes=width, gives=width)
    return None


def vector(case: Case) -> Layer | None:
    """A weight of one dimension, with a bias or alone."""
    match exact(case, "weight", "bias"):
        case [(width,), None]:
            if width == 1 or case.named(r"prelu|act|relu"):
                return prelu(case)
            return layer_norm(case) if case.named(r"layer_?norm|(^|_)ln") else rms_norm(case)
        case [(_,), _]:
            between = case.before is not None and case.before.dimensions and len(case.after.get("weight", ())) > 2  # noqa: PLR2004  # convolutions
            grouped = case.named(r"group|(^|_)gn\d*$") or (between and not case.named(r"ln|layer"))
            return group_norm(case) if grouped else layer_norm(case)
        case [(_, _, *_) as weight, bias] if weight == bias:
            return layer_norm(case)
    return None


def prelu(case: Case) -> Layer | None:
    """A PReLU, with one weight or one a channel; None if it is none."""
    match exact(case, "weight"):
        case [(count,)]:
            arguments: dict[str, Value] = {} if count == 1 else {"num_parameters": count}
            return Layer("PReLU", tuple(arguments.items()), 1, guesses=() if case.kind else ("layer",))
    return None
