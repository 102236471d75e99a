"""What a constructor's own source does with an argument: compares it with strings, counts it, calls it, reads keys from it.

Only the syntax tree is read. What it suggests is tried by building, so a wrong suggestion costs a build and nothing else.
"""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pthway.architecture.inherited import passed_on
from pthway.architecture.syntax import Function, function_of

DEPTH: Final = 5
"""How many calls an argument is followed into."""
OVER_ELEMENTS: Final = frozenset({"len", "enumerate", "zip", "reversed", "list", "tuple", "pairwise", "sorted", "sum", "iter"})
OF_SEQUENCES: Final = frozenset({"append", "copy", "extend", "index", "insert", "pop"})
OF_TEXT: Final = frozenset({"lower", "upper", "strip", "casefold"})
RECURRENT: Final = ("LSTM", "GRU", "RNN")
"""What ``getattr(nn, …)`` usually chooses from."""


@dataclass(slots=True)
class Read:
    """One key or attribute that is read from a configuration."""

    usage: "Usage"
    default: object = ...
    """What the source falls back to where the key is absent; ``...`` if it must be there."""


@dataclass(slots=True)
class Usage:
    """What the source does with one argument."""

    choices: dict[object, None] = field(default_factory=dict)
    """Strings it is compared with and keys it looks up, in the order of the source."""
    sequence: bool = False
    """Whether it is counted, sliced or gone through."""
    least: int = 0
    """The elements that it must have."""
    called: bool = False
    tested: bool = False
    """Whether a condition asks if it is true."""
    keys: dict[str, Read] = field(default_factory=dict)
    """What is read with ``["name"]`` or ``.get("name")``."""
    attributes: dict[str, Read] = field(default_factory=dict)
    """What is read with ``.name``."""


def usage(factory: Callable[..., Any], name: str) -> Usage:
    """Return what the source of *factory* does with its argument *name*; nothing where there is no source."""
    found = Usage()
    above = [each for each in passed_on(factory) if name in (parameter.name for parameter in each.parameters)]
    function = function_of(above[0].constructor, above[0].owner) if above else function_of(factory)
    if function is not None:
        _Follower(found).follow(function, {name}, 0)
    return found


@dataclass(slots=True)
class _Follower:
    """Notes what happens to one value under all the names that it is given."""

    found: Usage
    visited: set[tuple[int, frozenset[str]]] = field(default_factory=set)

    def follow(self, function: Function, names: Iterable[str], depth: int) -> None:
        texts = _aliases(function, set(names))
        mark = (id(function.function), frozenset(texts))
        if depth > DEPTH or mark in self.visited:
            return
        self.visited.add(mark)
        for text in sorted(texts):
            for node in function.mentions.get(text, ()):
                self.mention(function, node, depth)
        self.unpacked(function, texts)
        kept = {text for text in texts if text.startswith("self.")}
        if kept:
            for call in (node for node in ast.walk(function.tree) if isinstance(node, ast.Call)):
                method = function_of(function.callee(call), function.owner) if _is_of_self(call) and function.callee(call) else None  # type: ignore[arg-type]
                if method is not None:
                    self.follow(method, kept, depth + 1)

    def unpacked(self, function: Function, texts: set[str]) -> None:
        for target, value in function.assignments:
            if isinstance(target, ast.Tuple) and ast.unparse(value) in texts:
                self.elements(len(target.elts))

    def elements(self, least: int = 0) -> None:
        self.found.sequence, self.found.least = True, max(self.found.least, least)

    def mention(self, function: Function, node: ast.AST, depth: int) -> None:
        parent = function.parents.get(node)
        match parent:
            case ast.Compare():
                self.compared(function, node, parent)
            case ast.Subscript(value=value) if value is node:
                self.indexed(function, parent, depth)
            case ast.Subscript(value=table):
                self.choose(function.meaning(table))
            case ast.Attribute():
                self.attribute(function, parent, depth)
            case ast.Call(func=func) if func is node:
                self.found.called = True
            case ast.Call() | ast.keyword():
                self.passed(function, node, parent, depth)
            case ast.For(iter=over) | ast.comprehension(iter=over) if over is node:
                self.elements()
            case _:
                self.tested_or_joined(parent, node, function.parents.get(parent) if parent else None)

    def tested_or_joined(self, parent: ast.AST | None, node: ast.AST, outer: ast.AST | None) -> None:
        match parent:
            case ast.Starred():
                self.elements()
            case ast.BinOp(left=left, right=right) if isinstance(left, ast.List | ast.Tuple) or isinstance(right, ast.List | ast.Tuple):
                self.elements()
            case ast.If(test=test) | ast.IfExp(test=test) if test is node:
                self.found.tested = True
            case ast.BoolOp() | ast.IfExp() if isinstance(outer, ast.Call) and outer.func is parent:
                self.found.called = True
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                self.found.tested = True
            case ast.Match(cases=cases):
                patterns = [part for case in cases for part in ast.walk(case.pattern) if isinstance(part, ast.MatchValue)]
                self.choose([part.value.value for part in patterns if isinstance(part.value, ast.Constant)])

    def choose(self, values: object) -> None:
        if isinstance(values, dict | list | tuple | set | frozenset):
            self.found.choices.update(dict.fromkeys(value for value in values if isinstance(value, str)))

    def compared(self, function: Function, node: ast.AST, compare: ast.Compare) -> None:
        for operator, side in zip(compare.ops, compare.comparators, strict=True):
            other = side if side is not node else compare.left
            if isinstance(other, ast.Constant):
                self.choose([other.value])
            elif isinstance(operator, ast.In | ast.NotIn) and side is not node:
                self.choose(function.meaning(other))

    def indexed(self, function: Function, subscript: ast.Subscript, depth: int) -> None:
        match subscript.slice:
            case ast.Constant(value=str(key)):
                self.read(self.found.keys, key, function, ast.unparse(subscript), depth)
            case ast.Constant(value=int(index)):
                self.elements(index + 1)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(index))):
                self.elements(index)
            case _:
                self.elements()

    def attribute(self, function: Function, attribute: ast.Attribute, depth: int) -> None:
        call = function.parents.get(attribute)
        if not (isinstance(call, ast.Call) and call.func is attribute):
            if isinstance(attribute.ctx, ast.Load):
                self.read(self.found.attributes, attribute.attr, function, ast.unparse(attribute), depth)
        elif attribute.attr in OF_SEQUENCES:
            self.elements()
        elif attribute.attr in OF_TEXT:
            self.mention(function, call, depth)
        elif attribute.attr == "get" and call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
            default = _literal(call.args[1]) if len(call.args) > 1 else None
            self.read(self.found.keys, call.args[0].value, function, ast.unparse(call), depth, default, call)

    def read(  # noqa: PLR0913 - one read has this many sides
        self,
        group: dict[str, Read],
        name: str,
        function: Function,
        text: str,
        depth: int,
        default: object = ...,
        call: ast.Call | None = None,
    ) -> None:
        read = group.setdefault(name, Read(Usage(), default))
        inner = _Follower(read.usage, self.visited)
        if call is not None:
            inner.mention(function, call, depth)
        inner.follow(function, {text}, depth)

    def passed(self, function: Function, node: ast.AST, parent: ast.Call | ast.keyword, depth: int) -> None:
        call = function.parents[parent] if isinstance(parent, ast.keyword) else parent
        if not isinstance(call, ast.Call):
            return
        name = ast.unparse(call.func).rpartition(".")[2]
        if name in OVER_ELEMENTS:
            self.elements()
        elif name == "getattr":
            self.fetched(function, node, call, depth)
        else:
            self.into(function, node, call, depth)

    def fetched(self, function: Function, node: ast.AST, call: ast.Call, depth: int) -> None:
        if node is call.args[0] and isinstance(call.args[1], ast.Constant):
            default = _literal(call.args[2]) if len(call.args) > 2 else ...  # noqa: PLR2004 - getattr's third is the default
            self.read(self.found.attributes, str(call.args[1].value), function, ast.unparse(call), depth, default, call)
        elif node is call.args[1]:
            self.choose(RECURRENT)

    def into(self, function: Function, node: ast.AST, call: ast.Call, depth: int) -> None:
        target = function.callee(call)
        inner = None if target is None else function_of(target, function.owner if _is_of_self(call) else None)
        if inner is None:
            return
        spread = next((keyword for keyword in call.keywords if keyword.value is node), None)
        if spread is not None and spread.arg is None:
            self.spread(inner, depth)
            return
        bound = inner.parameters[1:] if inner.parameters[:1] == ["self"] else inner.parameters
        positions = [at for at, argument in enumerate(call.args) if argument is node]
        name = spread.arg if spread is not None else bound[positions[0]] if positions and positions[0] < len(bound) else None
        if name is not None:
            self.follow(inner, {name}, depth + 1)

    def spread(self, inner: Function, depth: int) -> None:
        arguments = inner.tree.args
        names = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs) if argument.arg != "self"]
        defaults: dict[str, object] = dict(
            zip(reversed([each.arg for each in arguments.args]), map(_literal, reversed(arguments.defaults)), strict=False)
        )
        defaults |= {each.arg: _literal(value) for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value}
        for name in names:
            self.read(self.found.keys, name, inner, name, depth + 1, defaults.get(name, ...))


def _aliases(function: Function, texts: set[str]) -> set[str]:
    """Return *texts* and every name that one of them is assigned to, also as the first of alternatives."""
    for target, value in function.assignments:
        options = value.values if isinstance(value, ast.BoolOp) else [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
        if isinstance(target, ast.Name | ast.Attribute) and any(ast.unparse(option) in texts for option in options):
            texts = texts | {ast.unparse(target)}
    return texts


def _is_of_self(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id="self") | ast.Call(func=ast.Name(id="super"))):
            return True
    return False


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ...
