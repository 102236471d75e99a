"""Searches over everything that is no whole number, nearest first: flags, choices, what may be absent, which lists there are."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

from pthway.architecture.probe import Point, Prober, Trace
from pthway.architecture.problem import Problem, alike
from pthway.architecture.search import Outcome, search
from pthway.architecture.slots import Slot, frozen, numbers, replaced, root, walk

BEGINNINGS: Final = 250
"""Points that are tried until one builds; most are refused at once."""
STARTS: Final = 3
"""From how many points a search sets out at most."""
PAIRS: Final = 150
"""Moves of two slots at once that are tried from one place."""

Distance = tuple[int, int, int]
Change = Mapping[Slot, object]


@dataclass(order=True, slots=True)
class _Entry:
    """A place to go on from: a point that waits for its search, or the outcome of one, whose neighbours come next."""

    distance: Distance
    number: int
    prober: Prober = field(compare=False)
    point: Point = field(compare=False)
    outcome: Outcome | None = field(compare=False, default=None)
    pairs: bool = field(compare=False, default=False)


@dataclass(slots=True)
class _Search:
    """The places that wait, nearest first, and those that were met."""

    problem: Problem
    waiting: list[_Entry] = field(default_factory=list)
    met: set[object] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    def add(self, prober: Prober, point: Point, trace: Trace) -> None:
        """Put a point that builds in line. Widths can be solved, so only the names count as its distance."""
        mark = (frozen(prober.arguments(point)), prober.tied)
        if mark not in self.met:
            self.met.add(mark)
            distance = len(trace.difference.missing) + len(trace.difference.unexpected)
            heapq.heappush(self.waiting, _Entry((distance, 0, 0), next(self.numbers), prober, point))

    def put_back(self, outcome: Outcome, *, pairs: bool = False) -> None:
        """Put the outcome of a search in line, to go on to its neighbours."""
        keys, sizes, amount = outcome.trace.difference.distance
        entry = _Entry((keys + pairs, sizes, amount), next(self.numbers), outcome.prober, outcome.point, outcome, pairs)
        heapq.heappush(self.waiting, entry)

    def go_on(self, entry: _Entry) -> Outcome | None:
        """Return the outcome of a point that waited; of an outcome, put the neighbours in line and return nothing."""
        if entry.outcome is None:
            outcome = search(entry.prober, entry.point)
            if outcome is not None and not outcome.fits:
                self.add(outcome.prober, outcome.point, outcome.trace)  # a search that strayed sets out again from its best point
                self.put_back(outcome)
            return outcome
        if entry.pairs:
            self.by_factors(entry.outcome)
            self.two_at_once(entry.outcome)
        else:
            self.one_at_a_time(entry.outcome)
            self.put_back(entry.outcome, pairs=True)
        return None

    def one_at_a_time(self, outcome: Outcome) -> None:
        """Put in line what changes some name or size; the lists that were tied may also be untied."""
        for slot, value in changes_of(self.problem, outcome):
            for prober, point in _applied(outcome, {slot: value}):
                trace = prober.at(point)
                if trace is not None and trace.features != outcome.trace.features:
                    self.add(prober, point, trace)
        together = () if outcome.prober.tied else alike(outcome.arguments)
        if together or outcome.prober.tied:
            prober = outcome.prober.within(outcome.arguments, together)
            self.add(prober, prober.expanded(outcome.point), outcome.trace)

    def by_factors(self, outcome: Outcome) -> None:
        """Put in line what comes nearer with twice or half of a whole number: slopes lead astray where it divides."""
        for slot, value in outcome.point.items():
            if isinstance(value, int) and not slot.startswith("len("):
                for other in sorted({value * 2, value // 2} - {0}):
                    point = {**outcome.point, slot: other}
                    trace = outcome.prober.at(point)
                    if trace is not None and trace.difference.distance < outcome.trace.difference.distance:
                        self.add(outcome.prober, point, trace)

    def two_at_once(self, outcome: Outcome) -> None:
        """Put in line pairs of changes of which one alone is refused or shows nothing."""
        changes = list(changes_of(self.problem, outcome))
        dumb = [change for change in changes if not _shows(outcome, change)]
        pairs = {
            frozenset((id(one), id(other))): (one, other)
            for one in dumb
            for other in changes
            if root(one[0]) != root(other[0]) or one[0] != other[0]
        }
        for one, other in list(pairs.values())[:PAIRS]:
            for prober, point in _applied(outcome, dict((one, other))):
                trace = prober.at(point)
                if trace is not None and trace.features != outcome.trace.features:
                    self.add(prober, point, trace)


def assign(problem: Problem) -> Outcome | None:
    """Return the first outcome that fits, or the nearest one; None if nothing at all can be built.

    Best first: of the places met so far, the one whose names and shapes are nearest to the checkpoint's is gone on from: by
    solving its whole numbers, then by changing one choice, then two. It ends when one fits, when nothing is left to try, or
    when the budget is spent.
    """
    line, best, budget = _Search(problem), None, problem.prober.budget
    for prober, point in _buildable(problem):
        line.add(prober, point, prober.at(point))  # type: ignore[arg-type]
        while line.waiting and not budget.spent:
            outcome = line.go_on(heapq.heappop(line.waiting))
            if outcome is not None and (best is None or outcome.trace.difference.distance < best.trace.difference.distance):
                best = outcome
                if best.fits:
                    return best
    return best


def _buildable(problem: Problem) -> Iterator[tuple[Prober, Point]]:
    found = 0
    for attempt, (prober, point) in enumerate(problem.beginnings()):
        if prober.at(point) is not None:
            yield prober, point
            found += 1
        if found == STARTS or attempt == BEGINNINGS or problem.prober.budget.spent:
            return


def changes_of(problem: Problem, outcome: Outcome) -> Iterator[tuple[Slot, object]]:
    """Yield the choices that may be made otherwise than in *outcome*, slot by slot."""
    for slot, value in walk(outcome.arguments):
        for choice in problem.choices(slot, value):
            yield slot, choice


def _shows(outcome: Outcome, change: tuple[Slot, object]) -> bool:
    prober, point = next(iter(_applied(outcome, dict([change]))))
    trace = prober.at(point)
    return trace is not None and trace.features != outcome.trace.features


def _applied(outcome: Outcome, changes: Change) -> Iterable[tuple[Prober, Point]]:
    """Return the point after *changes* with the whole numbers that were solved, and with those of the beginning."""
    here = replaced(outcome.arguments, changes)
    carried = outcome.prober.within(here, _tied(outcome.prober, here))
    begun = replaced(outcome.prober.frame, changes)
    again = outcome.prober.within(begun, _tied(outcome.prober, begun))
    return (carried, carried.expanded({})), (again, again.expanded({}))


def _tied(prober: Prober, frame: Mapping[str, object]) -> tuple[Slot, ...]:
    lengths: dict[Slot, Any] = numbers(frame)
    tied = tuple(slot for slot in prober.tied if f"len({slot})" in lengths)
    return tied if len(tied) > 1 and len({lengths[f"len({slot})"] for slot in tied}) == 1 else ()


def freed(problem: Problem, names: Iterable[str]) -> Problem:
    """Return the problem in which the caller's values of *names* are solved for as well, starting from them."""
    given = {name: value for name, value in problem.prober.given.items() if name not in names}
    asked = {name: problem.prober.given[name] for name in names}
    prober = replace(
        problem.prober,
        given=given,
        frame={**problem.prober.frame, **asked},
        defaults={**problem.prober.defaults, **numbers(asked)},
        traces={},
    )
    return replace(problem, prober=prober)
