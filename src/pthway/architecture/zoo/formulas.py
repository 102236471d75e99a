"""Sizes as formulas in the settings of a network: ``3*hidden_size``, ``num_heads*head_dim``, ``image_size^2*patch_size^-2+1``.

Exact throughout: a formula is a sum of products of settings with a rational coefficient, and a whole number. A size that follows several
settings in no such way is *open*, written ``?hidden_size&head_dim``: it is one number wherever it stands.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from math import gcd, isqrt
from typing import Final, NamedTuple

OPEN: Final = "?"
_FACTOR: Final = re.compile(r"([A-Za-z_][\w.]*)(?:\^(-?\d+))?")
_COEFFICIENT: Final = re.compile(r"(-?\d+)(?:/(\d+))?")
_LARGEST: Final = 1 << 62
"""Sizes of tensors end below; what a file shows is not multiplied past it."""


class Term(NamedTuple):
    """A product: ``above / below`` times settings, each to a power."""

    above: int
    below: int
    powers: tuple[tuple[str, int], ...]


class Formula(NamedTuple):
    """A sum of terms and a whole number; or one open size."""

    terms: tuple[Term, ...]
    constant: int
    open: str | None = None

    def __str__(self) -> str:
        if self.open is not None:
            return OPEN + self.open
        parts = [_text(term) for term in self.terms] + [str(self.constant)] * (self.constant != 0 or not self.terms)
        return "+".join(parts)

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that it depends on; for an open size its own name."""
        if self.open is not None:
            return (OPEN + self.open,)
        return tuple(name for term in self.terms for name, _ in term.powers)

    def value(self, values: Mapping[str, int]) -> int | None:
        """Return the size for these settings, which must all be there; None where it is no whole number."""
        if self.open is not None:
            return values[OPEN + self.open]
        total_above, total_below = self.constant, 1
        for term in self.terms:
            above, below = _product(term, values)
            if below == 0:
                return None
            total_above, total_below = total_above * below + above * total_below, total_below * below
        size, rest = divmod(total_above, total_below)
        return None if rest else size

    def solved(self, size: int, values: Mapping[str, int]) -> int | None:
        """Return the value of the one setting that *values* lacks, with which the formula is *size*; None if there is none.

        Only whole numbers of at least 1 are found.
        """
        if self.open is not None:
            return size
        (wanted,) = [term for term in self.terms if any(name not in values for name, _ in term.powers)]
        (power,) = [exponent for name, exponent in wanted.powers if name not in values]
        left = Formula(tuple(term for term in self.terms if term is not wanted), self.constant).value(values)
        above, below = _product(wanted, values)
        if left is None or above == 0 or size <= left:
            return None
        top, bottom = (size - left) * below, above
        return _root(top, bottom, power) if power > 0 else _root(bottom, top, -power)


@cache
def parsed(text: str) -> Formula:
    """Return the formula that *text* stands for; the inverse of ``str``."""
    if text.startswith(OPEN):
        return Formula((), 0, text[1:])
    terms, constant = [], 0
    for part in re.split(r"(?<!\^)\+", text):
        if re.fullmatch(r"-?\d+", part):
            constant += int(part)
        else:
            terms.append(_term(part))
    return Formula(tuple(terms), constant)


def _term(text: str) -> Term:
    factors = text.split("*")
    coefficient = _COEFFICIENT.fullmatch(factors[0])
    above, below = (int(coefficient[1]), int(coefficient[2] or 1)) if coefficient else (1, 1)
    return Term(above, below, tuple(_powers(factors[1:] if coefficient else factors)))


def _powers(factors: list[str]) -> Iterator[tuple[str, int]]:
    for factor in factors:
        found = _FACTOR.fullmatch(factor)
        if found is None:
            raise ValueError(f"{factor!r} is no factor of a formula")
        yield found[1], int(found[2] or 1)


def _text(term: Term) -> str:
    ratio = f"{term.above}/{term.below}" if term.below != 1 else str(term.above)
    powers = [name if exponent == 1 else f"{name}^{exponent}" for name, exponent in term.powers]
    return "*".join([ratio] * (ratio != "1") + powers)


def _product(term: Term, values: Mapping[str, int]) -> tuple[int, int]:
    """Return numerator and denominator of a term over the settings that are known; 0, 0 where it grows out of bounds."""
    above, below = term.above, term.below
    for name, exponent in term.powers:
        if name in values:
            power = values[name] ** abs(exponent)
            above, below = (above * power, below) if exponent > 0 else (above, below * power)
    return (above, below) if above < _LARGEST and below < _LARGEST else (0, 0)


def _root(above: int, below: int, power: int) -> int | None:
    if below == 0 or above % below:
        return None
    whole = above // below
    if power == 1:
        return whole
    found = isqrt(whole) if power == 2 else round(whole ** (1 / power))  # noqa: PLR2004 - squares are by far the most
    return found if found**power == whole else None


def reduced(above: int, below: int) -> tuple[int, int]:
    """Return a ratio in its lowest terms, the denominator positive."""
    divisor = gcd(above, below) * (1 if below > 0 else -1)
    return above // divisor, below // divisor
