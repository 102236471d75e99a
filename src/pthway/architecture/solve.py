"""Solves the constructor arguments that the caller leaves out from the names and shapes of the weights."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from pthway.architecture.build import build
from pthway.architecture.constructor import Kind
from pthway.architecture.difference import Shaped
from pthway.architecture.explain import explain
from pthway.architecture.match import Architecture, Match
from pthway.architecture.probe import Prober, base_points
from pthway.architecture.problem import Problem, pose
from pthway.architecture.search import Outcome, search
from pthway.architecture.settle import settle, settle_nearest
from pthway.architecture.trace import moved
from pthway.architecture.unsolved import cannot_try

KNOWN_NAMES: Final = (
    "num_classes", "n_classes", "num_labels", "in_channels", "in_chans", "input_channels", "n_channels", "out_channels"
)  # fmt: skip
"""What networks call the sizes that users change; tried on factories that take any keyword, kept if builds show it."""
KNOWN_NAME_PROBE: Final = 7
STARTS: Final = 3
"""From how many base points a search sets out at most."""


def solve(architecture: Architecture, tensors: Mapping[str, Shaped], given: Mapping[str, object]) -> Match:
    """Return the arguments with which every name and shape of *tensors* fits, each with the evidence for it.

    Integers left out are solved by building with other values and seeing which sizes move. What an author gives as
    default stays where the weights allow it: of several exact readings the one that moves fewest defaults wins, if it
    is the only one. Raises `UnsolvedArguments` where the weights do not settle a value (heads, a product of two
    arguments), `Mismatch` with the cause where nothing fits, `UsageError` for a name the constructor does not take,
    `ConstructorFailed` if it raises.
    """
    problem = pose(architecture, tensors, given)
    outcome = _outcome(problem)
    if not outcome.fits:
        raise explain(outcome.trace.shapes, tensors, architecture, proven=_proven(problem), untried=_untried(problem))
    return settle(problem, outcome)


def solve_nearest(architecture: Architecture, tensors: Mapping[str, Shaped], given: Mapping[str, object]) -> Match:
    """Return the arguments with which most of *tensors* fits; `Match.difference` lists what does not.

    For partial loading. Raises as `solve` does, except `Mismatch`.
    """
    problem = pose(architecture, tensors, given)
    outcome = _outcome(problem)
    return settle(problem, outcome) if outcome.fits else settle_nearest(problem, outcome)


# --- searching --------------------------------------------------------------------------------------------------------


def _outcome(problem: Problem) -> Outcome:
    """Return the best point from any base; names that an open constructor may take come last."""
    best = _from_bases(problem)
    if not best.fits and problem.constructor.open:
        best = _with_known_names(problem, best)
    return best


def _from_bases(problem: Problem) -> Outcome:
    prober, outcomes = problem.prober, list[Outcome]()
    for base in _bases(problem):
        outcome = search(prober, {**prober.defaults, **base}, problem.unknown, problem.wanted)
        if outcome is not None:
            outcomes.append(outcome)
            if outcome.fits or len(outcomes) == STARTS:
                break
    if not outcomes:
        raise _nothing_builds(problem)
    return min(outcomes, key=lambda outcome: outcome.trace.difference.distance)


def _bases(problem: Problem) -> Iterable[dict[str, int]]:
    if not problem.required():
        return [{}]
    integers = {name: value for name, value in problem.prober.given.items() if type(value) is int}
    return base_points(problem.required(), {**problem.prober.defaults, **integers}, problem.prober.found)


def _nothing_builds(problem: Problem) -> Exception:
    prober = problem.prober
    required = [problem.constructor.parameters[name] for name in problem.required()]
    if all(each.kind is Kind.INTEGER for each in required):
        base = next(iter(_bases(problem)))
        build(prober.architecture, {**prober.given, **base})  # raises the constructor's own failure, with its place
    return cannot_try(prober.architecture, required, prober.refusal)


def _with_known_names(problem: Problem, best: Outcome) -> Outcome:
    prober, start = problem.prober, dict(best.point)
    for name in KNOWN_NAMES:
        if name in problem.constructor.parameters or name in prober.given:
            continue
        trace = prober.at({**start, name: KNOWN_NAME_PROBE})
        if trace is not None and moved(best.trace.features, trace.features):
            start[name] = KNOWN_NAME_PROBE
    names = [*problem.unknown, *(name for name in start if name not in best.point)]
    outcome = search(prober, start, names, problem.wanted) if len(start) > len(best.point) else None
    return outcome if outcome is not None and outcome.trace.difference.distance < best.trace.difference.distance else best


def _proven(problem: Problem) -> dict[str, object]:
    """Return values for given integers with which everything fits after all, proven by a build; empty if none do."""
    prober = problem.prober
    integers = {name: value for name, value in prober.given.items() if type(value) is int}
    freed = Prober(prober.architecture, prober.given, {**prober.defaults, **integers}, prober.found)
    outcome = _outcome(replace(problem, prober=freed, unknown=(*problem.unknown, *integers))) if integers else None
    if outcome is None or not outcome.fits:
        return {}
    return {name: outcome.point[name] for name, value in integers.items() if outcome.point[name] != value}


def _untried(problem: Problem) -> dict[str, object]:
    return {
        name: each.default
        for name, each in problem.constructor.parameters.items()
        if name not in problem.prober.given and isinstance(each.default, bool | str | list | tuple)
    }
