"""Constructor arguments as JSON, and back: what JSON lacks is an object whose one key begins with ``$``."""

import enum
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from types import SimpleNamespace
from typing import Any, Final

from pthway.errors import UsageError

PLAIN: Final = (str, bool, int, float, type(None))
NAMESPACES: Final[Mapping[str, type[Any]]] = {"Namespace": Namespace, "SimpleNamespace": SimpleNamespace}


def encode(value: object, reference: Callable[[object], str]) -> Any:
    """*value* as JSON. *reference* names a class or function as ``module:name``. Raises `UsageError` for what has no text."""
    if isinstance(value, enum.Enum):
        return {"$enum": [reference(type(value)), value.name]}
    if isinstance(value, float) and not isfinite(value):
        return {"$float": repr(value)}
    if type(value) in PLAIN:
        return value
    if type(value) is list:
        return [encode(entry, reference) for entry in value]
    if type(value) is tuple:
        return {"$tuple": [encode(entry, reference) for entry in value]}
    if isinstance(value, Mapping):
        return {"$dict": [[encode(key, reference), encode(entry, reference)] for key, entry in value.items()]}
    if is_dataclass(value) and not isinstance(value, type):
        given = {each.name: encode(getattr(value, each.name), reference) for each in fields(value) if each.init}
        return {"$object": [reference(type(value)), given]}
    if type(value) in NAMESPACES.values():
        return {"$namespace": [type(value).__name__, {name: encode(entry, reference) for name, entry in vars(value).items()}]}
    if isinstance(value, type) or callable(value):
        return {"$name": reference(value)}
    raise UsageError(
        f"The value {value!r} of type {type(value).__name__} has no text.",
        "An argument in a manifest is a number, text, list, mapping, dataclass, enum, class or function.",
        "Give the constructor plain values, or pack without eager torch",
    )


def decode(value: Any, resolve: Callable[[str], Any]) -> Any:
    """The value that `encode` wrote; *resolve* finds what ``module:name`` names. Raises `UsageError` for what it never writes."""
    if isinstance(value, list):
        return [decode(entry, resolve) for entry in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$tuple": list(entries)}:
            return tuple(decode(entry, resolve) for entry in entries)
        case {"$dict": list(pairs)}:
            return {decode(key, resolve): decode(entry, resolve) for key, entry in pairs}
        case {"$float": str(text)}:
            return float(text)
        case {"$name": str(name)}:
            return resolve(name)
        case {"$enum": [str(name), str(member)]}:
            return resolve(name)[member]
        case {"$object": [str(name), dict(given)]}:
            return resolve(name)(**{key: decode(entry, resolve) for key, entry in given.items()})
        case {"$namespace": [str(kind), dict(given)]} if kind in NAMESPACES:
            return NAMESPACES[kind](**{key: decode(entry, resolve) for key, entry in given.items()})
    raise UsageError(f"The argument {value!r} is not as pthway writes them.", "A manifest is not edited by hand.", "Pack the model again")
