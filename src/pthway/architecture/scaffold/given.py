"""What the user settles of a network: the activation between its layers, and layers or settings by name."""

import ast
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from pthway.architecture.scaffold.case import Layer
from pthway.architecture.scaffold.settings import Settings, Value, is_setting, needs, weightless, weightless_kinds
from pthway.errors import UsageError

_LAYER: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,40}")


class Given:
    """Layers and settings that the user named, each of which has to fit somewhere."""

    def __init__(self, activation: str | None = None, named: Iterable[str] = ()) -> None:
        self.activation = layer(activation) if activation is not None else None
        """What stands between layers with weights."""
        self.layers: dict[str, Layer] = {}
        self.settings: dict[str, Value] = {}
        self.used: set[str] = set()
        for text in named:
            name, equals, value = text.partition("=")
            if not equals or not name:
                raise UsageError(f"--set takes NAME=VALUE, not {text[:80]!a}.", "NAME is a module, or a setting of one.", _EXAMPLE)
            if _LAYER.match(value) and value not in ("True", "False", "None"):
                self.layers[name] = layer(value)
            else:
                self.settings[name] = _setting(value)

    def layer_at(self, path: str) -> Layer | None:
        """The layer that the user says is at *path*; None if nothing was said. Raises `UsageError` where two were."""
        found = [name for name in self.layers if fnmatchcase(path, name)]
        self.used.update(found)
        if len({self.layers[name] for name in found}) > 1:
            raise UsageError(f"{path!a} is named twice: {' and '.join(found)}.", "A module is one layer.", "Take one of them out.")
        return self.layers[found[0]] if found else None

    def settings_at(self, path: str) -> dict[str, Value]:
        """The settings that the user says the module at *path* has. Raises `UsageError` where one was said twice."""
        found: dict[str, Value] = {}
        for name, value in self.settings.items():
            module, _, setting = name.rpartition(".")
            if fnmatchcase(path, module) and found.setdefault(setting, value) != value:
                raise UsageError(f"{setting} of {path!a} is given twice.", "A setting has one value.", "Take one of them out.")
        return found

    def note(self, path: str, setting: str) -> None:
        """Remember that a layer took a setting."""
        self.used.update(
            name for name in self.settings if name.rpartition(".")[2] == setting and fnmatchcase(path, name.rpartition(".")[0])
        )

    def check(self) -> None:
        """Raise `UsageError` for what fitted nowhere."""
        for name in (*self.layers, *self.settings):
            if name not in self.used:
                raise UsageError(
                    f"--set {name}=… fits no module of the file.",
                    "A layer stands where a module has no weights; a setting is one that the file leaves open, as the guesses name it.",
                    _EXAMPLE,
                )


_EXAMPLE: Final = "pthway scaffold model.pth -o model.py --set features.2=MaxPool2d(2) --set 'features.*.padding=1'"


_KINDS: Final = {kind.lower(): kind for kind in weightless_kinds()}

_USUAL: Final[Mapping[str, Mapping[str, Value]]] = {
    "Flatten": {"start_dim": 1, "end_dim": -1}, "LeakyReLU": {"negative_slope": 0.01}, "Hardtanh": {"min_val": -1.0, "max_val": 1.0},
    "Softplus": {"beta": 1.0, "threshold": 20.0}, "Hardshrink": {"lambd": 0.5}, "Softshrink": {"lambd": 0.5}, "GLU": {"dim": -1},
}  # fmt: skip
"""What torch takes where an argument is left out."""


def layer(text: str) -> Layer:
    """The layer without weights that a text such as ``LeakyReLU(0.2)`` or ``relu`` names. Raises `UsageError` for any other text."""
    try:
        node = ast.parse(text.strip() if text.strip().endswith(")") else f"{text.strip()}()", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        node = None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise _no_layer(text)
    try:
        values = [ast.literal_eval(each) for each in node.args]
        options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
    except (ValueError, TypeError, RecursionError) as cause:
        raise _no_layer(text) from cause
    kind = _KINDS.get(node.func.id.lower(), "")
    names = needs(kind)
    told: dict[str, object] = {**_USUAL.get(kind, {}), **dict(zip(names, values, strict=False)), **options}
    if kind.startswith(("MaxPool", "AvgPool")):
        told.setdefault("stride", told.get("kernel_size"))
    made = weightless(kind, Settings(told)) if kind and len(values) <= len(names) and options.keys() <= set(names) else None
    if made is None or not all(map(is_setting, told.values())):
        raise _no_layer(text)
    return Layer(kind, *made)


def _no_layer(text: str) -> UsageError:
    return UsageError(
        f"{text[:80]!a} is no layer without weights of torch, or lacks what it needs.",
        "It is written as in Python, with plain values: relu, LeakyReLU(0.2), MaxPool2d(2), Flatten.",
        _EXAMPLE,
    )


def _setting(text: str) -> Value:
    try:
        value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as cause:
        raise UsageError(f"{text[:80]!a} is no value.", "A setting is a number, True, False, None, a text or a tuple.", _EXAMPLE) from cause
    if not is_setting(value):
        raise UsageError(f"{text[:80]!a} is no setting of a layer.", "Settings are numbers, tuples of them, and torch's words.", _EXAMPLE)
    found: Value = value
    return found
