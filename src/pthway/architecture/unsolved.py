"""The errors for arguments that the weights do not settle, each with the line that passes them."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from pthway.architecture.constructor import Parameter
from pthway.architecture.match import Architecture
from pthway.architecture.probe import Point
from pthway.errors import UnsolvedArguments


def call_line(architecture: Architecture, arguments: Mapping[str, object]) -> str:
    """Return the line of Python that loads with *arguments*."""
    passed = "".join(f", {name}={value}" for name, value in arguments.items())
    return f"pthway.load(path, {architecture.spelling}{passed})"


def cannot_try(architecture: Architecture, parameters: Sequence[Parameter], refusal: str = "") -> UnsolvedArguments:
    """Return the error for required arguments that are no integers, or that no probing value suited."""
    names = [each.name for each in parameters]
    groups = groupby(sorted(parameters, key=lambda each: each.kind.value), key=lambda each: each.kind)
    told = {kind: [each.name for each in members] for kind, members in groups}
    why = "; ".join(f"{_and(members)} {'is' if len(members) == 1 else 'are'} {kind.value}" for kind, members in told.items())
    if refusal:
        why += f". No integers that were tried can build it; the last try ended with {refusal}"
    return UnsolvedArguments(
        f"{architecture.name} needs {_and(names)}, which cannot be solved from the weights.",
        f"Only integers that show in names and shapes are solved: {why}.",
        f"Pass the value it was trained with: {call_line(architecture, dict.fromkeys(names, '…'))}",
    )


def no_trace(architecture: Architecture, fitting: Mapping[str, Sequence[int]]) -> UnsolvedArguments:
    """Return the error for required integers that leave no trace; *fitting* lists values with which the weights fit."""
    also = "; ".join(f"{name}: {', '.join(map(str, values))} all fit" for name, values in fitting.items() if len(values) > 1)
    names = list(fitting)
    return UnsolvedArguments(
        f"{_and(names)} of {architecture.name} {'has' if len(names) == 1 else 'have'} to be passed.",
        f"The weights do not change with {'it' if len(names) == 1 else 'them'}" + (f" ({also})." if also else "."),
        f"Pass the value it was trained with: {call_line(architecture, dict.fromkeys(names, '…'))}",
    )


def refused_with_default(
    architecture: Architecture, default: Mapping[str, int], solved: Point, fitting: Mapping[str, Sequence[int]]
) -> UnsolvedArguments:
    """Return the error for defaults without a trace that the constructor does not take beside the solved values."""
    listed = "; ".join(f"{name}: {', '.join(map(str, values))} fit" for name, values in fitting.items())
    return UnsolvedArguments(
        f"{_and(list(default))} of {architecture.name} {'has' if len(default) == 1 else 'have'} to be passed.",
        f"The weights say {_values(solved)}, which the constructor refuses beside the default {_values(default)}; "
        f"other values leave no trace in the weights ({listed}).",
        f"Pass the value it was trained with: {call_line(architecture, dict.fromkeys(default, '…'))}",
    )


def several(architecture: Architecture, points: Sequence[Point]) -> UnsolvedArguments:
    """Return the error for readings that fit equally well."""
    differing = [name for name in points[0] if len({point[name] for point in points}) > 1]
    listed = sorted({tuple((name, point[name]) for name in differing) for point in points})
    return UnsolvedArguments(
        f"{_and(differing)} of {architecture.name} can be read from the weights in {len(listed)} ways or more.",
        "These fit exactly: " + "; ".join(_values(dict(reading)) for reading in listed) + ".",
        f"Pass the value it was trained with: {call_line(architecture, {differing[0]: '…'})}",
    )


def not_shown(architecture: Architecture, names: Sequence[str]) -> UnsolvedArguments:
    """Return the error for required integers that only tensors would show which the checkpoint lacks."""
    return UnsolvedArguments(
        f"{_and(names)} of {architecture.name} {'has' if len(names) == 1 else 'have'} to be passed.",
        "No tensor of the checkpoint that fits shows what it is.",
        f"Pass the value: {call_line(architecture, dict.fromkeys(names, '…'))}",
    )


def _values(point: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={value}" for name, value in point.items())


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
