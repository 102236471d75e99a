"""Decides whether a fit is the only reading, and brings every argument to its usual value where the weights allow it."""

from collections.abc import Mapping
from typing import Final

from pthway.architecture.match import Match, Origin
from pthway.architecture.probe import Prober, Variation
from pthway.architecture.problem import Problem
from pthway.architecture.readings import displaced, readings, sharp
from pthway.architecture.search import Outcome
from pthway.architecture.slots import Number, Slot, replaced, walk
from pthway.architecture.trace import PRESENT
from pthway.architecture.unsolved import contradicting, no_trace, not_shown, refused_with_default, several
from pthway.architecture.usual import as_usual
from pthway.architecture.verdict import Verdict

SAMPLE_VALUES: Final = (1, 2, 3, 4, 6, 8, 12, 16)
"""Values tried to show which ones fit, for an argument that leaves no trace."""


def settle(problem: Problem, outcome: Outcome) -> Match:
    """Return the match if it is the only reading; see to arguments without a trace first."""
    variations = _variations(outcome)
    usual = as_usual(problem, outcome, sharp(outcome, variations))
    if usual is not outcome:
        variations = _variations(usual)
    _refuse_silent(problem, usual, variations)
    others = readings(problem, usual, variations)
    ranked = sorted([usual, *others], key=lambda other: displaced(problem, other.arguments))
    least = displaced(problem, ranked[0].arguments)
    equals = [other for other in ranked if displaced(problem, other.arguments) == least]
    if len(equals) > 1:
        raise several(problem.prober.architecture, [other.arguments for other in equals])
    if equals[0] is not usual:
        return settle(problem, equals[0])
    match = Verdict(problem, usual, variations, [other.arguments for other in ranked[1:]]).match()
    for slot, argument in match.leaves.items():
        if argument.origin is Origin.STORED and not argument.determined and problem.stored[slot].others:
            raise contradicting(problem.prober.architecture, slot, problem.stored[slot])
    return match


def settle_nearest(problem: Problem, outcome: Outcome) -> Match:
    """Return the match of a point that does not fit; each required argument still has to be shown by a tensor."""
    variations = _variations(outcome)
    _refuse_silent(problem, outcome, variations)
    here, wanted = outcome.trace.features, outcome.prober.wanted
    hidden = [
        name
        for name in outcome.point
        if problem.required(name)
        and not any(kind != PRESENT and here.get((key, kind)) == wanted.get((key, kind)) for key, kind in variations[name].slopes)
    ]
    if hidden:
        raise not_shown(problem.prober.architecture, hidden)
    return Verdict(problem, outcome, variations, ()).match()


def _refuse_silent(problem: Problem, outcome: Outcome, variations: Mapping[Slot, Variation]) -> None:
    """Raise for arguments that leave no trace and have no usual value, or one that does not go with the rest."""
    prober, point, architecture = outcome.prober, outcome.point, problem.prober.architecture
    silent = [
        name
        for name in point
        if not name.startswith("len(") and not variations[name].slopes and (variations[name].silent or name not in outcome.shown)
    ]
    required: dict[Slot, list[object]] = {name: list(_fitting(prober, point, name)) for name in silent if name not in prober.defaults}
    for slot, value in walk(outcome.arguments):
        if problem.required(slot) and type(value) is not int:
            alternatives = [choice for choice in problem.choices(slot, value) if _fits(prober, replaced(outcome.arguments, {slot: choice}))]
            if alternatives:
                required[slot] = [value, *alternatives]
    if required:
        raise no_trace(architecture, required)
    defaults = {name: prober.defaults[name] for name in silent if point[name] != prober.defaults[name]}
    if defaults:
        solved = {name: point[name] for name in point if name not in silent and point[name] != prober.defaults.get(name)}
        fitting = {name: _fitting(prober, point, name) for name in defaults}
        raise refused_with_default(architecture, defaults, solved, fitting)


def _fits(prober: Prober, arguments: Mapping[str, object]) -> bool:
    trace = prober.within(arguments).at({})
    return trace is not None and trace.difference.fits


def _fitting(prober: Prober, point: Mapping[Slot, Number], name: Slot) -> list[int]:
    return [value for value in SAMPLE_VALUES if _fits(prober, prober.arguments({**point, name: value}))]


def _variations(outcome: Outcome) -> dict[Slot, Variation]:
    return {
        name: outcome.foretold[name] if name in outcome.foretold else outcome.prober.vary(outcome.point, name) for name in outcome.point
    }
