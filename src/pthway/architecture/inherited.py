"""The arguments that a class passes on to the constructor above it, as ``*args`` and ``**kwargs``."""

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from types import FunctionType
from typing import Any, NamedTuple

from torch import nn

from pthway.architecture.syntax import Function, function_of


class PassedOn(NamedTuple):
    """A constructor above a class, and what a caller of the class may pass to it."""

    constructor: FunctionType
    owner: type
    parameters: tuple[inspect.Parameter, ...]


def passed_on(factory: Callable[..., Any]) -> Iterator[PassedOn]:
    """The constructors above the class *factory* that get the keywords which it does not name itself, nearest first.

    What a constructor gives to the one above it by place or by name is its own affair, and left out.
    """
    while isinstance(factory, partial):
        factory = factory.func
    if not isinstance(factory, type):
        return
    classes = [cls for cls in factory.__mro__ if isinstance(vars(cls).get("__init__"), FunctionType) and cls is not nn.Module]
    named: set[str] = set()
    carried = 0  # arguments by place that go through a constructor that has no names for them
    for cls, above in pairwise(classes):
        function = function_of(vars(cls)["__init__"], factory)
        call = _call_above(function) if function is not None else None
        if function is None or call is None:
            return
        named |= {*_names(function), *(keyword.arg for keyword in call.keywords if keyword.arg)}
        given = carried + sum(not isinstance(each, ast.Starred) for each in call.args)
        constructor = vars(above)["__init__"]
        kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
        parameters = [each for each in [*inspect.signature(constructor).parameters.values()][1:] if each.kind not in kinds]
        yield PassedOn(constructor, factory, tuple(each for each in parameters[given:] if each.name not in named))
        named |= {each.name for each in parameters}
        carried = max(0, given - len(parameters))


def _names(function: Function) -> tuple[str, ...]:
    arguments = function.tree.args
    return tuple(argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))


def _call_above(function: Function) -> ast.Call | None:
    """The call of the constructor above it that gets all further keywords; None if there is none, or several."""
    rest = function.tree.args.kwarg
    found = [
        node
        for node in ast.walk(function.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "__init__"
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == "super"
        and any(
            keyword.arg is None and isinstance(keyword.value, ast.Name) and rest and keyword.value.id == rest.arg
            for keyword in node.keywords
        )
    ]
    return found[0] if len(found) == 1 else None
