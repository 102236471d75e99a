"""Brings the arguments of a fit to their usual, plainest and shortest form, as far as the weights fit with it as well."""

from collections.abc import Iterator, Mapping, Set

from pthway.architecture.problem import Problem
from pthway.architecture.search import Outcome, rounded
from pthway.architecture.slots import ABSENT, Slot, frozen, inside, is_record, length_of, replaced, same, walk


def as_usual(problem: Problem, outcome: Outcome, known: Set[Slot]) -> Outcome:
    """Return *outcome* with what the file or the author usually gives, and no more than the constructor needs.

    Factors become what a person would write, lists and configurations as small as they may be. The slots in *known* are proven to
    be as they are.
    """
    arguments = outcome.arguments
    for changes in (_defaults(problem, arguments, known), _factors(outcome), _lengths(problem, outcome), _keys(problem, outcome)):
        for change in changes:
            changed = replaced(arguments, change)
            trace = outcome.prober.within(changed).at({})
            if trace is not None and trace.difference.fits:
                arguments = changed
    if frozen(arguments) == frozen(outcome.arguments):
        return outcome
    prober = outcome.prober.within(arguments, outcome.prober.tied)
    trace = prober.at({})
    return outcome if trace is None else Outcome(prober, prober.expanded({}), trace, outcome.shown)


def _defaults(problem: Problem, arguments: Mapping[str, object], known: Set[Slot]) -> Iterator[Mapping[Slot, object]]:
    here = dict(walk(arguments))
    for slot, value in problem.usual().items():
        if slot in here and slot not in known and not same(here[slot], value):
            yield {slot: value}


def _factors(outcome: Outcome) -> Iterator[Mapping[Slot, object]]:
    for slot, value in outcome.point.items():
        if isinstance(value, float) and value != outcome.prober.defaults.get(slot):
            yield from ({slot: each} for each in reversed(rounded(value)))


def _lengths(problem: Problem, outcome: Outcome) -> Iterator[Mapping[Slot, object]]:
    for slot, value in walk(outcome.arguments):
        if isinstance(value, list | tuple) and problem.required(slot):
            yield from ({length_of(slot): length} for length in range(len(value) - 1, 0, -1))


def _keys(problem: Problem, outcome: Outcome) -> Iterator[Mapping[Slot, object]]:
    for slot, value in walk(outcome.arguments):
        if is_record(value):
            yield from ({inner: ABSENT} for inner, _ in inside(value, slot) if problem.required(inner))
