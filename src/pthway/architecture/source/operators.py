"""What operators give: arithmetic, comparisons, and, or, not."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pthway.architecture.source.limits import MAX_ITEMS, MAX_NUMBER, MAX_TEXT
from pthway.architecture.source.values import (
    ANY,
    UNKNOWN,
    Builtin,
    Data,
    Items,
    Module,
    Table,
    Value,
    each,
    join,
    same,
    truth,
)

if TYPE_CHECKING:
    from pthway.architecture.source.frame import Frame
    from pthway.architecture.source.interpreter import Interpreter


def boolean(run: Interpreter, node: ast.BoolOp, frame: Frame) -> Value:
    """Return what ``and`` and ``or`` give."""
    decisive = isinstance(node.op, ast.Or)
    options: list[Value] = []
    for part in node.values[:-1]:
        value = run.evaluate(part, frame)
        known = truth(value)
        if known is decisive:
            options.append(value)
            return _any_of(options)
        if known is None:
            options += [option for option in each(value) if truth(option) is not (not decisive)]
    return _any_of([*options, run.evaluate(node.values[-1], frame)])


def _any_of(values: list[Value]) -> Value:
    joined = values[0]
    for value in values[1:]:
        joined = join(joined, value)
    return joined


def unary(run: Interpreter, node: ast.UnaryOp, frame: Frame) -> Value:
    """Return what ``not`` and ``-`` give."""
    value = run.evaluate(node.operand, frame)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        return UNKNOWN if known is None else not known
    if isinstance(node.op, ast.USub) and isinstance(value, int | float):
        return -value
    return value if isinstance(value, Data) else UNKNOWN


_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}


def arithmetic(run: Interpreter, node: ast.BinOp, frame: Frame) -> Value:
    """Return what ``+ - * / // % **`` give."""
    left, right = run.evaluate(node.left, frame), run.evaluate(node.right, frame)
    if isinstance(node.op, ast.Add) and isinstance(left, Items) and isinstance(right, Items):
        return left.plus(right)
    if isinstance(node.op, ast.Mult) and (isinstance(left, Items) or isinstance(right, Items)):
        return _multiplied(*((left, right) if isinstance(left, Items) else (right, left)))
    if isinstance(left, str) or (isinstance(right, str) and isinstance(node.op, ast.Add)):
        return _text(node.op, left, right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _number(node.op, left, right)
    data = next((value for value in (left, right) if isinstance(value, Data)), None)
    return UNKNOWN if data is None else data if isinstance(left, int | float) or isinstance(right, int | float) else Data()


def _multiplied(items: Items, times: Value) -> Items:
    if type(times) is int and not items.rest and 0 <= times * len(items.items) <= MAX_ITEMS:
        return Items(items.items * times)
    return Items((), items.every())


def _number(op: ast.operator, left: float, right: float) -> Value:
    if isinstance(op, ast.Pow):
        small = isinstance(left, int) and isinstance(right, int) and 0 <= right < 48 and abs(left) <= 2  # noqa: PLR2004  # powers of two
        return left**right if small else UNKNOWN
    known = _ARITHMETIC.get(type(op))
    if known is None or (right == 0 and not isinstance(op, ast.Add | ast.Sub | ast.Mult)):
        return UNKNOWN
    try:
        result = known(left, right)
    except (OverflowError, ArithmeticError):
        return UNKNOWN
    return result if abs(result) < MAX_NUMBER else UNKNOWN


def _text(op: ast.operator, left: Value, right: Value) -> Value:
    if isinstance(op, ast.Add):
        return f"{shown(left)}{shown(right)}"[:MAX_TEXT]
    if isinstance(op, ast.Mod) and isinstance(left, str):
        parts = iter(right.items if isinstance(right, Items) else (right,))
        text = left
        for mark in ("%d", "%s", "%i"):
            while mark in text:
                text = text.replace(mark, shown(next(parts, UNKNOWN)), 1)
        return text[:MAX_TEXT]
    return UNKNOWN


def shown(value: Value) -> str:
    """Return *value* as a part of a text: itself, or `ANY` where it is not known."""
    return str(value) if isinstance(value, str | int) else ANY


_COMPARED: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def comparison(run: Interpreter, node: ast.Compare, frame: Frame) -> Value:
    """Return what comparisons give, several in a row too."""
    values = [run.evaluate(part, frame) for part in (node.left, *node.comparators)]
    answers = [_compared(op, left, right) for op, left, right in zip(node.ops, values, values[1:], strict=False)]
    if False in answers:
        return False
    return UNKNOWN if None in answers else True


def _compared(op: ast.cmpop, left: Value, right: Value) -> bool | None:
    if isinstance(op, ast.Is | ast.IsNot):
        answer = _identical(left, right)
        return None if answer is None else answer is isinstance(op, ast.Is)
    if isinstance(op, ast.In | ast.NotIn):
        inside = _contained(left, right)
        return None if inside is None else inside is isinstance(op, ast.In)
    plain = (bool, int, float, str)
    if isinstance(left, plain) and isinstance(right, plain) and ANY not in f"{left}{right}":
        try:
            return bool(_COMPARED[type(op)](left, right))
        except TypeError:
            return None
    if isinstance(op, ast.Eq | ast.NotEq):
        answer = _identical(left, right)
        return None if answer is None else answer is isinstance(op, ast.Eq)
    return None


def _identical(left: Value, right: Value) -> bool | None:
    """Whether two values are one; None where it may be either."""
    unsure = (type(UNKNOWN), Builtin)
    lefts, rights = each(left), each(right)
    if any(isinstance(value, unsure) for value in (*lefts, *rights)):
        return None
    answers = {same(a, b) for a in lefts for b in rights}
    return answers.pop() if len(answers) == 1 else None


def _contained(left: Value, right: Value) -> bool | None:
    if not isinstance(left, str | int) or ANY in str(left):
        return None
    if isinstance(right, Table):
        return True if left in right.entries else (None if right.rest else False)
    if isinstance(right, Items):
        if any(same(left, entry) for entry in right.items):
            return True
        return None if right.rest or UNKNOWN in right.items else False
    if isinstance(right, Module) and not right.optional and not right.open:
        return str(left) in right.parts
    return left in right if isinstance(left, str) and isinstance(right, str) else None
