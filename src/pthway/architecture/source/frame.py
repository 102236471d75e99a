"""The names of a function while it is followed, and how two ways through it are joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pthway.architecture.source.limits import MAX_OBJECTS
from pthway.architecture.source.outline import Outline
from pthway.architecture.source.values import UNKNOWN, Class, Instance, Items, Table, Value, join


class State(NamedTuple):
    """What may differ between two ways through a function."""

    names: dict[str, Value]
    objects: tuple[tuple[Instance, dict[str, Value], frozenset[str]], ...]
    """Each with its attributes, and which of them are optional."""


@dataclass(slots=True)
class Frame:
    """A function, or the top level of a file, while it is followed."""

    home: Outline
    names: dict[str, Value] = field(default_factory=dict)
    around: Mapping[str, Value] | None = None
    owner: Class | None = None
    instance: Instance | None = None
    """The object whose method it is."""
    returned: list[Value] = field(default_factory=list)

    def save(self) -> State:
        """Return the present state."""
        objects = tuple((each, dict(each.attributes), each.optional) for each in _objects(self.names.values()))
        return State(dict(self.names), objects)

    def restore(self, state: State) -> None:
        """Go back to *state*."""
        self.names = dict(state.names)
        for each, attributes, optional in state.objects:
            each.attributes, each.optional = dict(attributes), optional

    def join(self, other: State) -> None:
        """Be either in the present state or in *other*; attributes that only one of them has become optional."""
        self.names = _joined(self.names, other.names)
        for each, attributes, optional in other.objects:
            apart = frozenset(each.attributes.keys() ^ attributes.keys())
            each.attributes = _joined(each.attributes, attributes)
            each.optional = each.optional | optional | apart

    def forget_changes(self, before: State) -> None:
        """Go back to *before*, except that what a loop has changed since is not known: it will change again."""
        names = {name: _widened(value, self.names.get(name, value)) for name, value in before.names.items()}
        objects = [
            (each, {name: _widened(value, each.attributes.get(name, value)) for name, value in attributes.items()}, optional)
            for each, attributes, optional in before.objects
        ]
        self.restore(State(names, tuple(objects)))


def _objects(values: Iterable[Value]) -> list[Instance]:
    """Return the objects among *values* that can change, and those that they hold."""
    found: dict[int, Instance] = {}
    waiting = [value for value in values if isinstance(value, Instance)]
    while waiting and len(found) < MAX_OBJECTS:
        each = waiting.pop()
        if id(each) not in found:
            found[id(each)] = each
            waiting += [value for value in each.attributes.values() if isinstance(value, Instance)]
    return list(found.values())


def _joined(first: Mapping[str, Value], second: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name: join(first[name], second[name]) if name in first and name in second else first.get(name, second.get(name))
        for name in {**first, **second}
    }


def _widened(before: Value, after: Value) -> Value:
    """Return what is known of a value before any round of a loop that turns *before* into *after* in its first round.

    Lists, dictionaries and modules only grow; how they grow is seen when the loop is followed.
    """
    if isinstance(before, Items | Table) or before is after or not isinstance(before, bool | int | float | str):
        return before
    return before if type(before) is type(after) and before == after else UNKNOWN
