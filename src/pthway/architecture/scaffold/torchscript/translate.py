"""The modules of a TorchScript program as code: which methods, which values, which functions outside of classes."""

import ast
import math
from collections.abc import Mapping
from typing import Final

from pthway.architecture.scaffold.code import Code
from pthway.architecture.scaffold.names import printable, string
from pthway.architecture.scaffold.torchscript.expressions import Context, Uses
from pthway.architecture.scaffold.torchscript.functions import Lines, ascii_text, translated
from pthway.architecture.scaffold.torchscript.layers import TRACED, traced_settings
from pthway.architecture.scaffold.torchscript.names import Given, attribute_name, method_name
from pthway.architecture.scaffold.torchscript.nodes import NotTranslatedError, call, constant, path, variable
from pthway.architecture.scaffold.torchscript.order import runs_in_order, shape
from pthway.architecture.scaffold.torchscript.program import Class, Member, Numbers, Program
from pthway.architecture.scaffold.torchscript.types import written

MAX_SHOWN: Final = 300
"""Lines of a method that stand in the file as a comment where it is not translated."""


class Translator:
    """Translates the modules of one program."""

    def __init__(self, program: Program, constants: Mapping[str, Numbers]) -> None:
        self.program = program
        self.constants = constants
        self.given = Given(program)
        self.functions: dict[str, Code] = {}
        """Name in the file of each function that is used → its text, those first that others use."""
        self.tuples: dict[str, tuple[str, ...]] = {}
        self.known: dict[str, tuple[bool, bool]] = {}
        nodes = [node for held in program.classes.values() for method in held.methods.values() for node in ast.walk(method)]
        called = [node.func for node in nodes if isinstance(node, ast.Call)]
        self.called = frozenset(func.attr for func in called if isinstance(func, ast.Attribute))
        self.read = frozenset(node.attr for node in nodes if isinstance(node, ast.Attribute))

    def container(self, held: Class) -> str:
        """``Sequential`` or ``ModuleList`` for a module that is one and nothing else; empty for others."""
        children = [name for name, _ in self.program.children(held)]
        kind = held.kind.removeprefix("torch.nn.modules.container.")
        if children != [str(index) for index in range(len(children))] or not children:
            return ""
        if kind == "Sequential":
            return kind if runs_in_order(held, len(children)) else ""
        return kind if kind == "ModuleList" and "forward" not in held.methods else ""

    def layer(self, held: Class) -> bool:
        """Whether all methods of a traced module are the one operator of a layer of torch."""
        return self._known(held)[0]

    def same(self, held: Class) -> bool:
        """Whether all methods of a traced module, one for each of its calls, do the same."""
        return self._known(held)[1]

    def _known(self, held: Class) -> tuple[bool, bool]:
        if held.name not in self.known:
            traced = [method for name, method in held.methods.items() if TRACED.fullmatch(name)]
            equal = bool(traced) and all(shape(method) == shape(traced[0]) for method in traced[1:])
            layer = traced_settings(held) is not None
            self.known[held.name] = layer, layer or equal or bool(self.container(held))
        return self.known[held.name]

    def module(self, held: Class, tensors: frozenset[str], values: Mapping[str, object], *, is_root: bool) -> Code:
        """The code of a module whose own weights are *tensors* and whose attributes beside them have *values*."""
        texts = {name: text for name, value in values.items() if attribute_name(name) and (text := self._value(value)) is not None}
        numbers = {name: _tensor(value) for name, value in values.items() if attribute_name(name) and isinstance(value, Numbers)}
        context = self._context(held, tensors | texts.keys() | numbers.keys())
        uses, methods, failed = Uses(), [], 0
        for name, method in self._methods(held, is_root=is_root).items():
            lines = self._method(held, name, method, context, uses)
            methods.append(lines)
            failed += not lines.alike
        self._tuples(uses)
        for name in uses.functions:
            self._function(name)
        buffers = {f"constant_{index}": _tensor(self.constants[name]) for name, index in uses.constants.items()}
        return Code(
            tuple(lines for lines, _ in methods),
            tuple(alike or "\n".join(lines) for lines, alike in methods),
            tuple((name, text) for name, text in texts.items() if name in self.read),
            (*((name, text) for name, text in numbers.items() if name in self.read), *buffers.items()),
            frozenset(uses.names | ({"torch"} if failed or buffers or numbers.keys() & self.read else set())),
            failed,
        )

    def _context(self, held: Class | None, available: frozenset[str]) -> Context:
        given = self.given
        constants = frozenset(self.constants)
        return Context(self.program, given.functions, given.tuples, held, self.container, self.same, available, constants)

    def _methods(self, held: Class, *, is_root: bool) -> dict[str, ast.FunctionDef]:
        """The methods that are called or may be, by their names in the file."""
        called = self.called - {name for name in held.methods if TRACED.fullmatch(name) and self.same(held)}
        overloads = [name for name in held.methods if name.startswith("forward__") and name in called]
        found = {name: method for name, method in held.methods.items() if name in called or name == "forward" or is_root}
        for name in overloads:
            del found[name]
        if overloads and "forward" not in found:
            found["forward"] = held.methods[overloads[0]]
        return {name: method for name, method in found.items() if not name.startswith("__")}

    def _method(self, held: Class, name: str, method: ast.FunctionDef, context: Context, uses: Uses) -> Lines:
        own = Uses(uses.constants)
        try:
            if not method_name(name, held):
                raise NotTranslatedError(f"the name of the method {name[:80]!a}")
            lines = translated(method, name, context, self.given, own)
        except NotTranslatedError as reason:
            shown = name if method_name(name, held) else "untranslated"
            text = self.program.texts[held.file]
            return Lines(refusal(shown, "self, *inputs: object", f"{held.kind}.{name}", str(reason), _source(text, method)), "")
        uses.add(own)
        return lines

    def _function(self, full: str) -> None:
        """Make the text of a function, and of all that it uses, ready to be written."""
        waiting, done = [full], []
        while waiting:
            name = waiting.pop()
            if name in self.functions or name in done:
                continue
            done.append(name)
            file, function = self.program.functions[name]
            uses = Uses()
            try:
                lines = translated(function, self.given.functions[name], self._context(None, frozenset()), self.given, uses)
                code = Code((lines.lines,), imports=frozenset(uses.names))
            except NotTranslatedError as reason:
                uses = Uses()
                shown = refusal(
                    self.given.functions[name], "*inputs: object", name, str(reason), _source(self.program.texts[file], function)
                )
                code = Code((shown,), failed=1)
            self.functions[name] = code
            self._tuples(uses)
            waiting += uses.functions

    def _tuples(self, uses: Uses) -> None:
        for name in uses.tuples:
            self.tuples[name] = self._tuple(self.program.classes[name])

    def _tuple(self, held: Class) -> tuple[str, ...]:
        fields = [f"    {name}: {written(of) or 'object'}" for name, of in held.attributes.items()]
        if held.base == "Enum":
            fields = [f"    {name} = {_text(value)}" for name, value in (held.constants or {}).items()]
        return (f"class {self.given.tuples[held.name]}({held.base}):", *fields)

    def _value(self, value: object) -> str | None:
        """The text of an attribute; None for one that is no plain data."""
        if isinstance(value, Member):
            if value.kind not in self.given.tuples or (text := _text(value.value)) is None:
                return None
            self.tuples[value.kind] = self._tuple(self.program.classes[value.kind])
            return f"{self.given.tuples[value.kind]}({text})"
        return _text(value)


def refusal(name: str, arguments: str, full: str, reason: str, source: list[str]) -> tuple[str, ...]:
    """A function that says that it is not translated, with the program that it was as a comment."""
    shown = [f"    # | {printable(line)}".rstrip() for line in source[:MAX_SHOWN]]
    if len(source) > MAX_SHOWN:
        shown.append(f"    # … {len(source) - MAX_SHOWN:,} more lines")
    told = string(f"{full[:200]} is not translated: {reason}. The program that it was stands in this file.")
    return (
        f"def {name}({arguments}) -> object:",
        f"    # Not translated: {printable(reason)}. The program of the weights file:",
        *shown,
        f"    raise NotImplementedError({told})",
    )


def _source(text: str, function: ast.FunctionDef) -> list[str]:
    return text.split("\n")[function.lineno - 1 : function.end_lineno]


def _text(value: object) -> str | None:
    """A value as text of Python; None for one that is none of its literals."""
    try:
        return ascii_text(ast.unparse(_literal(value)))
    except NotTranslatedError:
        return None


def _literal(value: object) -> ast.expr:
    match value:
        case float() if not math.isfinite(value):
            return call(variable("float"), [ast.Constant(str(value))])
        case list():
            return ast.List([_literal(each) for each in value], ast.Load())
        case tuple() if type(value) is tuple:
            return ast.Tuple([_literal(each) for each in value], ast.Load())
        case dict():
            return ast.Dict([_literal(key) for key in value], [_literal(each) for each in value.values()])
    return constant(value).node


def _tensor(value: Numbers) -> str:
    """A small tensor as text of Python."""
    dtype = ast.keyword("dtype", path("torch", value.dtype))
    made = call(path("torch", "tensor"), [_literal(value.values)], [dtype])
    if 0 in value.shape:
        made = call(path("torch", "empty"), [_literal(value.shape)], [dtype])
    return ast.unparse(made)
