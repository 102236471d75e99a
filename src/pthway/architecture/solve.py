"""Solves the constructor arguments that the caller leaves out from the names and shapes of the weights."""

from collections.abc import Mapping
from typing import Final

from pthway.architecture.assign import assign, freed
from pthway.architecture.build import build
from pthway.architecture.difference import Shaped
from pthway.architecture.explain import explain
from pthway.architecture.match import Architecture, Match
from pthway.architecture.problem import Problem, pose
from pthway.architecture.search import Outcome, search
from pthway.architecture.settle import settle, settle_nearest
from pthway.architecture.trace import moved
from pthway.architecture.unsolved import cannot_try, written
from pthway.errors import Mismatch

KNOWN_NAMES: Final = (
    "num_classes", "n_classes", "num_labels", "in_channels", "in_chans", "input_channels", "n_channels", "out_channels"
)  # fmt: skip
"""What networks call the sizes that users change; tried on factories that take any keyword, kept if builds show it."""
KNOWN_NAME_PROBE: Final = 7


def solve(
    architecture: Architecture, tensors: Mapping[str, Shaped], given: Mapping[str, object], extras: Mapping[str, object] | None = None
) -> Match:
    """Return the arguments with which every name and shape of *tensors* fits, each with the evidence for it.

    Whole numbers left out, also inside lists and configurations, are solved by building with other values and seeing which
    sizes move; flags, choices and what may be absent are searched for, nearest first. Hyper-parameters among *extras* (what
    else the file holds) are tried first, and count only as far as the weights fit with them. What the file or the author gives
    stays where the weights allow it: of several exact readings the one that moves fewest of these values wins, if it is the only
    one. Raises `UnsolvedArguments` where the weights do not settle a value (heads, a product of two arguments), `Mismatch` with the
    cause where nothing fits, `UsageError` for a name the constructor does not take, `ConstructorFailed` if it raises.
    """
    problem = pose(architecture, tensors, given, extras)
    outcome = _outcome(problem)
    if not outcome.fits:
        proven = _proven(problem)
        error = explain(outcome.trace.shapes, tensors, architecture, proven=proven, untried=_untried(problem))
        raise error if proven else _with_nearest(error, outcome)
    return settle(problem, outcome)


def solve_nearest(
    architecture: Architecture, tensors: Mapping[str, Shaped], given: Mapping[str, object], extras: Mapping[str, object] | None = None
) -> Match:
    """Return the arguments with which most of *tensors* fits; `Match.difference` lists what does not.

    For partial loading. Raises as `solve` does, except `Mismatch`.
    """
    problem = pose(architecture, tensors, given, extras)
    outcome = _outcome(problem)
    return settle(problem, outcome) if outcome.fits else settle_nearest(problem, outcome)


def _outcome(problem: Problem) -> Outcome:
    """Return what fits or comes nearest; names that an open constructor may take come last."""
    best = assign(problem)
    if best is None:
        raise _nothing_builds(problem)
    if not best.fits and problem.constructor.open:
        best = _with_known_names(problem, best)
    return best


def _nothing_builds(problem: Problem) -> Exception:
    prober = problem.prober
    names = [name for name, each in problem.constructor.parameters.items() if each.required and name not in prober.given]
    if not names:
        build(prober.architecture, prober.given)  # raises the constructor's own failure, with its place
    return cannot_try(prober.architecture, names or list(prober.frame), prober.budget.refusal or str(prober.budget))


def _with_known_names(problem: Problem, best: Outcome) -> Outcome:
    start = best.arguments
    for name in KNOWN_NAMES:
        if name in problem.constructor.parameters or name in problem.prober.given:
            continue
        trace = best.prober.within({**start, name: KNOWN_NAME_PROBE}).at({})
        if trace is not None and moved(best.trace.features, trace.features):
            start[name] = KNOWN_NAME_PROBE
    outcome = search(best.prober.within(start), {}) if len(start) > len(best.arguments) else None
    return outcome if outcome is not None and outcome.trace.difference.distance < best.trace.difference.distance else best


def _proven(problem: Problem) -> dict[str, object]:
    """Return values for given whole numbers with which everything fits after all, proven by a build; empty if none do."""
    asked = {name: value for name, value in problem.prober.given.items() if type(value) is int}
    outcome = assign(freed(problem, asked)) if asked else None
    if outcome is None or not outcome.fits:
        return {}
    return {name: outcome.arguments[name] for name, value in asked.items() if outcome.arguments[name] != value}


def _with_nearest(error: Mismatch, outcome: Outcome) -> Mismatch:
    """Return *error* with the arguments that it compares with, and the limit if one ended the search."""
    arguments = outcome.prober.passed(outcome.point)
    nearest = ", ".join(f"{name}={written(value)}" for name, value in arguments.items())
    lines = [error.why] + [f"compared with the nearest arguments that were found: {nearest}"] * bool(nearest)
    lines += [str(outcome.prober.budget)] * outcome.prober.budget.spent
    return Mismatch(error.what, "\n       ".join(lines), error.fix)


def _untried(problem: Problem) -> dict[str, object]:
    return {
        name: each.default
        for name, each in problem.constructor.parameters.items()
        if isinstance(each.default, str) and name not in problem.prober.given and not problem.choices(name, each.default)
    }
