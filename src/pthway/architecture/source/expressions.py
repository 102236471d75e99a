"""What the expressions of a constructor are known to be."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pthway.architecture.source.assignment import assign
from pthway.architecture.source.attributes import attribute
from pthway.architecture.source.calls import call_of
from pthway.architecture.source.limits import MAX_TEXT
from pthway.architecture.source.operators import arithmetic, boolean, comparison, shown, unary
from pthway.architecture.source.sequences import comprehension, dictionary, sequence, subscript, table_comprehension
from pthway.architecture.source.values import (
    ANY,
    UNKNOWN,
    Function,
    Value,
    join,
    truth,
)

if TYPE_CHECKING:
    from pthway.architecture.source.frame import Frame
    from pthway.architecture.source.interpreter import Interpreter


def evaluate(run: Interpreter, node: ast.expr, frame: Frame) -> Value:
    """Return what *node* is known to be in *frame*."""
    found = _KINDS.get(type(node))
    return UNKNOWN if found is None else found(run, node, frame)


def function_of(node: ast.FunctionDef | ast.Lambda, frame: Frame) -> Function:
    """Return the function that a definition inside a function makes."""
    around = {**(frame.around or {}), **frame.names}
    return Function(frame.home, node, frame.owner, around)


_PLAIN: Final = (bool, int, float)


def _constant(_run: Interpreter, node: ast.Constant, _frame: Frame) -> Value:
    value = node.value
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return value if value is None or isinstance(value, _PLAIN) else UNKNOWN


def _name(run: Interpreter, node: ast.Name, frame: Frame) -> Value:
    return run.name(node.id, frame)


def _attribute(run: Interpreter, node: ast.Attribute, frame: Frame) -> Value:
    return attribute(run, run.evaluate(node.value, frame), node.attr)


def _conditional(run: Interpreter, node: ast.IfExp, frame: Frame) -> Value:
    known = truth(run.evaluate(node.test, frame))
    if known is not None:
        return run.evaluate(node.body if known else node.orelse, frame)
    return join(run.evaluate(node.body, frame), run.evaluate(node.orelse, frame))


def _formatted(run: Interpreter, node: ast.JoinedStr, frame: Frame) -> Value:
    text = ""
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            plain = part.format_spec is None and part.conversion == -1
            text += shown(run.evaluate(part.value, frame)) if plain else ANY
        elif isinstance(part, ast.Constant):
            text += str(part.value)
    return text[:MAX_TEXT]


def _lambda(_run: Interpreter, node: ast.Lambda, frame: Frame) -> Value:
    return function_of(node, frame)


def _walrus(run: Interpreter, node: ast.NamedExpr, frame: Frame) -> Value:
    value = run.evaluate(node.value, frame)
    assign(run, node.target, value, frame)
    return value


_KINDS: Final[dict[type[ast.expr], Callable[[Interpreter, Any, Frame], Value]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: call_of,
    ast.List: sequence,
    ast.Tuple: sequence,
    ast.Set: sequence,
    ast.Dict: dictionary,
    ast.BoolOp: boolean,
    ast.UnaryOp: unary,
    ast.IfExp: _conditional,
    ast.BinOp: arithmetic,
    ast.JoinedStr: _formatted,
    ast.Compare: comparison,
    ast.Subscript: subscript,
    ast.ListComp: comprehension,
    ast.GeneratorExp: comprehension,
    ast.SetComp: comprehension,
    ast.DictComp: table_comprehension,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
}
