"""What an annotation says of a value: of what class of the tree it is."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pthway.architecture.source.outline import dotted, parsed
from pthway.architecture.source.values import UNKNOWN, Class, Typed, Value, choice

if TYPE_CHECKING:
    from pthway.architecture.source.interpreter import Interpreter
    from pthway.architecture.source.outline import Outline


def declared(run: Interpreter, cls: Class, name: str) -> Value:
    """Return what the attribute *name* is by the annotations of the bodies of *cls* and its bases; `UNKNOWN` if they say nothing."""
    for base in run.library.line(cls):
        node = annotation_of(base, name) if isinstance(base, Class) else None
        if isinstance(base, Class) and node is not None:
            return typed(run, base.home, node)
    return UNKNOWN


def annotation_of(cls: Class, name: str) -> ast.expr | None:
    """Return the annotation of *name* in the body of *cls*, if it has one and is a field: ``ClassVar`` marks what is none."""
    if name not in cls.outline.constants or ":" not in cls.outline.constants[name]:
        return None
    node = parsed(cls.outline.constants[name])
    if not isinstance(node, ast.AnnAssign):
        return None
    whole = node.annotation.value if isinstance(node.annotation, ast.Subscript) else node.annotation
    return None if dotted(whole).rpartition(".")[2] == "ClassVar" else node.annotation


def typed(run: Interpreter, home: Outline, node: ast.expr | None) -> Value:
    """Return what a value with this annotation may be; only classes of the tree that are no networks are told."""
    if isinstance(node, ast.Constant):
        if not isinstance(node.value, str):
            return None if node.value is None else UNKNOWN
        return typed(run, home, _expression(node.value))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return choice((typed(run, home, node.left), typed(run, home, node.right)))
    if isinstance(node, ast.Subscript):
        kind = dotted(node.value).rpartition(".")[2]
        if kind == "Optional":
            return choice((typed(run, home, node.slice), None))
        if kind == "Union" and isinstance(node.slice, ast.Tuple):
            return choice(typed(run, home, part) for part in node.slice.elts)
        return UNKNOWN
    if not isinstance(node, ast.Name | ast.Attribute):
        return UNKNOWN
    found = run.library.named(home, dotted(node))
    return Typed(found) if isinstance(found, Class) and not run.library.is_module(found) else UNKNOWN


def _expression(text: str) -> ast.expr | None:
    node = parsed(text)
    return node.value if isinstance(node, ast.Expr) else None
