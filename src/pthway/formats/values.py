"""What a pickle says, as inert values: nothing here can be called, and no value runs code when it is read, printed or compared."""

from collections.abc import Iterator
from typing import NamedTuple, TypeGuard


class Global(NamedTuple):
    """The label of a class or function, ``module.name``. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def is_sequence(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    """Whether *value* is a list or tuple of the pickle's; our own named tuples are values, not sequences."""
    return type(value) in (list, tuple)


class PickledDict:
    """A dictionary as pairs in file order: keys may repeat or be unhashable, and are never hashed here.

    An attacker's keys can neither collide (quadratic time) nor replace each other unseen.
    """

    __slots__ = ("kind", "pairs", "state")

    def __init__(self, kind: Global | None = None, pairs: list[tuple[object, object]] | None = None) -> None:
        self.kind = kind
        """The dictionary class, such as ``collections.OrderedDict``; None for a plain one."""
        self.pairs: list[tuple[object, object]] = [] if pairs is None else pairs
        self.state: object = None
        """Attributes set on the dictionary object; torch keeps ``_metadata`` here."""

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[object]:
        return (key for key, _ in self.pairs)

    def get(self, key: str) -> object:
        """The last value stored under *key*, as Python would keep it; None if absent."""
        return next((value for name, value in reversed(self.pairs) if name == key), None)


class PickledSet:
    """A set's members in file order, never hashed."""

    __slots__ = ("members",)

    def __init__(self, members: list[object]) -> None:
        self.members = members


class Opaque:
    """An object that was not made: the call that would have made it, and what would have been put into it."""

    __slots__ = ("arguments", "call", "items", "keywords", "pairs", "state")

    def __init__(self, call: object, arguments: tuple[object, ...], keywords: object = None) -> None:
        self.call = call
        """Usually a `Global`: the class, or the function that would have been called."""
        self.arguments = arguments
        self.keywords = keywords
        self.state: object = None
        self.items: list[object] = []
        """What APPEND would have added."""
        self.pairs: list[tuple[object, object]] = []
        """What SETITEM would have set."""

    @property
    def name(self) -> str:
        """The class or function by name. What stands in the place of one is named by its kind alone: it may be nested without end."""
        return str(self.call) if isinstance(self.call, Global) else f"<{type(self.call).__name__}>"

    def __str__(self) -> str:
        return f"<{self.name}>"


class Call(NamedTuple):
    """A call that loading with Python's own pickle would make."""

    target: str
    """What would be called, as ``module.name``."""
    position: int
    """Byte offset of the opcode in its pickle."""
    arguments: str
    """The first arguments, shortened and escaped."""

    def __str__(self) -> str:
        return f"{self.target}({self.arguments}) at byte {self.position}"
