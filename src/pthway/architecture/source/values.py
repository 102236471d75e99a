"""What an expression of a constructor is known to be, without running it.

Numbers, texts, booleans and None stand for themselves. Values never change: a list that grows is a new list, so that the two
branches of an ``if`` can be followed one after the other and then joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pthway.architecture.source.limits import MAX_ITEMS, MAX_OPTIONS

if TYPE_CHECKING:
    import ast

    from pthway.architecture.source.outline import ClassOutline, Outline

Value: TypeAlias = Any
"""int, float, str, bool, None, or one of the classes below."""

ANY: Final = "*"
"""Stands in a text for a part that is not known."""
NUMBER: Final = "#"
"""The name of an entry whose position in a container is not known."""


class Unknown:
    """Anything at all; there is one, `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Items:
    """A list or tuple: entries whose places are known, then those that may follow, any number of times and in any order."""

    items: tuple[Value, ...] = ()
    rest: tuple[Value, ...] = ()

    def plus(self, other: Items) -> Items:
        """Return the entries of both, one after the other."""
        if self.rest or len(self.items) + len(other.items) > MAX_ITEMS:
            return Items(self.items, distinct((*self.rest, *other.items, *other.rest)))
        return Items((*self.items, *other.items), other.rest)

    def every(self) -> tuple[Value, ...]:
        """Return all entries, the uncertain ones once."""
        return (*self.items, *self.rest)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A dictionary: entries whose keys are known, and values that may stand under others."""

    entries: Mapping[Value, Value] = field(default_factory=dict)
    rest: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values."""

    options: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Data:
    """A tensor that belongs to no module, or to one without being in its state dict."""

    shape: tuple[int | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter or a buffer that is in the state dict."""

    shape: tuple[int | None, ...] | None = None
    """None where nothing is known of it; a dimension is None where it is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A module that a constructor makes: the pattern of the names below it."""

    kind: str
    """The name of its class."""
    parts: Mapping[str, Value] = field(default_factory=dict)
    """What its attributes hold, by name; `ANY` in a name stands for any text, `NUMBER` for a position."""
    optional: frozenset[str] = frozenset()
    """Names that only some ways through the constructor make."""
    open: bool = False
    """Whether it may have parts that the source does not tell."""
    home: Class | None = None
    """The class in the tree, if it is one of the tree's."""

    def having(self, name: str, value: Value, *, optional: bool = False) -> Module:
        """Return the same with one more part, or with another under this name."""
        missing = self.optional | {name} if optional else self.optional - {name}
        return Module(self.kind, {**self.parts, name: value}, missing, self.open, self.home)


@dataclass(frozen=True, slots=True)
class Namespace:
    """Something outside the tree, by its full name: ``torch.nn``, ``torch.nn.Linear``, ``math.sqrt``."""

    name: str


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function that Python brings, by its name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """A file of the tree, as what an import brings."""

    outline: Outline


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """A class that the tree defines."""

    home: Outline
    outline: ClassOutline

    @property
    def name(self) -> str:
        """Its name in the file."""
        return self.outline.name


@dataclass(frozen=True, slots=True)
class Typed:
    """An object of which only the class is known, which is no network: a configuration that an argument is declared to be."""

    cls: Class


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function or a lambda of the tree."""

    home: Outline
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    owner: Class | None = None
    """The class that defines it, if it is a method."""
    around: Mapping[str, Value] | None = None
    """The names of the function that it stands in."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A function that gets its first argument from the dot before it."""

    function: Function
    first: Value


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """A callable with some arguments already given."""

    callee: Value
    call: Call


@dataclass(frozen=True, slots=True)
class Super:
    """What ``super()`` gives: the classes that come after *after*."""

    instance: Value
    after: Class | None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Arguments of a call."""

    arguments: Items = field(default_factory=Items)
    keywords: Mapping[str, Value] = field(default_factory=dict)
    open: bool = False
    """Whether more may be given by keyword than is known."""

    def get(self, position: int, name: str, default: Value = None) -> Value:
        """Return the argument at *position* or of *name*; *default* if it was left out."""
        if position < len(self.arguments.items):
            return self.arguments.items[position]
        if name in self.keywords:
            return self.keywords[name]
        return UNKNOWN if self.arguments.rest or self.open else default


class Instance:
    """A module while its constructor is followed, or an object of another class of the tree; the one value that changes."""

    __slots__ = ("attributes", "cls", "open", "optional")

    def __init__(self, cls: Class) -> None:
        self.cls = cls
        self.attributes: dict[str, Value] = {}
        self.optional: frozenset[str] = frozenset()
        self.open = False

    def set(self, name: str, value: Value, *, optional: bool = False) -> None:
        """Give it an attribute."""
        self.attributes[name] = value
        self.optional = self.optional | {name} if optional else self.optional - {name}

    def take(self, module: Module) -> None:
        """Give it the parts of a module of torch that its class derives from."""
        self.attributes |= module.parts
        self.optional |= module.optional
        self.open = self.open or module.open

    def finished(self) -> Module:
        """Return what the constructor has made."""
        return Module(self.cls.name, dict(self.attributes), self.optional, self.open, self.cls)


BUILDERS: Final = (Namespace, Class, Function, Bound, Partial, Module, Weight, Choice)
"""Values whose alternatives are kept, because they are modules or make some."""
_KEPT: Final = (*BUILDERS, Items, Table, Typed, Instance)


def join(first: Value, second: Value) -> Value:
    """Return what is known of a value that is either of the two."""
    if first is second or same(first, second):
        return first
    if isinstance(first, Items) and isinstance(second, Items):
        return _joined_items(first, second)
    if isinstance(first, Table) and isinstance(second, Table):
        keys = {**first.entries, **second.entries}
        entries = {key: join(first.entries.get(key, value), second.entries.get(key, value)) for key, value in keys.items()}
        return Table(entries, distinct((*first.rest, *second.rest)))
    if isinstance(first, Module) and isinstance(second, Module) and first.kind == second.kind and first.kind in CONTAINERS:
        return _joined_containers(first, second)
    if isinstance(first, Weight) and isinstance(second, Weight):
        return Weight()
    if isinstance(first, _KEPT) or isinstance(second, _KEPT):
        return choice((first, second))
    return UNKNOWN


def choice(values: Iterable[Value]) -> Value:
    """Return one of *values*: the value itself if there is one, alternatives if they are modules or make some."""
    options: list[Value] = []
    for value in values:
        for option in value.options if isinstance(value, Choice) else (value,):
            kept = option if option is None or isinstance(option, _KEPT) else UNKNOWN
            if not any(same(kept, other) for other in options):
                options.append(kept)
    if len(options) > MAX_OPTIONS:
        options = [*[option for option in options if option is not UNKNOWN][: MAX_OPTIONS - 1], UNKNOWN]
    return options[0] if len(options) == 1 else Choice(tuple(options)) if options else UNKNOWN


def distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    """Return *values* without repetitions."""
    kept: list[Value] = []
    for value in values:
        if len(kept) <= MAX_OPTIONS * 4 and not any(same(value, other) for other in kept):
            kept.append(value)
    return tuple(kept)


def same(first: Value, second: Value) -> bool:
    """Whether two values are known to be equal, in type too."""
    return first is second or (type(first) is type(second) and first == second)


def truth(value: Value) -> bool | None:
    """Whether *value* counts as true; None where it may be either."""
    if isinstance(value, Choice):
        answers = {truth(option) for option in value.options}
        return answers.pop() if len(answers) == 1 else None
    if isinstance(value, Items):
        return True if value.items else (None if value.rest else False)
    if isinstance(value, Table):
        return True if value.entries else (None if value.rest else False)
    if value is None or isinstance(value, bool | int | float):
        return bool(value)
    if isinstance(value, str):
        return bool(value)
    if isinstance(value, Namespace | Class | Function | Bound | Partial | Builtin | Typed):
        return True
    return True if isinstance(value, Module) and value.kind not in CONTAINERS else None


CONTAINERS: Final = frozenset(("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"))
"""Classes of torch.nn whose parts are what they are given."""


def each(value: Value) -> tuple[Value, ...]:
    """Return the alternatives that *value* may be."""
    return value.options if isinstance(value, Choice) else (value,)


def _joined_items(first: Items, second: Items) -> Items:
    if len(first.items) == len(second.items) and not first.rest and not second.rest:
        return Items(tuple(join(a, b) for a, b in zip(first.items, second.items, strict=True)))
    shared = 0
    for a, b in zip(first.items, second.items, strict=False):
        if not same(a, b):
            break
        shared += 1
    return Items(first.items[:shared], distinct((*first.items[shared:], *second.items[shared:], *first.rest, *second.rest)))


def _joined_containers(first: Module, second: Module) -> Module:
    """Return a container that is either of two: of a list, the entries after the first that differs have no place of their own."""
    numbered = first.kind not in ("ModuleDict", "ParameterDict")
    parts: dict[str, Value] = {}
    loose: list[Value] = []
    optional = first.optional | second.optional | frozenset(first.parts.keys() ^ second.parts.keys())
    apart = False
    for name in {**first.parts, **second.parts}:
        both = name in first.parts and name in second.parts
        value = join(first.parts[name], second.parts[name]) if both else first.parts.get(name, second.parts.get(name))
        apart = apart or not both
        if numbered and apart and (name.isdigit() or name == NUMBER):
            loose.append(value)
        else:
            parts[name] = value
    if loose:
        parts[NUMBER] = choice((*loose, *((parts[NUMBER],) if NUMBER in parts else ())))
        optional |= {NUMBER}
    return Module(first.kind, parts, optional, first.open or second.open, first.home)
