"""Two bundles or runtimes on the same samples: where they differ, and whether chance explains who is better."""

from fractions import Fraction
from math import comb, exp, lgamma, log
from typing import Final

from msgspec import Struct

EXACT: Final = 1000
"""Up to so many disagreements the sum is made of whole numbers; beyond, of logarithms."""


class Comparison(Struct, frozen=True):
    """The same samples, answered twice."""

    samples: int
    differing: int
    """Samples with another class, or another value."""
    only_first: int
    """Samples of which the first alone is right, or is closer."""
    only_second: int
    p: float
    """McNemar's exact test (for values the sign test): how probable so uneven a split is if neither is better."""
    largest_difference: float | None = None
    """Of two values; None for classes."""


def exact_p(first: int, second: int) -> float:
    """The probability, both sides taken together, that of *first* + *second* fair coins so few or fewer fall on the rarer side."""
    total, fewer = first + second, min(first, second)
    if total <= EXACT:
        return min(1.0, float(Fraction(2 * sum(comb(total, count) for count in range(fewer + 1)), 1 << total)))
    terms = [lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1) - total * log(2) for count in range(fewer + 1)]
    largest = max(terms)
    return min(1.0, 2 * exp(largest) * sum(exp(term - largest) for term in terms))
