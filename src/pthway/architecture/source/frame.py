"""The names of a function while it is followed, and how two ways through it are joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pthway.architecture.source.outline import Outline
from pthway.architecture.source.values import UNKNOWN, Class, Instance, Items, Table, Value, join


class State(NamedTuple):
    """What may differ between two ways through a function."""

    names: dict[str, Value]
    attributes: dict[str, Value]
    optional: frozenset[str]


@dataclass(slots=True)
class Frame:
    """A function, or the top level of a file, while it is followed."""

    home: Outline
    names: dict[str, Value] = field(default_factory=dict)
    around: Mapping[str, Value] | None = None
    owner: Class | None = None
    instance: Instance | None = None
    """The module under construction that the function may change."""
    returned: list[Value] = field(default_factory=list)

    def save(self) -> State:
        """Return the present state."""
        if self.instance is None:
            return State(dict(self.names), {}, frozenset())
        return State(dict(self.names), dict(self.instance.attributes), self.instance.optional)

    def restore(self, state: State) -> None:
        """Go back to *state*."""
        self.names = dict(state.names)
        if self.instance is not None:
            self.instance.attributes, self.instance.optional = dict(state.attributes), state.optional

    def join(self, other: State) -> None:
        """Be either in the present state or in *other*; attributes that only one of them has become optional."""
        self.names = _joined(self.names, other.names)
        if self.instance is not None:
            here = self.instance
            apart = frozenset(here.attributes.keys() ^ other.attributes.keys())
            here.attributes = _joined(here.attributes, other.attributes)
            here.optional = here.optional | other.optional | apart

    def forget_changes(self, before: State) -> None:
        """Go back to *before*, except that what a loop has changed since is not known: it will change again."""
        names = {name: _widened(value, self.names.get(name, value)) for name, value in before.names.items()}
        attributes = dict(before.attributes)
        if self.instance is not None:
            now = self.instance.attributes
            attributes = {name: _widened(value, now.get(name, value)) for name, value in attributes.items()}
        self.restore(State(names, attributes, before.optional))


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
