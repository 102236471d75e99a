"""Walks from a point that builds to the point whose names and shapes are those of the checkpoint."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from pthway.architecture.linear import Equation, solve_moves
from pthway.architecture.probe import Point, Prober, Trace, Variation
from pthway.architecture.slots import Number, Slot
from pthway.architecture.trace import CHILDREN, PRESENT, Feature, Features

MAX_STEPS: Final = 20
"""Linear constructors need one step, products two or three, squares about eight."""
PATIENCE: Final = 3
"""Steps in a row that may come no nearer."""
NEAR: Final = 0.004
"""How far off a factor may be that was solved from sizes which its constructor rounds."""
LARGEST_VALUE: Final = 1 << 20
"""A step beyond is a mistake: no argument of a network in our tests comes near."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The best point that a search met."""

    prober: Prober
    """Of the frame that the point belongs to."""
    point: Point
    trace: Trace
    shown: frozenset[Slot]
    """The slots that moved some size somewhere on the way."""
    foretold: Mapping[Slot, Variation] = field(default_factory=dict)
    """The variations of the last step, if every size moved exactly as they foretold: the constructor is linear from there to
    here, so that varying the same slots again, or looking for values that integer division hides, would show nothing new."""

    @property
    def fits(self) -> bool:
        """Whether every key and shape is that of the checkpoint."""
        return self.trace.difference.fits

    @property
    def arguments(self) -> dict[str, object]:
        """The arguments that were left out, as they are at the point."""
        return self.prober.arguments(self.point)


def search(prober: Prober, start: Point, fixed: Set[Slot] = frozenset()) -> Outcome | None:
    """Return the point nearest to the checkpoint on the way from *start*; None if *start* cannot be built.

    Each step varies every slot that may be wrong (those in *fixed* stay), solves for the moves that most sizes agree on,
    and builds there; depth goes before width, because with another depth the same key may name another layer.
    """
    wanted = prober.wanted
    point: Point = prober.expanded(start)
    best: Outcome | None = None
    visited: list[Point] = []
    variations: dict[Slot, Variation] = {}
    shown: frozenset[Slot] = frozenset()
    last: _Step | None = None
    since = 0
    while len(visited) < MAX_STEPS and since < PATIENCE:
        trace = prober.at(point)
        if trace is None or point in visited:
            break
        visited.append(point)
        since += 1
        if best is None or trace.difference.distance < best.trace.difference.distance:
            best, since = Outcome(prober, point, trace, shown, _foretold(last, point, trace)), 0
        if trace.difference.fits:
            break
        names = [name for name in point if name not in fixed]
        known = {name: each for name, each in variations.items() if name in point}
        concerned = _concerned(trace, wanted, known)
        concerned = [*concerned, *(name for name in names if name not in known)] if concerned else names
        kept = _still_true(last, point, trace)
        for still in (kept, frozenset[Slot]()):
            variations = known | {name: prober.vary(point, name) for name in concerned if name not in still}
            moving = {name: variations[name] for name in concerned}
            moves = _moves(trace.features, wanted, moving, prober.defaults.keys())
            if any(moves.values()) or not kept:
                break
        shown |= {name for name in concerned if variations[name].slopes}
        if not any(moves.values()):
            break
        last = (point, trace, moving)
        landed = prober.expanded(_land(prober, point, moves, variations))
        otherwise = _one_by_one(trace.features, wanted, moving)
        if otherwise != {name: move for name, move in moves.items() if move} and not _of_depth(trace.features, wanted):
            landed = _nearer(prober, landed, prober.expanded(_land(prober, point, otherwise, variations)))
        point = landed
    return best


_Step = tuple[Point, Trace, Mapping[Slot, Variation]]
"""Where a step began, and what was known there."""


def _foretold(last: _Step | None, point: Point, trace: Trace) -> Mapping[Slot, Variation]:
    """Return the variations of the *last* step if they are whole-number slopes by single steps and foretell every size here."""
    if last is None:
        return {}
    before, _, variations = last
    told = {name: each for name, each in variations.items() if each.slopes and each.step == 1}
    if point.keys() != before.keys() or any(point[name] != before[name] and name not in told for name in point):
        return {}
    return told if _expected(last, point) == trace.features else {}


def _still_true(last: _Step | None, point: Point, trace: Trace) -> frozenset[Slot]:
    """Return the slots whose variations foretold the sizes that they move, so that varying them again would show the same."""
    if last is None or point.keys() != last[0].keys():
        return frozenset()
    expected = _expected(last, point)
    return frozenset(
        name for name, each in last[2].items() if all(expected.get(feature, 0) == trace.features.get(feature, 0) for feature in each.slopes)
    )


def _expected(last: _Step, point: Point) -> dict[Feature, Fraction]:
    before, then, variations = last
    expected: dict[Feature, Fraction] = {feature: Fraction(size) for feature, size in then.features.items()}
    for name, each in variations.items():
        move = Fraction(point[name]) - Fraction(before[name])
        for feature, slope in each.slopes.items() if move else ():
            expected[feature] = expected.get(feature, Fraction(0)) + slope * move
    return expected


def _concerned(trace: Trace, wanted: Features, variations: Mapping[str, Variation]) -> list[str]:
    """Return the arguments that moved a wrong size when last varied, or one that those move too; none if keys differ."""
    if trace.difference.missing or trace.difference.unexpected:
        return []
    wrong = {feature for feature, size in trace.features.items() if wanted.get(feature) != size}
    wrong |= {feature for each in variations.values() if not wrong.isdisjoint(each.slopes) for feature in each.slopes}
    return [name for name, variation in variations.items() if not wrong.isdisjoint(variation.slopes)]


def _moves(present: Features, wanted: Features, variations: Mapping[str, Variation], reluctant: Iterable[str]) -> dict[str, Fraction]:
    equations: Counter[tuple[bool, tuple[tuple[str, Fraction], ...], int]] = Counter()
    for feature in dict.fromkeys(feature for variation in variations.values() for feature in variation.slopes):
        residual = _residual(feature, present, wanted)
        if residual is not None:
            slopes = tuple((name, each.slopes[feature]) for name, each in variations.items() if feature in each.slopes)
            equations[feature[1] == CHILDREN, slopes, residual] += 1
    depth = [(slopes, residual, count) for (of_depth, slopes, residual), count in equations.items() if of_depth]
    width = [(slopes, residual, count) for (of_depth, slopes, residual), count in equations.items() if not of_depth]
    chosen = depth if any(residual for _, residual, _ in depth) else [*depth, *width]
    return solve_moves([Equation(*each) for each in chosen], frozenset(reluctant))


def _one_by_one(present: Features, wanted: Features, variations: Mapping[Slot, Variation]) -> dict[Slot, Fraction]:
    """Return moves of which each puts right what the earlier ones leave wrong, the one that accounts for most sizes first.

    Where two slots act on the same sizes and not linearly (a factor of all widths, and what they are rounded to), the equations
    of both together mislead, and this is nearer.
    """
    wrong = {feature: residual for feature in present if (residual := _residual(feature, present, wanted))}
    moves: dict[Slot, Fraction] = {}
    while wrong:
        votes = Counter(
            (name, residual / each.slopes[feature])
            for name, each in variations.items()
            for feature, residual in wrong.items()
            if name not in moves and feature in each.slopes
        )
        if not votes:
            break
        (name, move), _ = votes.most_common(1)[0]
        moves[name] = move
        wrong = {feature: residual for feature, residual in wrong.items() if feature not in variations[name].slopes}
    return moves


def _of_depth(present: Features, wanted: Features) -> bool:
    return any(feature[1] == CHILDREN and _residual(feature, present, wanted) for feature in present)


def _nearer(prober: Prober, one: Point, other: Point) -> dict[Slot, Number]:
    traces = [(trace.difference.distance, at, point) for at, point in enumerate((one, other)) if (trace := prober.at(point)) is not None]
    return dict(min(traces, key=lambda each: each[:2])[2]) if traces else dict(one)


def _residual(feature: Feature, present: Features, wanted: Features) -> int | None:
    if feature[1] == PRESENT or feature not in present or feature not in wanted:
        return None
    return wanted[feature] - present[feature]


def _land(prober: Prober, point: Point, moves: Mapping[str, Fraction], variations: Mapping[Slot, Variation]) -> dict[Slot, Number]:
    """Return the point after *moves*, or where the constructor refuses it, the nearest one that it takes.

    What forbids it may be an argument without a trace (heads, groups), and 1 divides everything; or a value that has to be a
    multiple of a step, or of another argument (the size of an image and of its patches).
    """
    exact, *others = _targets(prober, point, moves, variations)
    silent = dict.fromkeys((name for name, each in variations.items() if not each.slopes and _may_be_one(point, name)), 1)
    relaxed = [exact | {name: 1} for name in silent] if len(silent) > 1 else []
    for targets in (exact, *relaxed, exact | silent, *others, *(other | silent for other in others)):
        landing = {**point, **targets}
        if landing != point and prober.at(landing) is not None:
            return landing
    landing = dict(point)
    for targets in (exact, *others):
        for name, value in targets.items():
            if prober.at({**landing, name: value}) is not None:
                landing[name] = value
    return landing


def _may_be_one(point: Point, name: Slot) -> bool:
    return type(point.get(name)) is int and not name.startswith("len(")


def _targets(
    prober: Prober, point: Point, moves: Mapping[Slot, Fraction], variations: Mapping[Slot, Variation]
) -> Iterator[dict[Slot, Number]]:
    """Yield the values to land on: as solved, as multiples of another argument, in steps that are known to build."""
    factors: dict[Slot, Number] = {name: plain(point[name] + float(moves[name])) for name in moves if isinstance(point[name], float)}
    here = {name: int(point[name]) for name in moves if name not in factors}
    tiny = not any(round(moves[name]) for name in here)
    exact = {name: _within(prober, name, value + _whole(moves[name], tiny=tiny)) for name, value in here.items()}
    yield exact | factors
    # What was solved to a whole number, and what is small, is more likely the divisor than the multiple.
    for name in sorted((name for name in here if moves[name]), key=lambda name: (moves[name].denominator == 1, -exact[name])):
        for unit in sorted({value for other, value in exact.items() if other != name and value > 1}):
            yield {**exact, **factors, name: _on_grid(here[name], moves[name], unit, 0)}
    grid = {name: _on_grid(value, moves[name], abs(int(variations[name].step)), value) for name, value in here.items()}
    yield {name: _within(prober, name, value) for name, value in grid.items()} | factors


def _whole(move: Fraction, *, tiny: bool) -> int:
    return (1 if move > 0 else -1) if tiny and move else round(move)


def rounded(value: float) -> list[float]:
    """Return *value* rounded to halves, quarters, tenths and so on, plainest first: what a person would have written."""
    return [round(value * denominator) / denominator for denominator in (1, 2, 4, 10, 8, 20, 100)]


def plain(value: float) -> float:
    """Return the plainest number near *value*, as far as the rounding of a constructor lets it be seen."""
    return next((each for each in rounded(value) if abs(each - value) <= NEAR * max(1.0, abs(value))), round(value, 4))


def _on_grid(here: int, move: Fraction, unit: int, origin: int) -> int:
    """Return the multiple of *unit* from *origin* nearest to the move's end; a move never ends where it began."""
    value = origin + unit * round((here + move - origin) / unit)
    if move and value == here:
        value += unit if move > 0 else -unit
    return max(value, unit) if not origin else value


def _within(prober: Prober, name: str, value: int) -> int:
    """Return *value* within reason; 0 is one only where it is meant, not where a step goes too far."""
    low = min(1, int(prober.defaults.get(name, 0 if name.startswith("len(") else 1)))
    return max(low, min(value, LARGEST_VALUE)) if value else 0
