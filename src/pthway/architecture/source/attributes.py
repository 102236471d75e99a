"""What the attributes of a value are known to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pthway.architecture.source.annotations import annotation_of, declared
from pthway.architecture.source.automatic import part
from pthway.architecture.source.library import MISSING
from pthway.architecture.source.values import (
    UNKNOWN,
    Choice,
    Class,
    File,
    Instance,
    Module,
    Namespace,
    Super,
    Typed,
    Value,
    choice,
)

if TYPE_CHECKING:
    from pthway.architecture.source.interpreter import Interpreter


def attribute(run: Interpreter, holder: Value, name: str) -> Value:
    """Return ``holder.name``."""
    if isinstance(holder, Choice):
        return choice(attribute(run, option, name) for option in holder.options)
    if isinstance(holder, Instance | Module):
        return _held(run, holder, name)
    if isinstance(holder, Class):
        return holder.name if name == "__name__" else run.member(holder, name, None)
    if isinstance(holder, Typed):
        return _declared(run, holder, name)
    if isinstance(holder, File):
        found = run.known(run.library.attribute(holder.outline, name))
        return UNKNOWN if found is MISSING else found
    if isinstance(holder, Namespace):
        return Namespace(f"{holder.name}.{name}")
    if isinstance(holder, Super):
        return _inherited(run, holder, name)
    return UNKNOWN


def _held(run: Interpreter, holder: Instance | Module, name: str) -> Value:
    cls = holder.cls if isinstance(holder, Instance) else holder.home
    if name == "__class__" and cls is not None:
        return cls
    held = holder.attributes if isinstance(holder, Instance) else holder.parts
    if name in held:
        return held[name]
    return UNKNOWN if cls is None else run.member(cls, name, holder)


def _inherited(run: Interpreter, holder: Super, name: str) -> Value:
    if isinstance(holder.instance, Instance):
        for base in run.following(holder.instance.cls, holder.after):
            if isinstance(base, Class) and name in base.outline.methods:
                return run.member(base, name, holder.instance)
    return UNKNOWN


def _declared(run: Interpreter, holder: Typed, name: str) -> Value:
    """Return what an object of this class, or of one that derives from it, surely has; its fields may hold anything of their type."""
    found = part(run, holder.cls, name)
    if found is not UNKNOWN or run.library.redefined(holder.cls, name):
        return found
    for base in run.library.line(holder.cls):
        if isinstance(base, Class) and (name in base.outline.attributes or annotation_of(base, name) is not None):
            return declared(run, holder.cls, name)
    return run.member(holder.cls, name, holder)
