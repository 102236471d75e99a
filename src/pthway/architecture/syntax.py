"""The source of a constructor as a tree, and what its names stand for. Nothing is executed."""

import ast
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import FunctionType
from typing import Any

Node = ast.AST


@dataclass(frozen=True)
class Function:
    """One function with its tree, and the class whose method it is."""

    function: FunctionType
    owner: type | None
    tree: ast.FunctionDef | ast.Lambda

    @cached_property
    def parents(self) -> dict[Node, Node]:
        """Each node's parent."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def mentions(self) -> Mapping[str, list[Node]]:
        """The nodes of names, attributes and subscripts that are read, by how they are written."""
        found: dict[str, list[Node]] = defaultdict(list)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load):
                found[ast.unparse(node)].append(node)
        return found

    @cached_property
    def assignments(self) -> list[tuple[ast.expr, ast.expr]]:
        """Each target with the value assigned to it."""
        found: list[tuple[ast.expr, ast.expr]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                found += [(target, node.value) for target in node.targets]
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                found.append((node.target, node.value))
        return found

    @property
    def parameters(self) -> list[str]:
        """The names of the arguments that may be passed by position."""
        return [argument.arg for argument in (*self.tree.args.posonlyargs, *self.tree.args.args)]

    def meaning(self, node: Node) -> Any:
        """Return the object that a name, an attribute or a literal stands for; None where that is not known before it runs."""
        match node:
            case ast.Name(id=name):
                local = [value for target, value in self.assignments if isinstance(target, ast.Name) and target.id == name]
                if local:
                    return self.meaning(local[-1]) if isinstance(local[-1], ast.Dict | ast.List | ast.Tuple | ast.Set) else None
                return self._closed_over(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                assigned = [value for target, value in self.assignments if ast.unparse(target) == f"self.{name}"]
                return self.meaning(assigned[-1]) if assigned else inspect.getattr_static(self.owner, name, None)
            case ast.Attribute(value=value, attr=name):
                holder = self.meaning(value)
                return None if holder is None else inspect.getattr_static(holder, name, None)
            case ast.Dict(keys=keys):
                return {key.value: None for key in keys if isinstance(key, ast.Constant)}
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return [element.value for element in elements if isinstance(element, ast.Constant)]
        return None

    def _closed_over(self, name: str) -> Any:
        cells = dict(zip(self.function.__code__.co_freevars, self.function.__closure__ or (), strict=True))
        if name in cells:
            return cells[name].cell_contents
        return self.function.__globals__.get(name)

    def callee(self, call: ast.Call) -> Callable[..., Any] | None:
        """Return what *call* calls, if it is a class or function that is known and no part of torch."""
        match call.func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                found = self._above(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                found = inspect.getattr_static(self.owner, name, None) if self.owner else None
            case func:
                found = self.meaning(func)
        if isinstance(found, staticmethod | classmethod):
            found = found.__func__
        known = callable(found) and not str(getattr(found, "__module__", "torch")).startswith(("torch.", "builtins"))
        return found if known else None

    def _above(self, name: str) -> Any:
        defining = [cls for cls in (self.owner.__mro__ if self.owner else ()) if self.function in vars(cls).values()]
        above = self.owner.__mro__[self.owner.__mro__.index(defining[0]) + 1 :] if self.owner and defining else ()
        return next((vars(cls)[name] for cls in above if name in vars(cls)), None)


def function_of(factory: Callable[..., Any], owner: type | None = None) -> Function | None:
    """Return the function that runs when *factory* is called; None where its source cannot be had."""
    while isinstance(factory, partial):
        factory = factory.func
    if isinstance(factory, type):
        owner, factory = factory, factory.__init__  # type: ignore[misc]
    plain = inspect.unwrap(factory)
    if not isinstance(plain, FunctionType):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    except (OSError, TypeError, SyntaxError):
        return None
    names = plain.__code__.co_varnames[: plain.__code__.co_argcount]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda) and (
            tuple(argument.arg for argument in (*node.args.posonlyargs, *node.args.args)) == names
        ):
            return Function(plain, owner, node)
    return None
