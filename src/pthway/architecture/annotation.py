"""What an annotation says about the values of an argument."""

import collections.abc
import dataclasses
import inspect
import types
import typing
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

SEQUENCES: Final = (list, tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
MAPPINGS: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
NAMESPACES: Final = (Namespace, SimpleNamespace)


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
    bare = origin or annotation
    if annotation is None or annotation is types.NoneType:
        return Said(plain=frozenset({types.NoneType}))
    if bare in SEQUENCES:
        fixed = bare is tuple and bool(arguments) and arguments[-1] is not ...
        element = arguments[0] if arguments else None
        return Said(sequence=tuple if bare is tuple else list, element=element, length=len(arguments) if fixed else None)
    if bare in MAPPINGS:
        return Said(record=dict)
    if bare in (type, collections.abc.Callable):
        return Said(callable=True)
    if not isinstance(bare, type):
        return Said()
    if bare in (bool, int, float, str):
        return Said(plain=frozenset({bare}))
    if issubclass(bare, Enum):
        return Said(choices=tuple(bare))
    if issubclass(bare, NAMESPACES) or dataclasses.is_dataclass(bare):
        return Said(record=bare)
    return Said()


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
    while isinstance(factory, partial):
        factory = factory.func
    target = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
    try:
        return typing.get_type_hints(target)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {name: each for name, each in inspect.get_annotations(target).items() if not isinstance(each, str)} if callable(target) else {}
