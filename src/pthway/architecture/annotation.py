"""What an annotation says about the values of an argument."""

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Final

from pthway.architecture.inherited import passed_on
from pthway.architecture.slots import NAMESPACES

SEQUENCES: Final = (list, tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
MAPPINGS: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


@dataclass(frozen=True, slots=True)
class Said:
    """The kinds of values that an annotation allows; nothing where there is none."""

    plain: frozenset[type] = frozenset()
    """Of ``bool``, ``int``, ``float``, ``str`` and ``NoneType``, those named."""
    choices: tuple[object, ...] = ()
    """Members of literals and enumerations."""
    sequence: type | None = None
    """``list`` or ``tuple``."""
    element: Any = None
    """The annotation of the elements of a sequence."""
    length: int | None = None
    """Of a tuple of fixed length."""
    record: type | None = None
    """``dict``, a namespace, or a dataclass."""
    callable: bool = False
    """Whether it is a class or a function."""


def said(annotation: Any) -> Said:
    """Return what *annotation*, evaluated, says."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union([said(each) for each in arguments])
    if origin is typing.Annotated:
        return said(arguments[0])
    if origin is typing.Literal:
        return Said(choices=arguments)
    if (origin or annotation) in SEQUENCES:
        return _sequence(origin or annotation, arguments)
    return _class(types.NoneType if annotation is None else origin or annotation)


def _sequence(kind: Any, arguments: tuple[Any, ...]) -> Said:
    fixed = kind is tuple and bool(arguments) and arguments[-1] is not ...
    element = arguments[0] if arguments else None
    return Said(sequence=tuple if kind is tuple else list, element=element, length=len(arguments) if fixed else None)


def _class(kind: Any) -> Said:
    if kind in MAPPINGS:
        return Said(record=dict)
    if kind in (type, collections.abc.Callable):
        return Said(callable=True)
    if kind in (bool, int, float, str, types.NoneType):
        return Said(plain=frozenset({kind}))
    if not isinstance(kind, type):
        return Said()
    if issubclass(kind, Enum):
        return Said(choices=tuple(kind))
    return Said(record=kind) if issubclass(kind, NAMESPACES) or dataclasses.is_dataclass(kind) else Said()


def _union(parts: list[Said]) -> Said:
    return Said(
        frozenset().union(*(part.plain for part in parts)),
        tuple(choice for part in parts for choice in part.choices),
        next((part.sequence for part in parts if part.sequence), None),
        next((part.element for part in parts if part.sequence), None),
        next((part.length for part in parts if part.length), None),
        next((part.record for part in parts if part.record), None),
        any(part.callable for part in parts),
    )


def annotations(factory: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the annotations of *factory* by argument, those written as text evaluated where that is possible."""
    above = {name: hint for each in reversed([*passed_on(factory)]) for name, hint in _hints(each.constructor).items()}
    while isinstance(factory, partial):
        factory = factory.func
    return {**above, **_hints(factory.__init__ if isinstance(factory, type) else factory)}  # type: ignore[misc]


def _hints(target: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(target)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return (
            {name: each for name, each in inspect.get_annotations(target).items() if not isinstance(each, str)} if callable(target) else {}
        )
