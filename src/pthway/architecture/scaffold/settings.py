"""What a module's own attributes say of its constructor's arguments, and the modules of torch that have no weights."""

from collections.abc import Mapping
from math import isfinite
from typing import Final, NamedTuple

Value = int | float | bool | str | None | tuple["Value", ...]

LARGEST: Final = 2**31
"""Numbers of a setting lie below it."""

_WORDS: Final = frozenset((
    "gelu", "zeros", "reflect", "replicate", "circular", "same", "valid", "tanh", "relu", "none", "mean", "sum", "max",
    "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area",
))  # fmt: skip
"""Texts that settings of torch's layers are; any other one from a file is no setting."""

_LONGEST: Final = 8
"""Numbers in one setting."""

_PER_DIMENSION: Final = frozenset(("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size"))
"""Settings of which one number stands for the same number in every dimension."""


class Settings:
    """The attributes of one module; ``Settings(None)`` where the file tells none. *given* is what the user says beside them."""

    def __init__(self, told: Mapping[str, object] | None, given: Mapping[str, Value] | None = None) -> None:
        self.told = told
        self.given = given or {}
        self.taken: set[str] = set()
        """Names of *given* that a layer asked for."""

    def has(self, name: str) -> bool:
        """Whether the file tells this setting, and it is one that can be written down."""
        if self.told is not None and name in self.told and is_setting(self.told[name]):
            return True
        self.taken |= {name} & self.given.keys()
        return name in self.given

    def value(self, name: str) -> Value:
        """A setting that the file tells."""
        told = self.told is not None and name in self.told and is_setting(self.told[name])
        found = _literal(self.told[name] if told and self.told is not None else self.given[name])
        if name in _PER_DIMENSION and isinstance(found, tuple) and len(set(found)) == 1 and found[0] is not None:
            return found[0]
        return found

    def number(self, name: str) -> int | None:
        """A setting that is a count; None where the file does not tell it."""
        found = self.value(name) if self.has(name) else None
        return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None

    def options(self, defaults: Mapping[str, Value]) -> dict[str, Value]:
        """The settings that differ from torch's *defaults*."""
        told = {name: self.value(name) for name in defaults if self.has(name)}
        return {name: value for name, value in told.items() if value != defaults[name] or type(value) is not type(defaults[name])}

    def open(self, *names: str) -> tuple[str, ...]:
        """Those of *names* that the file does not tell."""
        return tuple(name for name in names if not self.has(name))


def is_setting(value: object) -> bool:
    """Whether a value can be a setting: a number, a word of torch's, None, or a tuple of these."""
    match value:
        case None | bool():
            return True
        case int():
            return -LARGEST < value < LARGEST
        case float():
            return isfinite(value)
        case str():
            return value in _WORDS
        case list() | tuple():
            return 0 < len(value) <= _LONGEST and all(is_setting(each) and not isinstance(each, list | tuple) for each in value)
    return False


def _literal(value: object) -> Value:
    match value:
        case list() | tuple():
            return tuple(_literal(each) for each in value)
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(value)


class _Arguments(NamedTuple):
    """What a constructor takes."""

    required: tuple[str, ...] = ()
    defaults: Mapping[str, Value] = {}


def _all(names: str, of: _Arguments) -> dict[str, _Arguments]:
    return dict.fromkeys(names.split(), of)


def _numbered(names: str, of: _Arguments) -> dict[str, _Arguments]:
    return {f"{name}{dimensions}d": of for name in names.split() for dimensions in (1, 2, 3)}


_INPLACE: Final[Mapping[str, Value]] = {"inplace": False}
_MAX: Final[Mapping[str, Value]] = {"padding": 0, "dilation": 1, "return_indices": False, "ceil_mode": False}
_MEAN: Final[Mapping[str, Value]] = {"padding": 0, "ceil_mode": False, "count_include_pad": True, "divisor_override": None}

_WEIGHTLESS: Final[Mapping[str, _Arguments]] = {
    **_all("Identity Sigmoid Tanh LogSigmoid Softsign Tanhshrink Softmax2d", _Arguments()),
    **_all("ReLU ReLU6 SELU SiLU Mish Hardswish Hardsigmoid", _Arguments((), _INPLACE)),
    **_all("ELU CELU", _Arguments((), {"alpha": 1.0, **_INPLACE})),
    **_all("Softmax LogSoftmax Softmin", _Arguments(("dim",))),
    **_all("Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout", _Arguments(("p",), _INPLACE)),
    **_all("Hardshrink Softshrink", _Arguments(("lambd",))),
    **_all("Upsample UpsamplingNearest2d UpsamplingBilinear2d", _Arguments((), {"size": None, "scale_factor": None})),
    **_numbered("MaxPool", _Arguments(("kernel_size", "stride"), _MAX)),
    **_numbered("AvgPool", _Arguments(("kernel_size", "stride"), _MEAN)),
    **_numbered("AdaptiveAvgPool AdaptiveMaxPool", _Arguments(("output_size",))),
    **_numbered("ZeroPad ReflectionPad ReplicationPad CircularPad", _Arguments(("padding",))),
    **_numbered("ConstantPad", _Arguments(("padding", "value"))),
    "LeakyReLU": _Arguments(("negative_slope",), _INPLACE),
    "RReLU": _Arguments(("lower", "upper"), _INPLACE),
    "Hardtanh": _Arguments(("min_val", "max_val"), _INPLACE),
    "Softplus": _Arguments(("beta", "threshold")),
    "Threshold": _Arguments(("threshold", "value"), _INPLACE),
    "GELU": _Arguments((), {"approximate": "none"}),
    "GLU": _Arguments(("dim",)),
    "Flatten": _Arguments(("start_dim", "end_dim")),
    "Unflatten": _Arguments(("dim", "unflattened_size")),
    "PixelShuffle": _Arguments(("upscale_factor",)),
    "PixelUnshuffle": _Arguments(("downscale_factor",)),
    "ChannelShuffle": _Arguments(("groups",)),
    "LocalResponseNorm": _Arguments(("size", "alpha", "beta", "k")),
}
"""Class → what its constructor takes; the attributes have the same names."""

_WEIGHTLESS_OPTIONS: Final[Mapping[str, Mapping[str, Value]]] = {
    "Upsample": {"mode": "nearest", "align_corners": None, "recompute_scale_factor": None},
}
"""Arguments that only one class of a line above has."""

_ONLY_IN_TRAINING: Final = frozenset(("p",))
"""Settings that change no answer of a network in evaluation."""


_BY_NAME: Final[Mapping[str, str]] = {
    **dict.fromkeys(("dropout", "drop"), "Dropout"),
    **{kind.lower(): kind for kind in ("ReLU", "GELU", "SiLU", "Mish", "SELU", "Tanh", "Sigmoid", "Flatten", "Identity", "Hardswish")},
}
"""What a module without weights is called → what it then probably is; only those that need no argument."""


def weightless_by_name(name: str) -> str | None:
    """The class that a module's name stands for; None for any other name."""
    return _BY_NAME.get(name.rstrip("0123456789").strip("_").lower())


def weightless_kinds() -> tuple[str, ...]:
    """The classes of torch without weights that are written."""
    return tuple(_WEIGHTLESS)


def needs(kind: str) -> tuple[str, ...]:
    """What the constructor of a module without weights takes, in its order; nothing for a class that is not known."""
    takes = _WEIGHTLESS.get(kind, _Arguments())
    return (*takes.required, *takes.defaults, *_WEIGHTLESS_OPTIONS.get(kind, {}))


def weightless(kind: str, settings: Settings) -> tuple[tuple[tuple[str, Value], ...], int] | None:
    """The arguments of a module without weights, and how many of them are positional.

    None for a class that is not known, or of which the file does not tell all that it needs.
    """
    takes = _WEIGHTLESS.get(kind)
    if takes is None or any(not settings.has(name) and name not in _ONLY_IN_TRAINING for name in takes.required):
        return None
    defaults = {**takes.defaults, **_WEIGHTLESS_OPTIONS.get(kind, {})}
    if settings.told is None and defaults.keys() - {"inplace"}:
        return None
    required = {name: settings.value(name) for name in takes.required if settings.has(name)}
    return (*required.items(), *settings.options(defaults).items()), len(required)
