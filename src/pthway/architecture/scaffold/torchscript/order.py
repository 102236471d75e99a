"""What the methods of a traced module do, as far as it can be seen from their form: run modules in order, or the same as each other."""

import ast
from typing import Final

from pthway.architecture.scaffold.torchscript.layers import TRACED
from pthway.architecture.scaffold.torchscript.program import Class

_DEEPEST: Final = 200
"""Calls inside one another; torch writes a few."""


def runs_in_order(held: Class, count: int) -> bool:
    """Whether its methods give their one argument to the modules ``0`` to *count* - 1, each taking what the one before it gives."""
    methods = [method for name, method in held.methods.items() if not name.startswith("__")]
    plain = all(map(TRACED.fullmatch, (method.name for method in methods)))
    return bool(methods) and plain and all(_runs(method, count) for method in methods)


def _runs(forward: ast.FunctionDef, count: int) -> bool:
    if len(forward.args.args) != 2:  # noqa: PLR2004  # the module and its input
        return False
    module, given = (argument.arg for argument in forward.args.args)
    return _Run(module, {given: 0}).through(forward.body) == count


class _Run:
    """Follows one value: how many of the modules it went through, in their order."""

    def __init__(self, module: str, values: dict[str, int]) -> None:
        self.module = module
        self.values = values
        self.modules: dict[str, int] = {}

    def through(self, body: list[ast.stmt]) -> int | None:
        """How many modules what is returned went through; None if anything else happens."""
        for line in body:
            match line:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    if name in self.values or name in self.modules:
                        return None
                    index, steps = self._module(value), self._steps(value, _DEEPEST)
                    if index is not None:
                        self.modules[name] = index
                    elif steps is not None:
                        self.values[name] = steps
                    else:
                        return None
                case ast.Return(value=ast.expr() as value):
                    return self._steps(value, _DEEPEST)
                case _:
                    return None
        return None

    def _module(self, node: ast.expr) -> int | None:
        match node:
            case ast.Call(func=ast.Name(id="getattr"), args=[ast.Name(id=self.module), ast.Constant(value=str(name))]) if name.isdecimal():
                return int(name[:9])
            case ast.Name(id=name):
                return self.modules.get(name)
        return None

    def _steps(self, node: ast.expr, depth: int) -> int | None:
        match node:
            case ast.Name(id=name):
                return self.values.get(name)
            case ast.Call(func=ast.Attribute(value=called, attr=str(name)), args=[given], keywords=[]) if depth and TRACED.fullmatch(name):
                before = self._steps(given, depth - 1)
                return before + 1 if before is not None and self._module(called) == before else None
        return None


def shape(function: ast.FunctionDef) -> list[tuple[object, ...]]:
    """What two functions share that differ in nothing but their own name and those of their variables."""
    numbers: dict[str, int] = {}
    found: list[tuple[object, ...]] = []
    for node in ast.walk(function):  # which goes through the tree level by level, so that the numbers of children tell it
        match node:
            case ast.Name(id=name) | ast.arg(arg=name):
                word: object = numbers.setdefault(name, len(numbers))
            case ast.Constant(value=value):
                word = (type(value), value)
            case ast.Attribute(attr=name):
                word = name
            case ast.keyword(arg=named):
                word = named
            case _:
                word = None
        found.append((type(node), word, sum(1 for _ in ast.iter_child_nodes(node))))
    return found
