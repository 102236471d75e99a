"""Which modules are written as one class: those that differ in nothing but numbers, which become arguments of the constructor."""

from collections.abc import Iterable
from typing import NamedTuple, TypeGuard

from pthway.architecture.scaffold.case import Layer, Value
from pthway.architecture.scaffold.names import Names
from pthway.architecture.scaffold.part import Form, Part


class Slot(NamedTuple):
    """A number in the text of a part."""

    words: tuple[str, ...]
    """The names that lead to it."""
    value: int


class Group(NamedTuple):
    """Modules that are written as one class."""

    name: str
    parts: tuple[Part, ...]
    parameters: tuple[str, ...]
    columns: tuple[int | str, ...]
    """For every slot of these parts: the number, where all have the same, or the parameter that it becomes."""

    def arguments(self, values: list[str]) -> list[str]:
        """What one of these modules passes, from the text of each of its slots."""
        first = {column: value for column, value in zip(reversed(self.columns), reversed(values), strict=True) if isinstance(column, str)}
        return [first[name] for name in self.parameters]


class Folded:
    """All parts below a root, grouped."""

    def __init__(self, root: Part, taken: Iterable[str] = ()) -> None:
        self.taken = frozenset(taken)
        """Names that other things in the file have."""
        self.numbers: dict[object, int] = {}
        self.skeletons: dict[int, int] = {}
        self.kept: dict[int, list[Slot]] = {}
        self.order: dict[int, list[Part]] = {}
        self.root = self._skeleton(root)
        self.groups = self._groups()

    def group(self, part: Part) -> Group:
        """The class of a part of its own class."""
        return self.groups[self.skeletons[id(part)]]

    def slots(self, part: Part) -> list[Slot]:
        """The numbers in the text of *part*, in the order of the text."""
        return self.kept[id(part)]

    def _skeleton(self, part: Part) -> int:
        """The number of everything but the numbers of *part*: equal for parts that can share their text."""
        own = [Slot((bare.name, "size"), size) for bare in part.bare for size in bare.shape]
        layer: object = None
        if part.layer is not None:
            numbers, without = _numbers(part.layer.arguments)
            own += numbers
            layer = (part.layer._replace(arguments=(), takes=None, gives=None), without)
        inside = []
        for name, child in part.children:
            inside.append((name, self._skeleton(child)))
            own += [Slot((name, *slot.words), slot.value) for slot in self.kept[id(child)]]
        bare = tuple((each.name, len(each.shape), each.dtype, each.parameter, each.sure) for each in part.bare)
        key = (part.form, tuple(inside), bare, layer, part.kind, part.sequential, part.guesses, part.code and part.code.compared)
        number = self.numbers.setdefault(key, len(self.numbers))
        self.skeletons[id(part)], self.kept[id(part)] = number, own
        if part.form is Form.CLASS:
            self.order.setdefault(number, []).append(part)
        return number

    def _groups(self) -> dict[int, Group]:
        groups: dict[int, Group] = {}
        names = Names(self.taken)
        for number, parts in self.order.items():  # every class after those that it uses
            name = "Model" if number == self.root else names.of_class(_named_after(parts[0]))
            groups[number] = Group(name, tuple(parts), *_columns([self.kept[id(part)] for part in parts]))
        return groups


def _named_after(part: Part) -> str:
    """What a class is named after: the class of the program that it was, else the place where it stands."""
    return part.kind if part.code is not None and part.kind else part.path


def _numbers(arguments: Iterable[tuple[str, Value]]) -> tuple[list[Slot], tuple[tuple[str, object], ...]]:
    """The sizes among the arguments, and the arguments without them."""
    found: list[Slot] = []
    without: list[tuple[str, object]] = []
    for name, value in arguments:
        if isinstance(value, Layer):
            inner, rest = _numbers(value.arguments)
            found += inner
            without.append((name, (value.kind, value.positional, rest)))
            continue
        many = value if isinstance(value, tuple) else (value,)
        found += [Slot((name,), each) for each in many if is_size(each)]
        plain = tuple("#" if is_size(each) else (type(each).__name__, each) for each in many)
        without.append((name, (isinstance(value, tuple), plain)))
    return found, tuple(without)


def is_size(value: object) -> TypeGuard[int]:
    """Whether a value is a number that may differ between modules of one class."""
    return isinstance(value, int) and not isinstance(value, bool)


def _columns(rows: list[list[Slot]]) -> tuple[tuple[str, ...], tuple[int | str, ...]]:
    names: dict[tuple[int, ...], str] = {}
    given = Names()
    columns: list[int | str] = []
    for slots in zip(*rows, strict=True):
        values = tuple(slot.value for slot in slots)
        if len(set(values)) == 1:
            columns.append(values[0])
        else:
            if values not in names:
                names[values] = given.of_parameter(slots[0].words)
            columns.append(names[values])
    return tuple(names.values()), tuple(columns)
