"""Follows the statements of a constructor."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from pthway.architecture.source.assignment import assign
from pthway.architecture.source.expressions import function_of
from pthway.architecture.source.iteration import rounds
from pthway.architecture.source.values import UNKNOWN, truth

if TYPE_CHECKING:
    from pthway.architecture.source.frame import Frame
    from pthway.architecture.source.interpreter import Interpreter


def follow(run: Interpreter, body: Sequence[ast.stmt], frame: Frame) -> bool:
    """Return whether *body* surely ends the function, by ``return``, ``raise``, or the end of a round of a loop."""
    return any(_ends(run, node, frame) for node in body)


def _ends(run: Interpreter, node: ast.stmt, frame: Frame) -> bool:
    run.step()
    if isinstance(node, ast.Return):
        frame.returned.append(None if node.value is None else run.evaluate(node.value, frame))
        return True
    if isinstance(node, (ast.Raise, ast.Continue, ast.Break)):
        return True
    if isinstance(node, ast.If):
        return _branch(run, node, frame)
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return follow(run, node.body, frame)
    if isinstance(node, ast.Try):
        return follow(run, [*node.body, *node.orelse, *node.finalbody], frame)
    if type(node) in _SIMPLE:
        _SIMPLE[type(node)](run, node, frame)
    return False


def _expression(run: Interpreter, node: ast.Expr, frame: Frame) -> None:
    run.evaluate(node.value, frame)


def _assignment(run: Interpreter, node: ast.Assign, frame: Frame) -> None:
    value = run.evaluate(node.value, frame)
    for target in node.targets:
        assign(run, target, value, frame)


def _annotated(run: Interpreter, node: ast.AnnAssign, frame: Frame) -> None:
    if node.value is not None:
        assign(run, node.target, run.evaluate(node.value, frame), frame)


def _augmented(run: Interpreter, node: ast.AugAssign, frame: Frame) -> None:
    assign(run, node.target, run.evaluate(ast.BinOp(node.target, node.op, node.value), frame), frame)


def _while(run: Interpreter, node: ast.While, frame: Frame) -> None:
    _repeat(run, node.body, frame)


def _definition(_run: Interpreter, node: ast.FunctionDef, frame: Frame) -> None:
    frame.names[node.name] = function_of(node, frame)


def _class(_run: Interpreter, node: ast.ClassDef, frame: Frame) -> None:
    frame.names[node.name] = UNKNOWN


def _import(run: Interpreter, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
    frame.names |= run.imports(node, frame)


def _branch(run: Interpreter, node: ast.If, frame: Frame) -> bool:
    known = truth(run.evaluate(node.test, frame))
    if known is not None:
        return follow(run, node.body if known else node.orelse, frame)
    before = frame.save()
    first_ends = follow(run, node.body, frame)
    after = frame.save()
    frame.restore(before)
    second_ends = follow(run, node.orelse, frame)
    if second_ends and not first_ends:
        frame.restore(after)
    elif not first_ends:
        frame.join(after)
    return first_ends and second_ends


def _cases(run: Interpreter, node: ast.Match, frame: Frame) -> None:
    run.evaluate(node.subject, frame)
    before = frame.save()
    for case in node.cases:
        now = frame.save()
        frame.restore(before)
        if not follow(run, case.body, frame):
            frame.join(now)
        else:
            frame.restore(now)


def _loop(run: Interpreter, node: ast.For, frame: Frame) -> None:
    given, more = rounds(run.evaluate(node.iter, frame))
    for value in given:
        assign(run, node.target, value, frame)
        follow(run, node.body, frame)
    if more is not None:
        _repeat(run, node.body, frame, node.target, more)
    follow(run, node.orelse, frame)


def _repeat(run: Interpreter, body: Sequence[ast.stmt], frame: Frame, target: ast.expr | None = None, value: object = UNKNOWN) -> None:
    """Follow *body* as often as it may be: what its first round changes is not known in the next."""
    before = frame.save()
    for following in (False, True):
        if following:
            frame.forget_changes(before)
        start = frame.save()
        if target is not None:
            assign(run, target, value, frame)
        follow(run, body, frame)
    frame.join(start)


def _delete(run: Interpreter, node: ast.Delete, frame: Frame) -> None:
    for target in node.targets:
        if isinstance(target, (ast.Name, ast.Attribute)):
            assign(run, target, None, frame)


_SIMPLE: Final[dict[type[ast.stmt], Callable[[Interpreter, Any, Frame], None]]] = {
    ast.Expr: _expression,
    ast.Assign: _assignment,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.For: _loop,
    ast.While: _while,
    ast.FunctionDef: _definition,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import,
    ast.Delete: _delete,
    ast.Match: _cases,
}
"""Statements after which the next one is followed, whatever they do."""
