"""Gives names, attributes and entries their values."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pthway.architecture.source.limits import MAX_ITEMS
from pthway.architecture.source.values import (
    ANY,
    NUMBER,
    UNKNOWN,
    Choice,
    Instance,
    Items,
    Module,
    Table,
    Value,
    choice,
)

if TYPE_CHECKING:
    from pthway.architecture.source.frame import Frame
    from pthway.architecture.source.interpreter import Interpreter


def assign(run: Interpreter, target: ast.expr, value: Value, frame: Frame) -> None:
    """Give *target* the value."""
    if isinstance(target, ast.Name):
        frame.names[target.id] = value
    elif isinstance(target, ast.Starred):
        assign(run, target.value, value, frame)
    elif isinstance(target, ast.Tuple | ast.List):
        for part, entry in zip(target.elts, _unpacked(value, target.elts), strict=True):
            assign(run, part, entry, frame)
    elif isinstance(target, ast.Attribute):
        holder = run.evaluate(target.value, frame)
        if isinstance(holder, Instance):
            holder.set(target.attr, value)
        elif isinstance(holder, Module):
            assign(run, target.value, holder.having(target.attr, value), frame)
    elif isinstance(target, ast.Subscript):
        holder, key = run.evaluate(target.value, frame), run.evaluate(target.slice, frame)
        if isinstance(holder, Items | Table | Module):
            assign(run, target.value, with_entry(holder, key, value), frame)


def _unpacked(value: Value, targets: list[ast.expr]) -> list[Value]:
    count = len(targets)
    if isinstance(value, Choice):
        columns = zip(*(_unpacked(option, targets) for option in value.options), strict=True)
        return [choice(column) for column in columns]
    starred = next((at for at, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    if not isinstance(value, Items) or value.rest or (len(value.items) != count and starred is None):
        return [choice((*value.every(), UNKNOWN)) if isinstance(value, Items) else UNKNOWN] * count
    if starred is None:
        return list(value.items)
    after = count - starred - 1
    middle = value.items[starred : len(value.items) - after]
    return [*value.items[:starred], Items(middle), *(value.items[len(value.items) - after :] if after else ())][:count]


def with_entry(holder: Value, key: Value, value: Value) -> Value:
    """Return *holder* after ``holder[key] = value``."""
    if isinstance(holder, Items):
        if type(key) is int and -len(holder.items) <= key < len(holder.items):
            entries = list(holder.items)
            entries[key] = value
            return Items(tuple(entries), holder.rest)
        return Items((), (*holder.every(), value))
    if isinstance(holder, Table):
        if isinstance(key, str | int) and ANY not in str(key) and len(holder.entries) < MAX_ITEMS:
            return Table({**holder.entries, key: value}, holder.rest)
        return Table(holder.entries, (*holder.rest, value))
    if isinstance(key, (str, int)):
        return holder.having(str(key), value, optional=ANY in str(key))
    return holder.having(NUMBER if holder.kind in ("Sequential", "ModuleList") else ANY, value, optional=True)
