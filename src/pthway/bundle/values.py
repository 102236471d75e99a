"""Constructor arguments as JSON, and back: what JSON lacks is an object whose one key begins with ``$``."""

import enum
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from types import SimpleNamespace
from typing import Any, Final

from pthway.errors import BundleRefused, UsageError

PLAIN: Final = (str, bool, int, float, type(None))
PAIR: Final = 2
NAMESPACES: Final[Mapping[str, type[Any]]] = {"Namespace": Namespace, "SimpleNamespace": SimpleNamespace}


def encode(value: object, reference: Callable[[object], str]) -> Any:  # one line for each kind
    """*value* as JSON. *reference* names a class or function as ``module:name``. Raises `UsageError` for what has no text."""
    if isinstance(value, enum.Enum):
        return {"$enum": [reference(type(value)), value.name]}
    if isinstance(value, float) and not isfinite(value):
        return {"$float": repr(value)}
    if type(value) in PLAIN and _has_64_bits(value):
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
        f"The value {value!r:.200} of type {type(value).__name__} has no text.",
        "An argument in a manifest is a number of 64 bits, text, list, mapping, dataclass, enum, class or function.",
        "Give the constructor plain values, or pack without eager torch",
    )


def _has_64_bits(value: object) -> bool:
    return type(value) is not int or -(1 << 63) <= value < 1 << 63


def decode(value: Any, resolve: Callable[[str], Any]) -> Any:
    """The value that `encode` wrote; *resolve* finds what ``module:name`` names. Raises `BundleRefused` for what it never writes.

    Only dataclasses are called, by the names of their fields, and only members of enumerations are looked up.
    """
    if isinstance(value, list):
        return [decode(entry, resolve) for entry in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$tuple": list(entries)} if len(value) == 1:
            return tuple(decode(entry, resolve) for entry in entries)
        case {"$dict": list(pairs)} if len(value) == 1 and all(isinstance(pair, list) and len(pair) == PAIR for pair in pairs):
            return _dictionary([(decode(key, resolve), decode(entry, resolve)) for key, entry in pairs])
        case {"$float": "nan" | "inf" | "-inf" as text} if len(value) == 1:
            return float(text)
        case {"$name": str(name)} if len(value) == 1:
            return resolve(name)
        case {"$enum": [str(name), str(member)]} if len(value) == 1:
            return _member(resolve(name), member)
        case {"$object": [str(name), dict(given)]} if len(value) == 1:
            return _object(resolve(name), {key: decode(entry, resolve) for key, entry in given.items()})
        case {"$namespace": [str(kind), dict(given)]} if kind in NAMESPACES and len(value) == 1:
            return NAMESPACES[kind](**{key: decode(entry, resolve) for key, entry in given.items()})
    raise _refused(f"{value!r:.200}")


def _dictionary(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    try:
        return dict(pairs)
    except TypeError as cause:
        raise _refused(f"a dictionary whose keys are no keys: {cause}") from cause


def _member(kind: Any, member: str) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum) and member in kind.__members__):
        raise _refused(f"the member {member} of {kind!r:.200}")
    return kind[member]


def _object(kind: Any, given: dict[str, Any]) -> Any:
    if not (isinstance(kind, type) and is_dataclass(kind) and given.keys() <= {each.name for each in fields(kind) if each.init}):
        raise _refused(f"an object of {kind!r:.200} with {', '.join(given)}")
    return kind(**given)


def _refused(found: str) -> BundleRefused:
    return BundleRefused(
        f"An argument is {found}, which pthway does not write.", "A manifest is not edited by hand.", "Pack the model again"
    )
