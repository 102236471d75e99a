"""Objects whose constructor Python writes: those of dataclasses and named tuples, by the fields in the body of the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pthway.architecture.source.annotations import annotation_of
from pthway.architecture.source.library import Constant
from pthway.architecture.source.values import UNKNOWN, Bound, Call, Class, Instance

if TYPE_CHECKING:
    from pthway.architecture.source.interpreter import Interpreter


def has_constructor(run: Interpreter, cls: Class) -> bool:
    """Whether *cls* or a base of it in the tree has an ``__init__`` of its own."""
    return any(isinstance(base, Class) and "__init__" in base.outline.methods for base in run.library.line(cls))


def take_fields(run: Interpreter, instance: Instance, call: Call) -> None:
    """Give *instance* the fields of its class, from *call* or from their defaults; then ``__post_init__`` is followed."""
    for place, (name, default) in enumerate(_fields(run, instance.cls).items()):
        given = call.get(place, name, default)
        instance.set(name, run.known(given) if isinstance(given, Constant) else given)
    after = run.member(instance.cls, "__post_init__", instance)
    if isinstance(after, Bound):
        run.call(after, Call())


def _fields(run: Interpreter, cls: Class) -> dict[str, object]:
    """Return the names in the order of the constructor, each with the source of its default or `UNKNOWN`."""
    found: dict[str, object] = {}
    for base in reversed(run.library.line(cls)):
        for name, source in base.outline.constants.items() if isinstance(base, Class) else ():
            if isinstance(base, Class) and annotation_of(base, name) is not None:
                found[name] = Constant(base.home, source.strip()) if "=" in source else UNKNOWN
    return found
