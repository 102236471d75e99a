"""Tells why a class and a checkpoint do not fit: few causes, not hundreds of keys, and the line to write. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from pthway.architecture.causes import Cause, find_causes
from pthway.architecture.difference import Shape, Shaped, compare
from pthway.architecture.match import Architecture
from pthway.errors import Mismatch

SHOWN: Final = 10
"""Lines of causes in an error; the rest is counted in one more."""
ANOTHER_CLASS: Final = 0.2
"""Below this share of fitting keys the class is most likely another one."""


def explain(
    expected: Mapping[str, Shape],
    found: Mapping[str, Shaped],
    architecture: Architecture,
    *,
    proven: Mapping[str, object] | None = None,
    untried: Mapping[str, object] | None = None,
) -> Mismatch:
    """Return the error that tells why *found* (a checkpoint) does not fit *expected* (what the class builds).

    Every key that does not fit belongs to exactly one cause; each cause is one line. *proven* are arguments of which
    a build has shown that with them everything fits: the line to write passes them. *untried* are the defaults of
    arguments for which no other value was tried, so that one of them may be the cause.
    """
    difference = compare(expected, found)
    causes = find_causes(expected, found, difference, _short(architecture.name))
    shared = expected.keys() & found.keys()
    whole = max(len(expected), len(found), 1)
    lines = _lines(causes)
    if len(shared) < ANOTHER_CLASS * whole and not proven and not any(cause.rename for cause in causes):
        lines.insert(0, f"only {len(shared)} of {whole} names are in both: this is most likely the checkpoint of another class")
    return Mismatch(
        f"The weights do not fit {architecture.name}: {difference}.",
        "\n       ".join(lines),
        _fix(architecture, causes, proven or {}, untried or {}),
    )


def _lines(causes: Sequence[Cause]) -> list[str]:
    lines = [cause.text for cause in causes[:SHOWN]]
    rest = causes[SHOWN:]
    if rest:
        lines.append(f"and {sum(len(cause.keys) for cause in rest)} more keys in {len(rest)} more modules")
    return lines


def _fix(architecture: Architecture, causes: Sequence[Cause], proven: Mapping[str, object], untried: Mapping[str, object]) -> str:
    if proven:
        passed = ", ".join(f"{name}={value!r}" for name, value in proven.items())
        return f"pthway.load(path, {architecture.spelling}, {passed})  # built: every key and shape fits"
    renames = {old: new for cause in causes for old, new in cause.rename.items()}
    if renames:
        return f"pthway.load(path, {architecture.spelling}, rename={renames!r})"
    left = ", ".join(f"{name} (left at {value!r})" for name, value in untried.items())
    choice = f"Pass another value for {left}, name" if left else "Name"
    partial = f"pthway.load(path, {architecture.spelling}, strict=False)"
    return f"{choice} the class that the weights were trained with, or load what fits: {partial}"


def _short(name: str) -> str:
    return name.rpartition(":")[2]
