"""Finds the formulas of sizes: networks are built with one setting changed at a time, and what follows which is read off."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from pthway.architecture.zoo.formulas import Formula, Term, reduced

CONSTANTS: Final = (0, 1, 2, 3, -1, -2)
"""Whole numbers that stand beside a product: the positions of class tokens, offsets of embeddings."""
POWERS: Final = (1, 2, -1, -2)


class Observed(NamedTuple):
    """One size in all builds."""

    base: int
    single: Mapping[str, int]
    """With one setting changed: those in which it is another size."""
    checks: tuple[int, ...]
    """With many settings changed at once."""


def formula(observed: Observed, base: Mapping[str, int], singles: Mapping[str, int], checks: Sequence[Mapping[str, int]]) -> Formula:
    """Return the formula of a size.

    *base* is the settings of the first build, *singles* the value that each was changed to, *checks* the settings of further builds, all
    of which a formula has to explain.
    """
    if not observed.single and all(size == observed.base for size in observed.checks):
        return Formula((), observed.base)
    pairs = set(combinations(sorted(observed.single), 2))
    for found in _candidates(observed, base, singles):
        told = [(found.value(settings), size, settings) for settings, size in zip(checks, observed.checks, strict=True)]
        # A ratio that is no whole number tells nothing: classes round it in ways of their own.
        whole = [(value, size, settings) for value, size, settings in told if value is not None]
        # Settings that are derived from each other look like a product until both are changed at once.
        together = {pair for pair in pairs for _, _, settings in whole if all(settings[name] != base[name] for name in pair)}
        if all(value == size for value, size, _ in whole) and together == pairs:
            return found
    return Formula((), 0, "&".join(sorted(observed.single)))


def _candidates(observed: Observed, base: Mapping[str, int], singles: Mapping[str, int]) -> Iterator[Formula]:
    names = sorted(observed.single)
    for constant in CONSTANTS:
        found = _product(observed, constant, base, singles)
        if found is not None:
            yield found
    terms, constant = [], observed.base
    for name in names:
        above, below = reduced(observed.single[name] - observed.base, singles[name] - base[name])
        terms.append(Term(above, below, ((name, 1),)))
        if above * base[name] % below:
            return
        constant -= above * base[name] // below
    yield Formula(tuple(terms), constant)


def _product(observed: Observed, constant: int, base: Mapping[str, int], singles: Mapping[str, int]) -> Formula | None:
    """Return a product plus *constant* that explains every single change."""
    powers = []
    for name, size in observed.single.items():
        moves = (size - constant, observed.base - constant, singles[name], base[name])
        exponent = next((each for each in POWERS if _is_power(*moves, each)), None)
        if exponent is None:
            return None
        powers.append((name, exponent))
    above, below = observed.base - constant, 1
    for name, exponent in powers:
        above, below = (above, below * base[name] ** exponent) if exponent > 0 else (above * base[name] ** -exponent, below)
    above, below = reduced(above, below)
    plausible = above > 0 and (below == 1 or len(powers) == 1)  # a part of a product of settings: they are derived from each other
    return Formula((Term(above, below, tuple(sorted(powers))),), constant) if plausible else None


def _is_power(size: int, before: int, value: int, default: int, exponent: int) -> bool:
    if exponent > 0:
        return size * default**exponent == before * value**exponent
    return size * value**-exponent == before * default**-exponent
