"""What a pickle says, as inert values: nothing here can be called, and no value runs code when it is read, printed or compared."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Global:
    """The label of a class or function, ``module.name``. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class PickledDict:
    """A dictionary as pairs in file order: keys may repeat or be unhashable, and are never hashed here.

    An attacker's keys can neither collide (quadratic time) nor replace each other unseen.
    """

    kind: Global | None = None
    """The dictionary class, such as ``collections.OrderedDict``; None for a plain one."""
    pairs: list[tuple[object, object]] = field(default_factory=list)
    state: object = None
    """Attributes set on the dictionary object; torch keeps ``_metadata`` here."""

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[object]:
        return (key for key, _ in self.pairs)

    def get(self, key: str) -> object:
        """The last value stored under *key*, as Python would keep it; None if absent."""
        return next((value for name, value in reversed(self.pairs) if name == key), None)


@dataclass(slots=True, eq=False)
class PickledSet:
    """A set's members in file order, never hashed."""

    members: list[object] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Opaque:
    """An object that was not made: the call that would have made it, and what would have been put into it."""

    call: object
    """Usually a `Global`: the class, or the function that would have been called."""
    arguments: tuple[object, ...] = ()
    keywords: object = None
    state: object = None
    items: list[object] = field(default_factory=list)
    """What APPEND would have added."""
    pairs: list[tuple[object, object]] = field(default_factory=list)
    """What SETITEM would have set."""

    def __str__(self) -> str:
        return f"<{self.call}>"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that loading with Python's own pickle would make."""

    target: str
    """What would be called, as ``module.name``."""
    position: int
    """Byte offset of the opcode in its pickle."""
    arguments: str
    """The first arguments, shortened and escaped."""

    def __str__(self) -> str:
        return f"{self.target}({self.arguments}) at byte {self.position}"
