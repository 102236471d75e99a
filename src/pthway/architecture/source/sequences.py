"""What lists, tuples and dictionaries are known to hold, and what is taken out of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pthway.architecture.source.assignment import assign, with_entry
from pthway.architecture.source.calls import elements
from pthway.architecture.source.iteration import rounds
from pthway.architecture.source.values import (
    ANY,
    UNKNOWN,
    Choice,
    Items,
    Module,
    Table,
    Value,
    choice,
    truth,
)

if TYPE_CHECKING:
    from pthway.architecture.source.frame import Frame
    from pthway.architecture.source.interpreter import Interpreter


def sequence(run: Interpreter, node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Value:
    """Return the list that brackets make."""
    return elements(run, node.elts, frame)


def dictionary(run: Interpreter, node: ast.Dict, frame: Frame) -> Value:
    """Return the dictionary that braces make."""
    table = Table()
    for key, value in zip(node.keys, node.values, strict=True):
        entry = run.evaluate(value, frame)
        if key is None:
            merged = entry if isinstance(entry, Table) else Table({}, (UNKNOWN,))
            table = Table({**table.entries, **merged.entries}, (*table.rest, *merged.rest))
        else:
            table = with_entry(table, run.evaluate(key, frame), entry)
    return table


def subscript(run: Interpreter, node: ast.Subscript, frame: Frame) -> Value:
    """Return ``holder[key]``."""
    holder = run.evaluate(node.value, frame)
    if isinstance(node.slice, ast.Slice):
        return _slice(run, holder, node.slice, frame)
    key = run.evaluate(node.slice, frame)
    return choice(_entry(option, key) for option in holder.options) if isinstance(holder, Choice) else _entry(holder, key)


def _entry(holder: Value, key: Value) -> Value:
    if isinstance(holder, Table):
        if isinstance(key, str | int) and key in holder.entries:
            return holder.entries[key]
        return choice((*holder.entries.values(), *holder.rest)) if holder.entries or holder.rest else UNKNOWN
    if isinstance(holder, Module):
        return holder.parts.get(str(key), UNKNOWN) if isinstance(key, str | int) else _any_part(holder)
    if not isinstance(holder, Items):
        return UNKNOWN
    if type(key) is int and (0 <= key < len(holder.items) or (not holder.rest and -len(holder.items) <= key < 0)):
        return holder.items[key]
    return choice((*holder.every(),)) if holder.every() else UNKNOWN


def _any_part(holder: Module) -> Value:
    return choice(holder.parts.values()) if holder.parts and not holder.open else UNKNOWN


def _slice(run: Interpreter, holder: Value, node: ast.Slice, frame: Frame) -> Value:
    bounds = [None if part is None else run.evaluate(part, frame) for part in (node.lower, node.upper, node.step)]
    known = all(bound is None or type(bound) is int for bound in bounds) and bounds[2] != 0
    if isinstance(holder, Items):
        return Items(holder.items[slice(*bounds)]) if known and not holder.rest else Items((), holder.every())
    if isinstance(holder, str) and known and ANY not in holder:
        return holder[slice(*bounds)]
    return UNKNOWN


def comprehension(run: Interpreter, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, frame: Frame) -> Value:
    """Return the list that a comprehension collects."""
    return _collected(run, node.generators, frame, lambda: Items((run.evaluate(node.elt, frame),)))


def table_comprehension(run: Interpreter, node: ast.DictComp, frame: Frame) -> Value:
    """Return the dictionary that a comprehension collects."""

    def pair() -> Items:
        return Items((Items((run.evaluate(node.key, frame), run.evaluate(node.value, frame))),))

    table: Value = Table()
    pairs = _collected(run, node.generators, frame, pair)
    for entry in pairs.items:
        table = with_entry(table, *entry.items)
    return Table(table.entries, (*table.rest, *(entry.items[1] for entry in pairs.rest)))


def _collected(run: Interpreter, generators: list[ast.comprehension], frame: Frame, element: Callable[[], Items]) -> Items:
    """Return what a comprehension collects; its names are its own."""
    if not generators:
        return element()
    names: Mapping[str, Value] = dict(frame.names)
    first, *others = generators
    given, more = rounds(run.evaluate(first.iter, frame))
    found = Items()
    for value, sure in [*((value, True) for value in given), *([(more, False)] if more is not None else [])]:
        run.step()
        assign(run, first.target, value, frame)
        passed = [truth(run.evaluate(test, frame)) for test in first.ifs]
        if False not in passed:
            part = _collected(run, others, frame, element)
            found = found.plus(part if sure and None not in passed else Items((), part.every()))
    frame.names = dict(names)
    return found
