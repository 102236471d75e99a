"""The places inside constructor arguments where a value can change, named as a reader of Python would write them.

``layers[2]`` and ``len(layers)`` are slots of ``{"layers": [3, 4, 6, 3]}``; ``config.width`` of a dataclass or namespace, and
``config['width']`` of a dictionary.
"""

import dataclasses
from argparse import Namespace
from collections.abc import Hashable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

ADDED: Final = 8
"""The element that a list without any gets when it grows."""

ABSENT: Final = object()
"""Stands for a key that a configuration is to lack."""

Slot = str
Number = int | float
NAMESPACES: Final = (Namespace, SimpleNamespace)


def inside(value: object, slot: Slot) -> list[tuple[Slot, object]]:
    """Return the slots directly inside *value*, which stands at *slot*, each with what it holds."""
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return [(f"{slot}[{index}]", element) for index, element in enumerate(value)]
    if isinstance(value, dict):
        return [(f"{slot}[{key!r}]", held) for key, held in value.items()]
    if isinstance(value, NAMESPACES):
        return [(f"{slot}.{name}", held) for name, held in vars(value).items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f"{slot}.{field.name}", getattr(value, field.name)) for field in dataclasses.fields(value) if field.init]
    return []


def walk(arguments: Mapping[str, object]) -> Iterator[tuple[Slot, object]]:
    """Yield every slot of *arguments* with its value, outermost first."""
    waiting = list(arguments.items())
    while waiting:
        slot, value = waiting.pop(0)
        yield slot, value
        waiting = [*inside(value, slot), *waiting]


def numbers(arguments: Mapping[str, object]) -> dict[Slot, Number]:
    """Return every number of *arguments* and the length of every list in them, by slot."""
    found: dict[Slot, Number] = {}
    for slot, value in walk(arguments):
        if type(value) in (int, float):
            found[slot] = value  # type: ignore[assignment]
        elif isinstance(value, list | tuple):
            found[length_of(slot)] = len(value)
    return found


def length_of(slot: Slot) -> Slot:
    """Return the slot of the length of the list at *slot*."""
    return f"len({slot})"


def root(slot: Slot) -> str:
    """Return the argument that *slot* lies in."""
    bare = slot.removeprefix("len(")
    return bare[: next((at for at, sign in enumerate(bare) if sign in ".[)"), len(bare))]


def within(slot: Slot, outer: Slot) -> bool:
    """Whether *slot* is *outer* or lies inside it, as its length does too."""
    bare = slot.removeprefix("len(")
    return bare == outer or (bare.startswith(outer) and bare[len(outer)] in ".[)")


def replaced(arguments: Mapping[str, object], changes: Mapping[Slot, object]) -> dict[str, object]:
    """Return a copy of *arguments* with *changes*; a list that grows repeats its last element, a key that is `ABSENT` goes."""
    return {name: _replaced(value, changes, name) for name, value in arguments.items()}


def _replaced(value: object, changes: Mapping[Slot, object], slot: Slot) -> object:
    if slot in changes:
        value = changes[slot]
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(_elements(value, changes, slot))
    parts = [_replaced(held, changes, inner) for inner, held in inside(value, slot)]
    if isinstance(value, dict):
        return {key: part for key, part in zip(value, parts, strict=True) if part is not ABSENT}
    if isinstance(value, Namespace | SimpleNamespace):
        return type(value)(**{key: part for key, part in zip(vars(value), parts, strict=True) if part is not ABSENT})
    if parts and dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        return dataclasses.replace(value, **dict(zip(names, parts, strict=True)))
    return value


def _elements(value: Sequence[object], changes: Mapping[Slot, object], slot: Slot) -> list[object]:
    length = changes.get(length_of(slot), len(value))
    parts: list[object] = []
    for index in range(length if isinstance(length, int) else len(value)):
        element = value[index] if index < len(value) else parts[-1] if parts else ADDED
        parts.append(_replaced(element, changes, f"{slot}[{index}]"))
    return parts


def is_record(value: object) -> bool:
    """Whether *value* is a configuration that may lack a key: a dictionary or a namespace."""
    return isinstance(value, dict | Namespace | SimpleNamespace)


def frozen(value: object) -> Hashable:
    """Return something hashable that is equal for equal arguments: what a build is remembered by."""
    parts = inside(value, "")
    if parts or type(value) in (list, tuple, dict):
        return type(value), *((slot, frozen(held)) for slot, held in parts)
    try:
        hash(value)
    except TypeError:
        return type(value), id(value)
    return type(value), value


def same(one: Any, other: Any) -> bool:
    """Whether two arguments are the same value of the same type."""
    return one is other or frozen(one) == frozen(other)
