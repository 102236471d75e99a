"""Finds other arguments with which the same weights fit exactly, so that none is chosen by chance."""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from fractions import Fraction
from typing import Final

from pthway.architecture.assign import changes_of
from pthway.architecture.linear import dependent
from pthway.architecture.probe import Point, Prober, Variation
from pthway.architecture.problem import Problem
from pthway.architecture.search import Outcome, search
from pthway.architecture.slots import Slot, frozen, replaced, same, walk

_NUMBER: Final = re.compile(r"\d+")
NEIGHBOURS: Final = 8
"""How far integer division may hide a value, each way, before the list of readings ends with it."""


def entangled(variations: Mapping[Slot, Variation]) -> Set[Slot]:
    """Return the slots of which the weights show only a combination, such as a product."""
    return dependent({name: each.slopes for name, each in variations.items() if each.slopes})


def sharp(outcome: Outcome, variations: Mapping[Slot, Variation]) -> Set[Slot]:
    """Return the slots that some size is a whole multiple of, here and a step further: no other value builds that size."""
    sizes = outcome.trace.features
    return {
        name
        for name, each in variations.items()
        if each.step == 1
        and any(slope.denominator == 1 and sizes.get(at) == slope * Fraction(outcome.point[name]) for at, slope in each.slopes.items())
    } - entangled(variations)


def displaced(problem: Problem, arguments: Mapping[str, object]) -> int:
    """Return how many slots a reading moves away from their usual values."""
    here = dict(walk(arguments))
    return sum(not (slot in here and same(here[slot], value)) for slot, value in problem.usual().items())


def readings(problem: Problem, outcome: Outcome, variations: Mapping[Slot, Variation]) -> list[Outcome]:
    """Return further points that fit exactly: values that integer division hides, other factors of a product, other choices."""
    known = outcome.foretold.keys() | sharp(outcome, variations)
    divided = {name: each for name, each in variations.items() if name not in known}
    prober, point = outcome.prober, outcome.point
    found = [*_hidden(prober, point, divided), *_recombined(prober, point, variations)]
    others = [Outcome(prober, other, trace, outcome.shown) for other in found if (trace := prober.at(other)) is not None]
    others += _otherwise(problem, outcome)
    unique = {frozen(other.arguments): other for other in others}
    unique.pop(frozen(outcome.arguments), None)
    return list(unique.values())


def _hidden(prober: Prober, point: Point, variations: Mapping[Slot, Variation]) -> Iterator[Point]:
    for name, variation in variations.items():
        value = point[name]
        if not variation.slopes or not isinstance(value, int) or name.startswith("len("):
            continue
        for direction in (1, -1):
            for step in range(1, NEIGHBOURS + 1):
                other = {**point, name: value + direction * step}
                # Nobody means 0 where 1 builds the same.
                if other[name] < 1 or not _fits(prober, other):
                    break
                yield other
        # A divisor that is multiplied again shows only where it does not divide.
        for factor in {value * 2, value // 2, 1} - {value, 0}:
            if _fits(prober, {**point, name: factor}):
                yield {**point, name: factor}


def _recombined(prober: Prober, point: Point, variations: Mapping[Slot, Variation]) -> Iterator[Point]:
    together = entangled(variations)
    for name in sorted(together):
        rest = frozenset(other for other in point if other not in together or other == name)
        value = point[name]
        beside = (value // 2, value + 1, value - 1, 1) if type(value) is int else (value / 2,)
        for other in dict.fromkeys((prober.defaults.get(name, value), 2 * value, *beside)):
            if other == value or (type(other) is int and other < 1):
                continue
            outcome = search(prober, {**point, name: other}, rest)
            if outcome is not None and outcome.fits:
                yield outcome.point


def _otherwise(problem: Problem, outcome: Outcome) -> Iterator[Outcome]:
    """Yield what other choices come to where they keep every name but its counts, and other numbers make up for the rest."""
    wanted, here = _patterns(outcome.trace.shapes), dict(walk(outcome.arguments))
    # Beside a usual value other ones that fit are no readings: nothing speaks for them.
    displaced_slots = {slot for slot, value in problem.usual().items() if slot in here and not same(here[slot], value)}
    for slot, choice in changes_of(problem, outcome):
        if isinstance(choice, list | tuple):
            continue  # several numbers of the same meaning as one, or an element for nothing
        prober = outcome.prober.within(replaced(outcome.arguments, {slot: choice}))
        trace = prober.at({})
        if trace is None or _patterns(trace.shapes) != wanted:
            continue
        if trace.difference.fits:
            if slot in displaced_slots:
                yield Outcome(prober, prober.expanded({}), trace, outcome.shown)
            continue
        found = search(prober, {})
        if found is not None and found.fits:
            yield found


def _patterns(names: Iterable[str]) -> Set[str]:
    return {_NUMBER.sub("*", name) for name in names}


def _fits(prober: Prober, point: Point) -> bool:
    trace = prober.at(point)
    return trace is not None and trace.difference.fits
