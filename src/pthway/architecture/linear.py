"""Solves for whole-number moves of arguments, given how each one moves the sizes of a module. Exact, no floats."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

Size = TypeVar("Size")


@dataclass(frozen=True, slots=True)
class Equation:
    """The wish that moving the arguments changes one size by *residual*."""

    slopes: tuple[tuple[str, Fraction], ...]
    """How much the size changes for a step of 1 of each argument that moves it."""
    residual: int
    weight: int = 1
    """How many sizes say the same."""


def solve_moves(equations: Sequence[Equation], reluctant: Set[str]) -> dict[str, Fraction]:
    """Return the move of each argument that most *equations* agree on.

    Sizes that one argument alone moves settle it first, then those that this leaves with one open argument, and so
    on. Where only combinations remain, they are solved together; those in *reluctant* stay where they are if the
    others suffice.
    """
    settled: dict[str, Fraction] = {}
    while True:
        votes: dict[str, dict[Fraction, int]] = defaultdict(lambda: defaultdict(int))
        for equation in equations:
            unsettled = [(name, slope) for name, slope in equation.slopes if name not in settled]
            if len(unsettled) == 1:
                name, slope = unsettled[0]
                votes[name][_rest(equation, settled) / slope] += equation.weight
        if not votes:
            break
        best = max(votes, key=lambda name: max(votes[name].values()))
        settled[best] = max(votes[best], key=lambda move: (votes[best][move], move.denominator == 1))
    names = {name for equation in equations for name, _ in equation.slopes} - settled.keys()
    columns = sorted(names, key=lambda name: (name in reluctant, name))
    rows = [
        [Fraction(dict(equation.slopes).get(name, 0)) for name in columns] + [_rest(equation, settled)]
        for equation in sorted(equations, key=lambda equation: -equation.weight)
    ]
    pivots = _eliminate(rows, len(columns))
    return settled | {name: Fraction(0) for name in columns} | {columns[at]: row[-1] for at, row in pivots.items()}


def dependent(columns: Mapping[str, Mapping[Size, Fraction]]) -> frozenset[str]:
    """Return the arguments that can move together without any size moving: only a combination of them shows."""
    names = sorted(columns)
    rows = {tuple(columns[name].get(feature, Fraction(0)) for name in names) for feature in _union(columns.values())}
    pivots = _eliminate([[*row, Fraction(0)] for row in sorted(rows)], len(names))
    free = [at for at in range(len(names)) if at not in pivots]
    tied = {names[at] for at in free} | {names[at] for at, row in pivots.items() if any(row[other] for other in free)}
    return frozenset(tied)


def _rest(equation: Equation, settled: Mapping[str, Fraction]) -> Fraction:
    return equation.residual - sum((slope * settled[name] for name, slope in equation.slopes if name in settled), Fraction(0))


def _union(columns: Iterable[Mapping[Size, Fraction]]) -> set[Size]:
    return {feature for column in columns for feature in column}


def _eliminate(rows: Sequence[list[Fraction]], width: int) -> dict[int, list[Fraction]]:
    """Return the reduced rows by pivot column, leftmost first; a row that contradicts earlier ones is passed over."""
    pivots: dict[int, list[Fraction]] = {}
    for row in rows:
        for at, pivot in pivots.items():
            row = _minus(row, pivot, row[at])
        lead = next((at for at in range(width) if row[at]), None)
        if lead is None:
            continue
        row = [value / row[lead] for value in row]
        pivots = {at: _minus(pivot, row, pivot[lead]) for at, pivot in pivots.items()} | {lead: row}
    return pivots


def _minus(row: list[Fraction], other: list[Fraction], times: Fraction) -> list[Fraction]:
    return [a - times * b for a, b in zip(row, other, strict=True)] if times else row
