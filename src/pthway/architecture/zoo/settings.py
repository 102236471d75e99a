"""Solves the settings of a template from the names and shapes of a checkpoint."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import NamedTuple

from pthway.architecture.zoo.formulas import OPEN, Formula, parsed
from pthway.architecture.zoo.templates import Line, starred

Parts = tuple[str, ...]
Shapes = Mapping[str, tuple[int, ...]]


class Solution(NamedTuple):
    """The settings with which a template has exactly the names and shapes of a checkpoint."""

    settings: Mapping[str, int]
    evidence: Mapping[str, str]
    """Setting → the tensor, or the number of layers, that shows it."""
    products: Mapping[str, int]
    """What several settings make together, none of which a tensor shows alone → the size."""


class Equation(NamedTuple):
    """A formula, and the size that a checkpoint has for it."""

    formula: Formula
    size: int
    evidence: str


def solution(lines: Sequence[Line], shapes: Shapes) -> Solution | None:
    """Return the settings with which *lines* are *shapes*, every name and every size; None if there are none."""
    named = _named(lines, shapes)
    counted = None if named is None else _counted(lines, named)
    if named is None or counted is None:
        return None
    variants: dict[Parts, list[Line]] = {}
    for line in lines:
        variants.setdefault(line.parts, []).append(line)
    owners = {name: variants[parts] for parts, names in named.items() for name in names}
    solver, equations = _Solver(), list(counted)
    for name, shape in shapes.items():  # in the order of the file, where weights stand before their biases
        sizes = _sized(owners[name][0], name, shape) if len(owners[name]) == 1 else []
        if sizes is None:
            return None
        equations += sizes
    several = [(name, own) for name, own in owners.items() if len(own) > 1]
    settled = solver.take(equations) and all(solver.take_one(_sized(line, name, shapes[name]) for line in own) for name, own in several)
    return solver.solution() if settled else None


def _named(lines: Sequence[Line], shapes: Shapes) -> dict[Parts, list[str]] | None:
    """Return for the names of each line those of the checkpoint; None where one of either has no counterpart."""
    waiting: dict[str, list[Parts]] = {}
    for parts in dict.fromkeys(line.parts for line in lines):
        waiting.setdefault(starred(parts), []).append(parts)
    found: dict[Parts, list[str]] = {parts: [] for own in waiting.values() for parts in own}
    for name in shapes:
        own = name.split(".")
        fitting = [parts for parts in waiting.get(starred(own), ()) if _is_one(parts, own)]
        if not fitting:
            return None
        found[fitting[0]].append(name)
    return found


def _is_one(parts: Parts, own: Sequence[str]) -> bool:
    return all(part == piece or part.startswith("{") for part, piece in zip(parts, own, strict=True))


def _counted(lines: Sequence[Line], named: Mapping[Parts, Sequence[str]]) -> list[Equation] | None:
    """Return how many layers there are; None where the numbers have gaps, or layers lack what all have."""
    numbers: dict[Parts, set[int]] = {}
    for parts, names in named.items():
        for at, part in enumerate(parts):
            if part.startswith("{"):
                numbers.setdefault(parts[: at + 1], set()).update(int(name.split(".")[at]) for name in names)
    if any(found != set(range(len(found))) for found in numbers.values()):
        return None
    had = {starred(parts) for parts, names in named.items() if names}
    for line in lines:
        expected = prod(len(numbers[line.parts[: at + 1]]) for at, part in enumerate(line.parts) if part.startswith("{"))
        if not line.some and len(named[line.parts]) != expected and starred(line.parts) in had:  # tied tensors may all be absent
            return None
    return [
        Equation(parsed(place[-1][1:-1]), len(found), f"there are {len(found)} of {starred(place).removesuffix('.*')}")
        for place, found in numbers.items()
    ]


def _sized(line: Line, name: str, shape: tuple[int, ...]) -> list[Equation] | None:
    """Return what the sizes of one tensor say; None where it has more or fewer of them."""
    if len(line.sizes) != len(shape):
        return [] if not line.sizes and shape == (1,) else None  # torch reads a file's [1] into a scalar
    said = f"{name} is {list(shape)}"
    return [Equation(parsed(text), size, f"{said}: dimension {at}") for at, (text, size) in enumerate(zip(line.sizes, shape, strict=True))]


class _Solver:
    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.evidence: dict[str, str] = {}
        self.sizes: dict[Formula, int] = {}
        """Of every formula that was met."""
        self.pending: list[Equation] = []

    def take(self, equations: Iterable[Equation]) -> bool:
        """Solve for what *equations* show. False where they contradict each other or what is known."""
        for equation in equations:
            if equation.formula not in self.sizes:
                self.sizes[equation.formula] = equation.size
                self.pending.append(equation)
            elif self.sizes[equation.formula] != equation.size:
                return False
        before = -1
        while before != len(self.values):
            before = len(self.values)
            waiting, self.pending = self.pending, []
            if not all(self._settle(equation) for equation in waiting):
                return False
        return True

    def take_one(self, variants: Iterable[list[Equation] | None]) -> bool:
        """Take the equations of the one variant that agrees with what is known. False where none does; of several none is taken."""
        agreeing = [equations for equations in variants if equations is not None and all(map(self._agrees, equations))]
        return self.take(agreeing[0]) if len(agreeing) == 1 else bool(agreeing)

    def solution(self) -> Solution:
        """Return what was found."""
        settings = {name: value for name, value in self.values.items() if not name.startswith(OPEN)}
        together = {name.removeprefix(OPEN): value for name, value in self.values.items() if name.startswith(OPEN)}
        return Solution(settings, self.evidence, together | {str(equation.formula): equation.size for equation in self.pending})

    def _settle(self, equation: Equation) -> bool:
        unknown = _unknown(equation.formula, self.values)
        if len(unknown) > 1:
            self.pending.append(equation)
            return True
        if not unknown:
            return equation.formula.value(self.values) == equation.size
        found = equation.formula.solved(equation.size, self.values)
        if found is not None:
            self.values[unknown[0]] = found
            self.evidence[unknown[0]] = equation.evidence
        return found is not None

    def _agrees(self, equation: Equation) -> bool:
        known = not _unknown(equation.formula, self.values)
        return self.sizes.get(equation.formula, equation.size) == equation.size and (
            not known or equation.formula.value(self.values) == equation.size
        )


def _unknown(formula: Formula, values: Mapping[str, int]) -> list[str]:
    return [name for name in formula.settings if name not in values]
