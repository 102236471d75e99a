"""Functions and methods of a TorchScript program as text of Python, statement by statement."""

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from pthway.architecture.scaffold.torchscript import operators
from pthway.architecture.scaffold.torchscript.expressions import Context, Expressions, Uses
from pthway.architecture.scaffold.torchscript.names import Given
from pthway.architecture.scaffold.torchscript.nodes import NotTranslatedError, Typed, call, constant, variable
from pthway.architecture.scaffold.torchscript.types import ANY, INT, NONE, TENSOR, Type, dotted, read, written

MAX_STATEMENTS: Final = 20_000
"""Statements of one function; that of a traced network of 1,000 layers has 5,000."""
_SILENT: Final = frozenset(("torch.warn", "ops.aten.warn"))
"""What changes no number, and is left out."""


class Lines(NamedTuple):
    """A function in Python."""

    lines: tuple[str, ...]
    """Its text, not indented."""
    alike: str
    """The same with numbers in place of the variables' names, to compare it with others."""


def translated(function: ast.FunctionDef, name: str, context: Context, given: Given, uses: Uses) -> Lines:
    """A function under *name*. Adds to *uses*. Raises `NotTranslatedError`."""
    work = _Function(function, context, given, uses)
    made = work.translated(function, name)
    lines = tuple(ascii_text(ast.unparse(made)).splitlines())
    return Lines(lines, ast.dump(_Renamed(work.expressions.variables.values()).visit(made)))


class _Renamed(ast.NodeTransformer):
    """Numbers the variables in the order in which they are met."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self.numbers: dict[str, str] = {}

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """An argument by its number."""
        node.arg = self._number(node.arg)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:  # as ast calls it
        """A variable by its number; other names as they are."""
        node.id = self._number(node.id)
        return node

    def _number(self, name: str) -> str:
        return self.numbers.setdefault(name, str(len(self.numbers))) if name in self.names else name


class _Function:
    """One function, whose variables are known from its text alone."""

    def __init__(self, function: ast.FunctionDef, context: Context, given: Given, uses: Uses) -> None:
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        if sum(isinstance(node, ast.stmt) for node in ast.walk(function)) > MAX_STATEMENTS:
            raise NotTranslatedError(f"a function of more than {MAX_STATEMENTS:,} statements")
        self.context = context
        self.stored = Counter(node.id for node in names if isinstance(node.ctx, ast.Store))
        self.loaded = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        self.expressions = Expressions(context, given.variables(function, method=context.owner is not None), uses)

    def translated(self, function: ast.FunctionDef, name: str) -> ast.FunctionDef:
        uses, arguments = self.expressions.uses, function.args.args
        if function.args.vararg or function.args.kwarg or function.args.kwonlyargs or function.args.posonlyargs:
            raise NotTranslatedError("arguments of another kind")
        for argument in arguments:
            self.expressions.types[argument.arg] = read(argument.annotation)
        lists = self._lists(function)
        body = [*lists, *self._block(function.body)] or [ast.Pass()]
        taken = ast.arguments(
            posonlyargs=[],
            args=[self._argument(argument, is_self=self._is_self(argument)) for argument in arguments],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[_unchanging(self.expressions.of(default).node) for default in function.args.defaults],
        )
        made = ast.FunctionDef(name, taken, body, [], _annotation(read(function.returns), uses))
        made.type_params = []  # type: ignore[attr-defined]  # which Python has since 3.12
        return ast.fix_missing_locations(made)

    def _lists(self, function: ast.FunctionDef) -> list[ast.stmt]:
        """The lines that make lists of arguments whose default is one: in the written function it is a tuple, which no call can change."""
        defaults = function.args.defaults
        named = zip(function.args.args[len(function.args.args) - len(defaults) :], defaults, strict=True)
        names = [self.expressions.variables[argument.arg] for argument, default in named if isinstance(default, ast.List)]
        return [ast.Assign([ast.Name(name, ast.Store())], call(variable("list"), [variable(name)])) for name in names]

    def _is_self(self, argument: ast.arg) -> bool:
        return self.expressions.variables[argument.arg] == "self"

    def _argument(self, argument: ast.arg, *, is_self: bool) -> ast.arg:
        of = None if is_self else _annotation(read(argument.annotation), self.expressions.uses)
        return ast.arg(self.expressions.variables[argument.arg], of)

    # --- statements ------------------------------------------------------------------------------------------------------------

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            made += self._statement(statement)
            if made and isinstance(made[-1], ast.Raise | ast.Return):
                break
        return _returned_at_once(made)

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        match node:
            case ast.Pass():
                return []
            case ast.Return(value=None):
                return [ast.Return()]
            case ast.Return(value=ast.expr() as value):
                told = self.expressions.of(value)
                self.expressions.no_dtypes([told])
                return [ast.Return(told.node)]
            case ast.Expr(value=value):
                return self._effect(value) or [ast.Expr(self.expressions.of(value).node)]
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                return self._assign(target, value)
            case ast.If(test=test, body=body, orelse=orelse):
                return self._if(test, body, orelse)
            case ast.While(test=test, body=body, orelse=[]):
                condition = self.expressions.of(test).node
                return [ast.While(condition, self._block(body) or [ast.Pass()], [])]
            case ast.For(
                target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=[count], keywords=[]), body=body, orelse=[]
            ):
                self.expressions.types[name] = INT
                counted = call(variable("range"), [self.expressions.of(count).node])
                return [ast.For(self._target(ast.Name(name)), counted, self._block(body) or [ast.Pass()], [])]
        raise NotTranslatedError(f"the statement {type(node).__name__}")

    def _if(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> list[ast.stmt]:
        condition = self.expressions.of(test).node
        before = dict(self.expressions.types)
        then, after_then = self._block(body), self.expressions.types
        self.expressions.types = dict(before)
        otherwise = self._block(orelse)
        self.expressions.types = _merged(after_then, self.expressions.types)
        if not then and not otherwise:
            return [ast.Expr(condition)] if isinstance(condition, ast.Call) else []
        if not then:
            inner = condition.operand if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not) else None
            return [ast.If(inner or ast.UnaryOp(ast.Not(), condition), otherwise, [])]
        return [ast.If(condition, then, otherwise)]

    def _effect(self, value: ast.expr) -> list[ast.stmt] | None:
        """The statement of a call that is none of Python's expressions; None for the others."""
        if not isinstance(value, ast.Call):
            return None
        name = dotted(value.func)
        if name in _SILENT:
            return [ast.Pass()]
        match name, value.args:
            case "ops.prim.RaiseException", [message, *kinds]:
                return [_raised(self.expressions.of(message).node, kinds)]
            case (("torch._set_item" | "ops.aten._set_item"), [held, key, entry]):
                target = ast.Subscript(self.expressions.of(held).node, self.expressions.of(key).node, ast.Store())
                return [ast.Assign([target], self.expressions.of(entry).node)]
            case (("torch.Delete" | "ops.aten.Delete"), [held, key]):
                return [ast.Delete([ast.Subscript(self.expressions.of(held).node, self.expressions.of(key).node, ast.Del())])]
        return None

    def _assign(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        once = isinstance(target, ast.Name) and self.stored[target.id] == 1
        if isinstance(target, ast.Name) and once and dotted(value).startswith("__torch__.") and not self.expressions.is_member(value):
            self.expressions.aliases[target.id] = dotted(value)
            return []
        if (effect := self._effect(value)) is not None:
            return effect
        if isinstance(target, ast.Name) and target.id not in self.loaded and self.expressions.idle(value):
            return []
        told = self.expressions.of(value)
        if isinstance(target, ast.Name):
            if once and self._stands_for_itself(told):
                self.expressions.inlined[target.id] = told
                return []
            if target.id not in self.loaded:
                return [ast.Expr(told.node)] if isinstance(told.node, ast.Call) else []
            if told.of == NONE and isinstance(told.node, ast.Call):  # of a list that was changed, which torch gives back
                raise NotTranslatedError("the value of a call that gives none in Python")
            if told.owner is not None:
                raise NotTranslatedError("a module in a variable that changes")
        self._note(target, told.of)
        return [ast.Assign([self._target(target)], told.node)]

    def _stands_for_itself(self, told: Typed) -> bool:
        """Whether a variable needs no statement: it is a module, a literal, or an attribute that never changes."""
        if told.owner is not None or isinstance(told.node, ast.Constant):
            return True
        if told.of.name in self.context.tuples and isinstance(told.node, ast.Attribute) and not _of_module(told.node):
            return True
        return isinstance(told.node, ast.Attribute) and told.node.attr not in self.context.program.assigned and _of_module(told.node)

    def _target(self, target: ast.expr) -> ast.expr:
        match target:
            case ast.Name(id=name):
                return ast.Name(self.expressions.variables[name], ast.Store())
            case ast.Tuple(elts=elts):
                return ast.Tuple([self._target(each) for each in elts], ast.Store())
            case ast.Attribute(value=value, attr=name):
                told = self.expressions.attribute(self.expressions.of(value), name).node
                if isinstance(told, ast.Attribute):
                    return ast.Attribute(told.value, told.attr, ast.Store())
        raise NotTranslatedError(f"an assignment to {type(target).__name__}")

    def _note(self, target: ast.expr, of: Type) -> None:
        """Remember the types of the variables in *target*."""
        if isinstance(target, ast.Name):
            self.expressions.types[target.id] = of
        elif isinstance(target, ast.Tuple):
            inside = of.inside if of.name == "Tuple" and len(of.inside) == len(target.elts) else ()
            usual = TENSOR if of == TENSOR else of.element
            for index, each in enumerate(target.elts):
                self._note(each, inside[index] if inside else usual)


def _returned_at_once(body: list[ast.stmt]) -> list[ast.stmt]:
    """*body* without a variable that is returned in the line after it gets its value."""
    match body[-2:]:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value), ast.Return(value=ast.Name(id=given))] if name == given:
            return [*body[:-2], ast.Return(value)]
    return body


def _of_module(node: ast.expr) -> bool:
    """Whether it is a chain of attributes that begins at the module itself."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "self"


def _unchanging(default: ast.expr) -> ast.expr:
    return ast.Tuple(default.elts, ast.Load()) if isinstance(default, ast.List) else default


def _merged(one: Mapping[str, Type], other: Mapping[str, Type]) -> dict[str, Type]:
    return {name: of if other.get(name, of) == of else ANY for name, of in {**other, **one}.items()}


def _raised(message: ast.expr, kinds: list[ast.expr]) -> ast.stmt:
    told = kinds[0].value if kinds and isinstance(kinds[0], ast.Constant) else ""
    kind = str(told).removeprefix("builtins.")
    if isinstance(message, ast.Constant) and isinstance(message.value, str) and message.value.startswith("AssertionError: "):
        kind, message = "AssertionError", constant(message.value.removeprefix("AssertionError: ")).node
    return ast.Raise(call(variable(kind if kind in operators.EXCEPTIONS else "RuntimeError"), [message]))


def _annotation(of: Type, uses: Uses) -> ast.expr | None:
    text = written(of)
    if "torch." in text:
        uses.names.add("torch")
    return ast.parse(text, mode="eval").body if text else None


def ascii_text(text: str) -> str:
    """*text* with what is not ASCII escaped; all of that stands in string literals, since names are checked."""
    return "".join(char if char.isascii() else char.encode("ascii", "backslashreplace").decode() for char in text)
