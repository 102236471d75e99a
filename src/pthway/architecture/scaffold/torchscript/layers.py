"""The settings of torch's own layers in a traced program, read off the one operator that each calls."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

from pthway.architecture.scaffold.torchscript.program import Class
from pthway.architecture.scaffold.torchscript.types import dotted

TRACED: Final = re.compile(r"forward\d*")
"""What the methods of a traced module are called."""

_CONVOLUTION: Final = "_convolution x @weight @bias stride padding dilation"
_BATCH_NORM: Final = "batch_norm x @weight @bias @running_mean @running_var !False momentum eps _"
_MAX_POOL: Final = "x kernel_size stride=[] padding=0 dilation=1 ceil_mode=False"
_AVG_POOL: Final = "x kernel_size stride=[] padding=0 ceil_mode=False count_include_pad=True"

_ACTIVATIONS: Final = ("ReLU", "SELU", "Sigmoid", "Tanh", "SiLU", "Mish", "Hardswish")


def _numbered(name: str, text: str) -> dict[str, tuple[str, ...]]:
    return {f"{name}{dimensions}d": (text.format(dimensions),) for dimensions in (1, 2, 3)}


_CALLS: Final[Mapping[str, tuple[str, ...]]] = {
    "Linear": ("linear x @weight @bias",),
    **_numbered("Conv", f"{_CONVOLUTION} !False _ groups _ _ _ _"),
    **_numbered("ConvTranspose", f"{_CONVOLUTION} !True output_padding groups _ _ _ _"),
    **_numbered("BatchNorm", _BATCH_NORM),
    "LayerNorm": ("layer_norm x normalized_shape @weight @bias eps=1e-05 _",),
    "GroupNorm": ("group_norm x num_groups @weight @bias eps=1e-05 _",),
    "Embedding": ("embedding @weight x padding_idx=-1 !False !False",),
    "PReLU": ("prelu x @weight",),
    **{f"Dropout{dimensions}": ("dropout x p !False", "feature_dropout x p !False") for dimensions in ("", "1d", "2d", "3d")},
    **{name: (f"{name.lower()} x", f"{name.lower()}_ x ~inplace") for name in _ACTIVATIONS},
    "ReLU6": ("relu6 x", "hardtanh x !0.0 !6.0", "hardtanh_ x !0.0 !6.0 ~inplace"),
    "GELU": ("gelu x",),
    "LeakyReLU": ("leaky_relu x negative_slope=0.01", "leaky_relu_ x negative_slope=0.01 ~inplace"),
    "ELU": ("elu x alpha=1.0 !1 !1", "elu_ x alpha=1.0 !1 !1 ~inplace"),
    "Softmax": ("softmax x dim !None",),
    "LogSoftmax": ("log_softmax x dim !None",),
    "Flatten": ("flatten x start_dim end_dim=-1",),
    **_numbered("MaxPool", "max_pool{}d " + _MAX_POOL),
    "AvgPool1d": ("avg_pool1d " + _AVG_POOL,),
    "AvgPool2d": ("avg_pool2d " + _AVG_POOL + " divisor_override=None",),
    "AvgPool3d": ("avg_pool3d " + _AVG_POOL + " divisor_override=None",),
    **_numbered("AdaptiveAvgPool", "adaptive_avg_pool{}d x output_size"),
    "PixelShuffle": ("pixel_shuffle x upscale_factor",),
}  # fmt: skip
"""Class → the operator that it calls when it is traced, with what its arguments are.

``x`` is the input, ``@name`` a tensor of the module or None, ``!value`` what must stand there, ``_`` what changes no number,
``~name`` a setting that is on, and the rest settings; those with a ``=`` may be left out.
"""


def traced_settings(held: Class) -> dict[str, object] | None:
    """The settings of a layer of torch from the methods that were traced of it; None unless each is nothing but its one operator.

    A module that is called twice has two methods, ``forward`` and ``forward1``.
    """
    if not held.kind.startswith("torch.nn.modules.") or not held.methods or not all(map(TRACED.fullmatch, held.methods)):
        return None
    first, *others = (_settings(held.kind.rpartition(".")[2], method) for method in held.methods.values())
    return first if all(each == first for each in others) else None


def _settings(kind: str, forward: ast.FunctionDef) -> dict[str, object] | None:
    if kind == "Identity" and does_nothing(forward):
        return {}
    if len(forward.args.args) != 2:  # noqa: PLR2004  # the module and its input
        return None
    given, value = _returned(forward)
    if kind == "Identity" and given is not None and isinstance(value, ast.Name) and value.id == forward.args.args[1].arg:
        return {}
    if given is None or not isinstance(value, ast.Call):
        return None
    arguments = [_resolved(each, given) for each in value.args]
    names = [argument.arg for argument in forward.args.args]
    for text in _CALLS.get(kind, ()):
        operator, *tokens = text.split()
        if dotted(value.func) == f"torch.{operator}" and not value.keywords:
            found = dict(_read(tokens, arguments, names[0], names[1]))
            if ... not in found.values():
                return {**_USUAL.get(kind.rstrip("123d"), {}), **found}
    return None


def does_nothing(method: ast.FunctionDef) -> bool:
    """Whether a method was traced of a module that gives what it takes: nothing is left of it."""
    match method.body:
        case [ast.Return(value=ast.Constant(value=None))] if len(method.args.args) == 1:
            return True
    return False


_USUAL: Final[Mapping[str, Mapping[str, object]]] = {
    "Conv": {"padding_mode": "zeros"}, "ConvTranspose": {"padding_mode": "zeros"}, "GELU": {"approximate": "none"},
    "MaxPool": {"return_indices": False},
}  # fmt: skip
"""Settings that the one operator stands for: with another value there would be another operator."""


def _returned(forward: ast.FunctionDef) -> tuple[dict[str, ast.expr] | None, ast.expr | None]:
    """The values of the variables, and what is returned; None for a method that is more than assignments and a return."""
    *assignments, last = forward.body
    given: dict[str, ast.expr] = {}
    for line in assignments:
        if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name) or line.targets[0].id in given:
            return None, None
        given[line.targets[0].id] = line.value
    if not isinstance(last, ast.Return) or last.value is None:
        return None, None
    value = _resolved(last.value, given)
    used = sum(not isinstance(each, ast.Attribute) for each in given.values()) + isinstance(last.value, ast.Call)
    return (given, value) if used == 1 or isinstance(value, ast.Name) else (None, None)


def _resolved(node: ast.expr, given: Mapping[str, ast.expr]) -> ast.expr:
    return given.get(node.id, node) if isinstance(node, ast.Name) else node


def _read(tokens: list[str], arguments: list[ast.expr], module: str, given: str) -> Iterator[tuple[str, object]]:
    """The settings among the arguments; an ellipsis where an argument is not what it must be."""
    flags = [token[1:] for token in tokens if token[0] == "~"]
    places = [token for token in tokens if token[0] != "~"]
    if len(arguments) > len(places):
        yield "", ...
    for flag in flags:
        yield flag, True
    for index, token in enumerate(places):
        name, _, default = token.partition("=")
        if index >= len(arguments):
            if default:
                yield name, _usable(name, ast.literal_eval(default))
            elif token[0] not in "!_@":
                yield name, ...
            continue
        yield from _argument(name, arguments[index], module, given)
    if "kernel_size" in places and "stride=[]" in places and len(arguments) > 1:
        stride = _value(arguments[2]) if len(arguments) > 2 else []  # noqa: PLR2004  # it stands third
        yield "stride", _usable("stride", stride or _value(arguments[1]))


def _argument(name: str, node: ast.expr, module: str, given: str) -> Iterator[tuple[str, object]]:
    if name == "x":
        if not (isinstance(node, ast.Name) and node.id == given):
            yield name, ...
    elif name[0] == "@":
        if not (dotted(node) == f"{module}.{name[1:]}" or (isinstance(node, ast.Constant) and node.value is None)):
            yield name, ...
    elif name[0] == "!":
        if _value(node) != ast.literal_eval(name[1:]):
            yield name, ...
    elif name != "_":
        yield name, _usable(name, _value(node))


def _usable(name: str, value: object) -> object:
    return None if name == "padding_idx" and value == -1 else value


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError):
        return ...
