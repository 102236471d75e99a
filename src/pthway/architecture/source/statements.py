"""Follows the statements of a constructor."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pthway.architecture.source.expressions import assign, evaluate, function_of
from pthway.architecture.source.iteration import rounds
from pthway.architecture.source.values import UNKNOWN, Instance, truth

if TYPE_CHECKING:
    from pthway.architecture.source.frame import Frame
    from pthway.architecture.source.interpreter import Interpreter


def follow(run: Interpreter, body: Sequence[ast.stmt], frame: Frame) -> bool:
    """Return whether *body* surely ends the function, by ``return``, ``raise``, or the end of a round of a loop."""
    for node in body:
        run.step()
        if isinstance(node, ast.Return):
            frame.returned.append(None if node.value is None else evaluate(run, node.value, frame))
            return True
        if isinstance(node, (ast.Raise, ast.Continue, ast.Break)):
            return True
        if isinstance(node, ast.If):
            if _branch(run, node, frame):
                return True
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            if follow(run, node.body, frame):
                return True
        elif isinstance(node, ast.Try):
            if follow(run, [*node.body, *node.orelse, *node.finalbody], frame):
                return True
        else:
            _simple(run, node, frame)
    return False


def _simple(run: Interpreter, node: ast.stmt, frame: Frame) -> None:
    if isinstance(node, ast.Expr):
        evaluate(run, node.value, frame)
    elif isinstance(node, ast.Assign):
        value = evaluate(run, node.value, frame)
        for target in node.targets:
            assign(run, target, value, frame)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        assign(run, node.target, evaluate(run, node.value, frame), frame)
    elif isinstance(node, ast.AugAssign):
        changed = ast.BinOp(node.target, node.op, node.value)
        assign(run, node.target, evaluate(run, changed, frame), frame)
    elif isinstance(node, ast.For):
        _loop(run, node, frame)
    elif isinstance(node, ast.While):
        _repeat(run, node.body, frame)
    elif isinstance(node, ast.FunctionDef):
        frame.names[node.name] = function_of(node, frame)
    elif isinstance(node, ast.Delete):
        for target in node.targets:
            _delete(run, target, frame)
    elif isinstance(node, ast.Match):
        _cases(run, node, frame)
    elif isinstance(node, (ast.ClassDef, ast.Import, ast.ImportFrom)):
        _local(run, node, frame)


def _branch(run: Interpreter, node: ast.If, frame: Frame) -> bool:
    known = truth(evaluate(run, node.test, frame))
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
    evaluate(run, node.subject, frame)
    before = frame.save()
    for case in node.cases:
        now = frame.save()
        frame.restore(before)
        if not follow(run, case.body, frame):
            frame.join(now)
        else:
            frame.restore(now)


def _loop(run: Interpreter, node: ast.For, frame: Frame) -> None:
    given, more = rounds(evaluate(run, node.iter, frame))
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


def _delete(run: Interpreter, target: ast.expr, frame: Frame) -> None:
    if isinstance(target, ast.Name):
        frame.names.pop(target.id, None)
    elif isinstance(target, ast.Attribute):
        holder = evaluate(run, target.value, frame)
        if isinstance(holder, Instance):
            holder.set(target.attr, None)
        else:
            assign(run, target, None, frame)


def _local(run: Interpreter, node: ast.ClassDef | ast.Import | ast.ImportFrom, frame: Frame) -> None:
    if isinstance(node, ast.ClassDef):
        frame.names[node.name] = UNKNOWN
        return
    for name, value in run.imports(node, frame).items():
        frame.names[name] = value
