"""Builds an architecture at chosen points, within bounds, and sees what each whole number among its arguments moves."""

import math
import warnings
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations, cycle
from typing import Final

from pthway.architecture.budget import Budget
from pthway.architecture.build import Bound, build, shapes, trial
from pthway.architecture.constructor import NEVER_TRIED
from pthway.architecture.difference import Difference, Shape, Shaped, compare
from pthway.architecture.match import Architecture
from pthway.architecture.slots import Number, Slot, frozen, length_of, numbers, replaced, root, same
from pthway.architecture.trace import Feature, Features, features, moved

LEAST_TENSORS: Final = 500
"""Tensors that a trial may always have: a number that turns out to be a depth starts from a small one."""
LEAST_BOUND: Final = 1 << 26
"""Numbers that one tensor of a trial may always have: buffers that no file holds, such as an attention mask, stay below."""
PRIMES: Final = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
"""Small, because one of them may turn out to be a depth."""
LARGEST_DEFAULT: Final = 64
"""Defaults up to this size may have to divide something (heads, groups): their common multiple makes a base point."""
SILENT_BUILDS: Final = 2
"""An argument that two other values do not make visible leaves no trace."""

Point = Mapping[Slot, Number]


@dataclass(frozen=True, slots=True)
class Trace:
    """What one build left, beside the checkpoint."""

    shapes: Mapping[str, Shape]
    features: Features
    difference: Difference


@dataclass(frozen=True, slots=True)
class Variation:
    """What happens to the sizes when one argument changes."""

    slopes: Mapping[Feature, Fraction]
    """Empty if nothing moves."""
    step: Number
    """The step that showed; constructors that demand divisibility may take only multiples of it."""
    silent: tuple[Number, ...]
    """Values that build the same sizes."""
    refused: tuple[Number, ...]
    """Values that the constructor does not take."""


@dataclass(slots=True)
class Prober:
    """Builds points of one architecture within one frame, each once, and counts."""

    architecture: Architecture
    given: Mapping[str, object]
    author: Mapping[str, object]
    """The author's defaults; an argument equal to one is not passed."""
    found: Mapping[str, Shaped]
    wanted: Features
    frame: Mapping[str, object]
    """The arguments that were left out, each with a value; a point replaces the whole numbers in them."""
    defaults: Point
    """The usual whole numbers: the author's, or those that the file stores."""
    tied: tuple[Slot, ...] = ()
    """Lists whose lengths change together: the first stands for all."""
    budget: Budget = field(default_factory=Budget)
    traces: dict[Hashable, Trace | None] = field(default_factory=dict)

    def within(self, frame: Mapping[str, object], tied: tuple[Slot, ...] = ()) -> "Prober":
        """Return a prober of another frame, with the same budget and memory."""
        return replace(self, frame=frame, tied=tied)

    def arguments(self, point: Point) -> dict[str, object]:
        """Return the arguments that *point* stands for, without those that the caller gave."""
        together = [length_of(slot) for slot in self.tied]
        length = {slot: point[together[0]] for slot in together if together[0] in point}
        return replaced(self.frame, {**point, **length})

    def expanded(self, point: Point) -> dict[Slot, Number]:
        """Return *point* with the slots that lists of these lengths have."""
        followers = {length_of(slot) for slot in self.tied[1:]}
        return {
            slot: value for slot, value in numbers(self.arguments(point)).items() if slot not in followers and root(slot) not in NEVER_TRIED
        }

    def at(self, point: Point) -> Trace | None:
        """Return what the module at *point* leaves, or None if it cannot be built within the bounds."""
        try:
            arguments = self.passed(point)
        except Exception as cause:  # noqa: BLE001 - a dataclass of the user's may refuse a probe with any exception
            self.budget.refusal = f"{type(cause).__name__}: {cause}"
            return None
        key = frozen(arguments)
        if key not in self.traces:
            if self.budget.spent:
                self.budget.refusal = str(self.budget)
                return None
            self.traces[key] = self._build(arguments)
        return self.traces[key]

    def passed(self, point: Point) -> dict[str, object]:
        """Return the arguments of *point* that are no defaults of the author's."""
        return {
            name: value for name, value in self.arguments(point).items() if name not in self.author or not same(value, self.author[name])
        }

    def _build(self, arguments: Mapping[str, object]) -> Trace | None:
        self.budget.builds += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                built = self._shapes(arguments)
        except Exception as cause:  # noqa: BLE001 - a constructor may refuse a probe with any exception
            self.budget.refusal = f"{type(cause).__name__}: {cause}"
            return None
        return Trace(built, features(built), compare(built, self.found))

    def _shapes(self, arguments: Mapping[str, object]) -> dict[str, Shape]:
        # The author's own choice may be deeper than the checkpoint, and counts if it builds at all; a probe is bounded.
        if not arguments:
            return shapes(build(self.architecture, self.given).module)
        numbers = sum(math.prod(tensor.shape) for tensor in self.found.values())
        bound = Bound(3 * len(self.found) + LEAST_TENSORS, 4 * numbers + LEAST_BOUND)
        return trial(self.architecture, {**self.given, **arguments}, bound)

    def vary(self, point: Point, name: str) -> Variation:
        """Return what changes when *name* alone leaves its value at *point*, by the smallest step that shows."""
        here = self.at(point)
        silent: list[Number] = []
        refused: list[Number] = []
        for value in _others(point[name], self._neighbours(point, name)):
            there = self.at({**point, name: value})
            if here is None or there is None:
                refused.append(value)
            elif moves := moved(here.features, there.features):
                step, moves = self._smallest(point, name, value - point[name], moves)
                slopes = {feature: move / Fraction(step) for feature, move in moves.items()}
                return Variation(slopes, step, tuple(silent), tuple(refused))
            else:
                silent.append(value)
                if len(silent) == SILENT_BUILDS:
                    break
        return Variation({}, 1, tuple(silent), tuple(refused))

    def _neighbours(self, point: Point, name: str) -> list[int]:
        return sorted({value for other, value in (*self.given.items(), *point.items()) if other != name and type(value) is int})

    def _smallest(self, point: Point, name: str, step: Number, moves: dict[Feature, int]) -> tuple[Number, dict[Feature, int]]:
        """Look for a smaller step that shows, where integer division or a divisor hides the smallest ones."""
        here, shorter = self.at(point), 2
        while here is not None and type(step) is int and shorter < step:
            there = self.at({**point, name: point[name] + shorter})
            if there is not None and (closer := moved(here.features, there.features)):
                return shorter, closer
            shorter *= 2
        return step, moves


def _others(value: Number, neighbours: Collection[int]) -> list[Number]:
    """Return other values to try: the next ones, those that keep a divisor or a multiple among *neighbours*, and others.

    One is enough of a factor, which shows at once if it is one.
    """
    if isinstance(value, float):
        return [value / 2 if value else 0.5]
    multiples = [value + each for each in neighbours if 1 < each < value and value % each == 0]
    divided = [each for each in neighbours if value and each > value and each % value == 0]
    divisors = [1, *divided] if divided else []
    candidates = (value + 1, *multiples, 2 * value, value // 2, *divisors, value + 2, value - 1, value + 4, value + 8, 3 * value)
    return [other for other in dict.fromkeys(candidates) if other != value and other >= min(value, 0)]


def base_points(required: Sequence[str], others: Point, found: Mapping[str, Shaped]) -> Iterator[dict[str, int]]:
    """Yield values for the *required* integers to start from, plainest first.

    Distinct primes; then values that suit constructors which demand that one argument divides another: all the same,
    a common multiple of the *others* (given or default), the checkpoint's own sizes, powers of two in both orders.
    """
    yield dict(zip(required, cycle(PRIMES), strict=False))
    sizes = Counter(size for tensor in found.values() for size in tensor.shape if size > 1)
    multiple = math.lcm(*(value for value in others.values() if type(value) is int and 1 < value <= LARGEST_DEFAULT))
    for value in dict.fromkeys((8, 2, 1, multiple, 64, *(size for size, _ in sizes.most_common(3)))):
        yield dict.fromkeys(required, value)
    powers = [2 ** (len(required) - place) for place in range(len(required))]
    yield dict(zip(required, powers, strict=True))
    yield dict(zip(required, reversed(powers), strict=True))
    # A probability, or an index below one of the others, among the arguments without annotation.
    for count in (1, 2):
        for small in combinations(required, count):
            yield {**dict.fromkeys(required, 8), **dict.fromkeys(small, 1)}
