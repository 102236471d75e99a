"""Decides whether a fit is the only reading, and says of each argument where its value comes from."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

from pthway.architecture.evidence import evidence
from pthway.architecture.match import Argument, Match, Origin
from pthway.architecture.probe import Point, Prober, Variation
from pthway.architecture.problem import Problem
from pthway.architecture.readings import displaced, entangled, readings
from pthway.architecture.search import Outcome
from pthway.architecture.trace import PRESENT, moved
from pthway.architecture.unsolved import no_trace, not_shown, refused_with_default, several

SAMPLE_VALUES: Final = (1, 2, 3, 4, 6, 8, 12, 16)
"""Values tried to show which ones fit, for an argument that leaves no trace."""
NOTHING_ELSE_BUILDS: Final = "the constructor refuses every other value that was tried"


def settle(problem: Problem, outcome: Outcome) -> Match:
    """Return the match if it is the only reading; see to arguments without a trace first."""
    point = _with_defaults(problem, outcome.point)
    foretold = outcome.foretold if point == outcome.point else {}
    variations = _variations(problem, point, foretold)
    _refuse_silent(problem, Outcome(point, outcome.trace, outcome.shown), variations)
    others = readings(problem.prober, point, variations, problem.wanted, linear=foretold.keys())
    ranked = sorted([point, *others], key=lambda other: displaced(other, problem.prober.defaults))
    least = displaced(ranked[0], problem.prober.defaults)
    equals = [other for other in ranked if displaced(other, problem.prober.defaults) == least]
    if len(equals) > 1:
        raise several(problem.prober.architecture, equals)
    best = problem.prober.at(equals[0])
    if best is None or equals[0] == point:
        return _match(problem, Outcome(point, outcome.trace, outcome.shown), variations)
    return settle(problem, Outcome(equals[0], best, outcome.shown))


def settle_nearest(problem: Problem, outcome: Outcome) -> Match:
    """Return the match of a point that does not fit; each required argument still has to be shown by a tensor."""
    variations = _variations(problem, outcome.point, {})
    _refuse_silent(problem, outcome, variations)
    here = outcome.trace.features
    hidden = [
        name
        for name in problem.required()
        if not any(kind != PRESENT and here.get((key, kind)) == problem.wanted.get((key, kind)) for key, kind in variations[name].slopes)
    ]
    if hidden:
        raise not_shown(problem.prober.architecture, hidden)
    return _match(problem, outcome, variations)


def _with_defaults(problem: Problem, point: Point) -> Point:
    """Return *point* with the author's default wherever the weights fit with it as well."""
    kept = dict(point)
    for name, default in problem.prober.defaults.items():
        trace = problem.prober.at({**kept, name: default}) if kept[name] != default else None
        if trace is not None and trace.difference.fits:
            kept[name] = default
    return kept


def _refuse_silent(problem: Problem, outcome: Outcome, variations: Mapping[str, Variation]) -> None:
    """Raise for arguments that leave no trace and have no default, or one that does not go with the rest."""
    prober, point = problem.prober, outcome.point
    silent = [name for name in point if not variations[name].slopes and (variations[name].silent or name not in outcome.shown)]
    required = [name for name in silent if name not in prober.defaults]
    if required:
        raise no_trace(prober.architecture, {name: _fitting(prober, point, name) for name in required})
    defaults = {name: prober.defaults[name] for name in silent if point[name] != prober.defaults[name]}
    if defaults:
        solved = {name: point[name] for name in point if name not in silent and point[name] != prober.defaults.get(name)}
        fitting = {name: _fitting(prober, point, name) for name in defaults}
        raise refused_with_default(prober.architecture, defaults, solved, fitting)


def _fitting(prober: Prober, point: Point, name: str) -> list[int]:
    traces = {value: prober.at({**point, name: value}) for value in SAMPLE_VALUES}
    return [value for value, trace in traces.items() if trace is not None and trace.difference.fits]


def _variations(problem: Problem, point: Point, foretold: Mapping[str, Variation]) -> dict[str, Variation]:
    return {name: foretold[name] if name in foretold else problem.prober.vary(point, name) for name in point}


def _match(problem: Problem, outcome: Outcome, variations: dict[str, Variation]) -> Match:
    constructor, prober = problem.constructor, problem.prober
    names = [
        *constructor.parameters,
        *(name for name in (*prober.given, *outcome.point) if name not in constructor.parameters),
    ]
    verdict = _Verdict(problem, outcome.point, variations, entangled(variations))
    arguments = {name: verdict.argument(name) for name in dict.fromkeys(names)}
    return Match(prober.architecture, arguments, prober.builds, outcome.trace.difference)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is to be said of each argument at the point that was reached."""

    problem: Problem
    point: Point
    variations: dict[str, Variation]
    together: Set[str]

    def argument(self, name: str) -> Argument:
        prober = self.problem.prober
        if name in prober.given:
            return Argument(name, prober.given[name], Origin.GIVEN, None, "passed by the caller, and everything fits with it")
        if name not in self.point:
            default = self.problem.constructor.parameters[name].default
            return Argument(name, default, Origin.DEFAULT, *self._tested(name, default))
        value = self.point[name]
        origin = Origin.DEFAULT if prober.defaults.get(name) == value else Origin.SOLVED
        return Argument(name, value, origin, *self._integer(name, value, self.variations[name]))

    def _integer(self, name: str, value: int, variation: Variation) -> tuple[bool, str]:
        if not variation.slopes:
            tried = ", ".join(map(str, variation.silent))
            return (
                False,
                f"the weights do not change with it (built with {tried} as well)" if tried else NOTHING_ELSE_BUILDS,
            )
        because = evidence(name, value, self.variations | {name: variation}, self.problem.prober.found)
        if name in self.together:
            partners = " and ".join(sorted(self.together - {name}))
            return False, f"{because}; the weights show it only together with {partners}"
        if variation.silent:
            return False, f"{because}; the weights fit with {', '.join(map(str, variation.silent))} as well"
        return True, because

    def _tested(self, name: str, value: object) -> tuple[bool, str]:
        if type(value) is int:
            return self._integer(name, value, self.problem.prober.vary({**self.point, name: value}, name))
        if type(value) is not bool:
            return False, "only integers and true or false are tried against the weights"
        here, there = self.problem.prober.at(self.point), self.problem.prober.at({**self.point, name: not value})
        if here is None or there is None:
            return False, NOTHING_ELSE_BUILDS
        if moved(here.features, there.features):
            return True, f"with {not value} the names or shapes would differ"
        return False, f"the weights do not change with it (built with {not value} as well)"
