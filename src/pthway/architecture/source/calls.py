"""What the calls of a constructor give."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pthway.architecture.source.assignment import assign
from pthway.architecture.source.attributes import attribute
from pthway.architecture.source.automatic import builds, built
from pthway.architecture.source.functions import FUNCTIONS, outside
from pthway.architecture.source.iteration import rounds
from pthway.architecture.source.methods import CHANGING, changed, method
from pthway.architecture.source.values import (
    UNKNOWN,
    Builtin,
    Call,
    Class,
    Instance,
    Items,
    Module,
    Namespace,
    Super,
    Table,
    Value,
)

if TYPE_CHECKING:
    from pthway.architecture.source.frame import Frame
    from pthway.architecture.source.interpreter import Interpreter


def call_of(run: Interpreter, node: ast.Call, frame: Frame) -> Value:
    """Return what a call gives."""
    run.step()
    if isinstance(node.func, ast.Attribute):
        return _method_call(run, node, node.func, frame)
    callee = run.evaluate(node.func, frame)
    return _called(run, callee, _arguments(run, node, frame), frame)


def _called(run: Interpreter, callee: Value, call: Call, frame: Frame) -> Value:
    if isinstance(callee, Builtin):
        if callee.name == "super":
            return _super(call, frame)
        known = FUNCTIONS.get(callee.name)
        return UNKNOWN if known is None else known(run, call)
    found = outside(run, callee.name, call) if isinstance(callee, Namespace) else UNKNOWN
    return run.call(callee, call) if found is UNKNOWN else found


def _method_call(run: Interpreter, node: ast.Call, func: ast.Attribute, frame: Frame) -> Value:
    holder, name = run.evaluate(func.value, frame), func.attr
    call = _arguments(run, node, frame)
    if builds(run, holder, name):
        return built(run, holder, call)
    if name == "__init__" and _initialised(run, holder, call):
        return None
    if name in CHANGING and isinstance(holder, (Instance, Items, Table, Module)):
        after = changed(holder, name, call)
        if after is not None:
            if after is not holder:
                assign(run, func.value, after, frame)
            return method(holder, name, call)
    found = method(holder, name, call)
    return found if found is not UNKNOWN else _called(run, attribute(run, holder, name), call, frame)


def _initialised(run: Interpreter, holder: Value, call: Call) -> bool:
    """Whether this was ``super().__init__(…)`` or ``Base.__init__(self, …)``, which is then followed."""
    if isinstance(holder, Super):
        if isinstance(holder.instance, Instance):
            run.initialise(holder.instance, holder.after, call)
        return True
    first = call.arguments.items[0] if call.arguments.items else None
    if not isinstance(first, Instance):
        return False
    rest = Call(Items(call.arguments.items[1:], call.arguments.rest), call.keywords, call.open)
    line = run.library.line(first.cls)
    if isinstance(holder, Class) and holder in line:
        place = line.index(holder)
        before = line[place - 1] if place else None
        run.initialise(first, before if isinstance(before, Class) else None, rest)
    elif isinstance(holder, Namespace):
        made = run.call(holder, rest)
        if isinstance(made, Module):
            first.take(made)
    return True


def _super(call: Call, frame: Frame) -> Super:
    given = call.arguments.items
    if len(given) == 2 and isinstance(given[0], Class):  # noqa: PLR2004  # super(Class, self)
        return Super(given[1], given[0])
    return Super(frame.instance, frame.owner)


def _arguments(run: Interpreter, node: ast.Call, frame: Frame) -> Call:
    given = elements(run, node.args, frame)
    keywords: dict[str, Value] = {}
    unknown = False
    for keyword in node.keywords:
        value = run.evaluate(keyword.value, frame)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, Table):
            keywords |= {name: entry for name, entry in value.entries.items() if isinstance(name, str)}
            unknown = unknown or bool(value.rest)
        else:
            unknown = True
    return Call(given, keywords, unknown)


def elements(run: Interpreter, nodes: list[ast.expr], frame: Frame) -> Items:
    """Return the values of *nodes*, in which ``*`` may stand before some."""
    found = Items()
    for node in nodes:
        if isinstance(node, ast.Starred):
            given, more = rounds(run.evaluate(node.value, frame))
            found = found.plus(Items(given, () if more is None else (more,)))
        else:
            found = found.plus(Items((run.evaluate(node, frame),)))
    return found
