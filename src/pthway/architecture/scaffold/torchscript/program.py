"""The classes and functions of a TorchScript program. The text is parsed, never run."""

import ast
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol, runtime_checkable

from pthway.architecture.scaffold.torchscript.types import Type, dotted, read

MAX_PARSED: Final = 1_000_000
"""Characters of a program that is parsed: translating as many takes some five seconds."""

_FOLDER: Final = "code/"
_MANGLED: Final = re.compile(r"___torch_mangle_\d+\.")


@runtime_checkable
class Numbers(Protocol):
    """A small tensor that is no weight."""

    @property
    def dtype(self) -> str:
        """Its type by torch's short name."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        ...

    @property
    def values(self) -> object:
        """Nested lists of numbers."""
        ...


@runtime_checkable
class Member(Protocol):
    """A member of an enumeration of the program."""

    @property
    def kind(self) -> str:
        """Full name of the enumeration."""
        ...

    @property
    def value(self) -> object:
        """What stands for it."""
        ...


class Class(NamedTuple):
    """A class of the program."""

    name: str
    """Its full name, such as ``__torch__.torch.nn.modules.conv.Conv2d``."""
    attributes: Mapping[str, Type]
    """Every attribute; those that are modules have the name of a class as their type."""
    buffers: frozenset[str]
    constants: Mapping[str, object] | None
    """What stands in it as constants; None in a program that was traced, which has them in its calls alone.

    Of an enumeration, its members.
    """
    methods: Mapping[str, ast.FunctionDef]
    base: str
    """``Module``, ``NamedTuple``, or another class that it is derived from; empty for none."""
    file: str

    @property
    def is_module(self) -> bool:
        """Whether it is a network or a part of one."""
        return self.base == "Module"

    @property
    def kind(self) -> str:
        """The name that it had before it was compiled, such as ``torch.nn.modules.conv.Conv2d``."""
        return plain(self.name)


class Program(NamedTuple):
    """All of a program."""

    texts: Mapping[str, str]
    classes: Mapping[str, Class]
    functions: Mapping[str, tuple[str, ast.FunctionDef]]
    """Full name of each function outside of classes → the file that it stands in, and its syntax."""
    assigned: frozenset[str]
    """Names of the attributes that the program changes when it runs."""

    def children(self, held: Class) -> list[tuple[str, Class]]:
        """The modules in a module, by name."""
        return [(name, self.classes[of.name]) for name, of in held.attributes.items() if of.name in self.classes]


def plain(name: str) -> str:
    """The full name of a class or function before it was compiled."""
    return _MANGLED.sub("", name).removeprefix("__torch__.")


def parse(texts: Mapping[str, str]) -> Program | None:
    """The program of the files *texts*; None for none, for one that is no Python, and past `MAX_PARSED`."""
    program = {name: text for name, text in texts.items() if name.startswith(f"{_FOLDER}__torch__")}
    if not program or sum(map(len, program.values())) > MAX_PARSED:
        return None
    classes: dict[str, Class] = {}
    functions: dict[str, tuple[str, ast.FunctionDef]] = {}
    assigned: set[str] = set()
    for path, text in program.items():
        home = path.removeprefix(_FOLDER).removesuffix(".py").replace("/", ".")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return None
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes[f"{home}.{node.name}"] = _class(f"{home}.{node.name}", node, path)
            elif isinstance(node, ast.FunctionDef):
                functions[f"{home}.{node.name}"] = (path, node)
        assigned |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    return Program(program, classes, functions, frozenset(assigned))


def _class(name: str, node: ast.ClassDef, file: str) -> Class:
    attributes: dict[str, Type] = {}
    constants: dict[str, object] = {}
    buffers: frozenset[str] = frozenset()
    base = ", ".join(map(dotted, node.bases))
    for line in node.body:
        match line:
            case ast.AnnAssign(target=ast.Name(id=known), annotation=ast.Subscript(value=ast.Name(id="Final")), value=ast.expr() as value):
                constants[known] = _literal(value)
            case ast.AnnAssign(target=ast.Name(id=known), annotation=annotation):
                attributes[known] = read(annotation)
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id="__annotations__"), slice=ast.Constant(value=str(known)))]):
                attributes[known] = read(line.value)
            case ast.Assign(targets=[ast.Name(id=known)], value=value) if base == "Enum":
                constants[known] = _literal(value)
            case ast.Assign(targets=[ast.Name(id="__buffers__")], value=ast.List(elts=names)):
                buffers = frozenset(each.value for each in names if isinstance(each, ast.Constant) and isinstance(each.value, str))
    methods = {line.name: line for line in node.body if isinstance(line, ast.FunctionDef)}
    return Class(name, attributes, buffers, constants or None, methods, base, file)


def _literal(node: ast.expr) -> object:
    """A constant of the program; an ellipsis, which is no setting, for what is none of Python's literals."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ...
