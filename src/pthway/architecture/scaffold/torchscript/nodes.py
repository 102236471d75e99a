"""Pieces of Python from which expressions are put together."""

import ast
from collections.abc import Sequence
from typing import Final, NamedTuple

from pthway.architecture.scaffold.names import is_attribute
from pthway.architecture.scaffold.torchscript import operators
from pthway.architecture.scaffold.torchscript.program import Class
from pthway.architecture.scaffold.torchscript.types import ANY, BOOL, DTYPE, FLOAT, INT, NONE, TENSOR, Type

_END: Final = (1 << 63) - 1
"""The end of a slice that has none."""
_DIMENSIONS: Final = 16


class NotTranslatedError(Exception):
    """What the translation does not know, in words for the reader of the file."""


class Typed(NamedTuple):
    """An expression in Python with its type."""

    node: ast.expr
    of: Type = ANY
    owner: Class | None = None
    """The class of a module, where it is one."""


def constant(value: object) -> Typed:
    """A literal with its type."""
    match value:
        case None:
            return Typed(ast.Constant(None), NONE)
        case bool() | int() | float() | str():
            return Typed(ast.Constant(value), Type(type(value).__name__))
    raise NotTranslatedError(f"a literal of type {type(value).__name__}")


def variable(name: str) -> ast.Name:
    """A name that is read."""
    return ast.Name(name, ast.Load())


def path(first: str, *names: str) -> ast.expr:
    """``first.names…``."""
    node: ast.expr = variable(first)
    for name in names:
        node = ast.Attribute(node, name, ast.Load())
    return node


def call(func: ast.expr, args: list[ast.expr], keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    """A call."""
    return ast.Call(func, args, list(keywords))


def joined(types: Sequence[Type]) -> Type:
    """The one type of all of them; `ANY` if they differ."""
    return types[0] if types and all(each == types[0] for each in types) else ANY


def library(name: str, known: ast.FunctionDef, given: list[ast.expr]) -> ast.expr:
    """A call of a function of torch.nn.functional: what the program's own copy of it has as a default is left out."""
    arguments = known.args.args
    if len(given) > len(arguments):
        raise NotTranslatedError(f"the arguments of {name}")
    defaults = [None] * (len(arguments) - len(known.args.defaults)) + list(known.args.defaults)
    plain_args: list[ast.expr] = []
    named: list[ast.keyword] = []
    for argument, default, value in zip(arguments, defaults, given, strict=False):
        if default is None and not named:
            plain_args.append(value)
        elif default is None or not _same(default, value):
            if not is_attribute(argument.arg):
                raise NotTranslatedError(f"the argument {argument.arg!a}")
            named.append(ast.keyword(argument.arg, value))
    return call(path("F", name), plain_args, named)


def text(template: str, given: list[ast.expr]) -> ast.expr:
    """A text with values in the places that are marked in it. Braces that mark none are braces: nothing can be named in them."""
    parts: list[ast.expr] = []
    for piece, value in zip(template.split("{}"), [*given, None], strict=True):
        parts += [ast.Constant(piece)] * bool(piece)
        parts += [ast.FormattedValue(value, -1)] if value is not None else []
    try:
        ast.unparse(made := ast.JoinedStr(parts))
    except ValueError as cause:  # texts in the values of a text, which Python has since 3.12
        raise NotTranslatedError("a text inside a text") from cause
    return made


def _same(one: ast.expr, other: ast.expr) -> bool:
    """Whether both are the same literal, or lists of the same."""
    if isinstance(one, ast.List) and isinstance(other, ast.List):
        return len(one.elts) == len(other.elts) and all(map(_same_literal, one.elts, other.elts))
    return _same_literal(one, other)


def _same_literal(one: ast.expr, other: ast.expr) -> bool:
    literals = isinstance(one, ast.Constant) and isinstance(other, ast.Constant)
    return literals and (type(one.value), one.value) == (type(other.value), other.value)  # type: ignore[attr-defined]


def arithmetic(name: str, left: Type, right: Type) -> Type:
    """What an operator of two operands gives."""
    if TENSOR in (left, right):
        return TENSOR
    if left.is_number and right.is_number:
        if name == "div" or FLOAT in (left, right):
            return FLOAT
        return BOOL if left == right == BOOL and name.startswith("__") else INT if name != "pow" else ANY
    return left if left == right else ANY


def same_types(left: Typed, right: Typed) -> tuple[Typed, Typed]:
    """Both sides of a comparison; a number of torch's for a type beside such a type as that type."""
    if DTYPE not in (left.of, right.of) or NONE in (left.of, right.of):
        return left, right
    return _as_type(left), _as_type(right)


def _as_type(value: Typed) -> Typed:
    if value.of == DTYPE:
        return value
    if isinstance(value.node, ast.Constant) and isinstance(value.node.value, int) and value.node.value in operators.DTYPES:
        return Typed(path("torch", operators.DTYPES[value.node.value]), DTYPE)
    raise NotTranslatedError("a type of numbers beside an integer")


def part_of(value: Typed, rest: list[Typed]) -> Typed:
    """``aten::slice``: a part of a tensor, along a dimension, or of a list or a text."""
    if value.of.name in ("List", "str"):
        return Typed(ast.Subscript(value.node, _range(rest), ast.Load()), value.of)
    if value.of != TENSOR:
        raise NotTranslatedError("a part of what may be a tensor or a list")
    dimension = _whole_number(rest[0].node) if rest else 0
    if dimension is None or not -_DIMENSIONS <= dimension < _DIMENSIONS:
        raise NotTranslatedError("a part of a tensor along a dimension that is no constant")
    bounds = _range(rest[1:])
    if not bounds.lower and not bounds.upper and not bounds.step:
        return value
    if dimension < 0:
        return Typed(_part(value.node, [ast.Constant(...), bounds, *[ast.Slice()] * (-dimension - 1)]), TENSOR)
    return Typed(_along(value.node, dimension, bounds), TENSOR)


def _along(base: ast.expr, dimension: int, bounds: ast.Slice) -> ast.expr:
    """A part of a tensor, joined with a part along earlier dimensions that it is taken of."""
    whole: list[ast.expr] = [ast.Slice()] * dimension
    if isinstance(base, ast.Subscript) and isinstance(base.slice, ast.Tuple | ast.Slice):
        earlier = base.slice.elts if isinstance(base.slice, ast.Tuple) else [base.slice]
        if all(isinstance(each, ast.Slice) for each in earlier) and len(earlier) <= dimension:
            base, whole = base.value, [*earlier, *whole[len(earlier) :]]
    return _part(base, [*whole, bounds])


def _part(base: ast.expr, index: list[ast.expr]) -> ast.expr:
    return ast.Subscript(base, ast.Tuple(index, ast.Load()) if len(index) > 1 else index[0], ast.Load())


def _whole_number(node: ast.expr) -> int | None:
    """The integer of a literal; None for anything else."""
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
    return None


def _range(bounds: list[Typed]) -> ast.Slice:
    start, end, step = [*(each.node for each in bounds), None, None, None][:3]
    return ast.Slice(_unless(start, (None, 0)), _unless(end, (None, _END)), _unless(step, (None, 1)))


def _unless(node: ast.expr | None, values: tuple[object, ...]) -> ast.expr | None:
    usual = isinstance(node, ast.Constant) and node.value in values and not isinstance(node.value, bool)
    return None if usual else node
