"""The errors for arguments that the weights do not settle, each with the line that passes them."""

import re
from collections.abc import Mapping, Sequence

from pthway.architecture.match import Architecture
from pthway.architecture.probe import Point
from pthway.architecture.slots import Slot, frozen, inside, root, walk
from pthway.architecture.stored import Stored
from pthway.errors import UnsolvedArguments


def call_line(architecture: Architecture, arguments: Mapping[str, object]) -> str:
    """Return the line of Python that loads with *arguments*."""
    passed = "".join(f", {name}={value}" for name, value in arguments.items())
    return f"pthway.load(path, {architecture.spelling}{passed})"


def cannot_try(architecture: Architecture, names: Sequence[str], refusal: str) -> UnsolvedArguments:
    """Return the error for required arguments with none of whose values that were tried a build succeeded."""
    return UnsolvedArguments(
        f"{architecture.name} needs {_and(names)}, which cannot be solved from the weights.",
        f"Nothing that was tried can build it; the last try ended with {refusal}.",
        f"Pass the value it was trained with: {call_line(architecture, dict.fromkeys(map(root, names), '…'))}",
    )


def no_trace(architecture: Architecture, fitting: Mapping[Slot, Sequence[object]]) -> UnsolvedArguments:
    """Return the error for required arguments that leave no trace; *fitting* lists values with which the weights fit."""
    also = "; ".join(f"{name}: {', '.join(map(written, values))} all fit" for name, values in fitting.items() if len(values) > 1)
    names = list(fitting)
    return UnsolvedArguments(
        f"{_and(names)} of {architecture.name} {'has' if len(names) == 1 else 'have'} to be passed.",
        f"The weights do not change with {'it' if len(names) == 1 else 'them'}" + (f" ({also})." if also else "."),
        f"Pass the value it was trained with: {call_line(architecture, dict.fromkeys(map(root, names), '…'))}",
    )


def refused_with_default(
    architecture: Architecture, default: Point, solved: Point, fitting: Mapping[Slot, Sequence[int]]
) -> UnsolvedArguments:
    """Return the error for defaults without a trace that the constructor does not take beside the solved values."""
    listed = "; ".join(f"{name}: {', '.join(map(str, values))} fit" for name, values in fitting.items())
    beside = f"The weights say {_values(solved)}, which the constructor refuses beside the default {_values(default)}"
    alone = f"The constructor refuses {_values(default)}, as the file has it, with these weights"
    return UnsolvedArguments(
        f"{_and(list(default))} of {architecture.name} {'has' if len(default) == 1 else 'have'} to be passed.",
        f"{beside if solved else alone}; other values leave no trace in the weights ({listed}).",
        f"Pass the value it was trained with: {call_line(architecture, dict.fromkeys(map(root, default), '…'))}",
    )


def several(architecture: Architecture, readings: Sequence[Mapping[str, object]]) -> UnsolvedArguments:
    """Return the error for arguments that fit equally well."""
    slots = [dict(walk(reading)) for reading in readings]
    names = dict.fromkeys(slot for each in slots for slot, value in each.items() if not inside(value, slot))
    differing = [slot for slot in names if len({frozen(each[slot]) if slot in each else None for each in slots}) > 1]
    listed = sorted(
        {", ".join(f"{slot}={written(each[slot])}" for slot in differing if slot in each): None for each in slots}, key=_natural
    )
    return UnsolvedArguments(
        f"{_and(differing)} of {architecture.name} can be read from the weights in {len(listed)} ways or more.",
        "These fit exactly: " + "; ".join(listed) + ".",
        f"Pass the value it was trained with: {call_line(architecture, {root(differing[0]): '…'})}",
    )


def contradicting(architecture: Architecture, slot: Slot, stored: Stored) -> UnsolvedArguments:
    """Return the error for an argument that the weights leave open and of which the file says two things."""
    said = [(stored.where, stored.value), *stored.others]
    return UnsolvedArguments(
        f"The file says two things of {slot} of {architecture.name}.",
        f"{' and '.join(f'{where} is {written(value)}' for where, value in said)}; the weights fit with each of them.",
        f"Pass the value it was trained with: {call_line(architecture, {root(slot): '…'})}",
    )


def not_shown(architecture: Architecture, names: Sequence[str]) -> UnsolvedArguments:
    """Return the error for required integers that only tensors would show which the checkpoint lacks."""
    return UnsolvedArguments(
        f"{_and(names)} of {architecture.name} {'has' if len(names) == 1 else 'have'} to be passed.",
        "No tensor of the checkpoint that fits shows what it is.",
        f"Pass the value: {call_line(architecture, dict.fromkeys(map(root, names), '…'))}",
    )


def written(value: object) -> str:
    """Return *value* as it stands in a line of Python: a class by its name."""
    return value.__name__ if isinstance(value, type) else repr(value)


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _values(point: Point) -> str:
    return ", ".join(f"{name}={value}" for name, value in point.items())


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
