"""Finds other arguments with which the same weights fit exactly, so that none is chosen by chance."""

from collections.abc import Iterator, Mapping, Set
from typing import Final

from pthway.architecture.linear import dependent
from pthway.architecture.probe import Point, Prober, Variation
from pthway.architecture.search import search
from pthway.architecture.trace import Features

NEIGHBOURS: Final = 8
"""How far integer division may hide a value, each way, before the list of readings ends with it."""


def entangled(variations: Mapping[str, Variation]) -> Set[str]:
    """Return the arguments of which the weights show only a combination, such as a product."""
    return dependent({name: each.slopes for name, each in variations.items() if each.slopes})


def displaced(point: Point, defaults: Point) -> int:
    """Return how many arguments a reading moves away from the author's defaults."""
    return sum(point[name] != value for name, value in defaults.items() if name in point)


def readings(
    prober: Prober, point: Point, variations: Mapping[str, Variation], wanted: Features, *, linear: Set[str] = frozenset()
) -> list[Point]:
    """Return further points that fit exactly: values that integer division hides, and other factors of a product.

    *linear* are arguments that are known to hide none.
    """
    divided = {name: each for name, each in variations.items() if name not in linear}
    found = [*_hidden(prober, point, divided), *_recombined(prober, point, variations, wanted)]
    unique = {frozenset(other.items()): other for other in found}
    unique.pop(frozenset(point.items()), None)
    return list(unique.values())


def _hidden(prober: Prober, point: Point, variations: Mapping[str, Variation]) -> Iterator[Point]:
    for name in (name for name, variation in variations.items() if variation.slopes):
        for direction in (1, -1):
            for step in range(1, NEIGHBOURS + 1):
                other = {**point, name: point[name] + direction * step}
                # Nobody means 0 where 1 builds the same.
                if other[name] < 1 or not _fits(prober, other):
                    break
                yield other


def _recombined(prober: Prober, point: Point, variations: Mapping[str, Variation], wanted: Features) -> Iterator[Point]:
    together = entangled(variations)
    for name in sorted(together):
        rest = [other for other in point if other in together and other != name]
        value = point[name]
        for other in dict.fromkeys((prober.defaults.get(name, value), 2 * value, value // 2, value + 1, value - 1, 1)):
            if other == value or other < 1:
                continue
            outcome = search(prober, {**point, name: other}, rest, wanted)
            if outcome is not None and outcome.fits:
                yield outcome.point


def _fits(prober: Prober, point: Point) -> bool:
    trace = prober.at(point)
    return trace is not None and trace.difference.fits
