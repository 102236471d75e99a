"""The names of a program's variables, functions, tuples and methods in the written file."""

import ast
from keyword import iskeyword
from typing import Final

from pthway.architecture.scaffold.names import INNER, METHODS, Names, is_attribute
from pthway.architecture.scaffold.torchscript.operators import EXCEPTIONS
from pthway.architecture.scaffold.torchscript.program import Class, Program

_USED: Final = EXCEPTIONS | frozenset((
    "Enum", "F", "NamedTuple", "abs", "bool", "dict", "float", "getattr", "int", "len", "list", "max", "min", "nn", "range", "self", "str",
    "super", "torch", "tuple",
))  # fmt: skip
"""What a translated function uses by name."""


class Given:
    """Names that the functions and tuples of a program have in the written file, none of which a variable may hide."""

    def __init__(self, program: Program) -> None:
        names = Names()
        self.functions = {name: names.of_parameter((name.rpartition(".")[2],)) for name in program.functions}
        self.tuples = {name: names.of_class(held.kind) for name, held in program.classes.items() if _is_plain(held)}
        self.taken = frozenset((*self.functions.values(), *self.tuples.values()))

    def variables(self, function: ast.FunctionDef, *, method: bool) -> dict[str, str]:
        """The name in the file of every variable of a function, by its name in the program."""
        arguments = [argument.arg for argument in function.args.args]
        given = dict.fromkeys(arguments[:1] if method else [], "self")
        stored = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        found = [name for name in dict.fromkeys((*arguments, *stored)) if name not in given]
        used = {name for name in found if self._fits(name)}
        for name in found:
            given[name] = name if self._fits(name) else self._other(name, used)
            used.add(given[name])
        return given

    def _other(self, name: str, used: set[str]) -> str:
        """A free name that is like *name*."""
        wanted = f"{name}_" if is_attribute(name) or iskeyword(name) else "variable"
        while wanted in used or not self._fits(wanted):
            wanted += "_"
        return wanted

    def _fits(self, name: str) -> bool:
        return is_attribute(name) and name not in _USED and name not in self.taken


def method_name(name: str, held: Class) -> str:
    """The name of a method in the written class; empty where it would replace what every module has."""
    taken = name in METHODS - {"forward"} or name in INNER or name in held.attributes
    return "" if taken or not is_attribute(name) else name


def attribute_name(name: str) -> str:
    """The name of an attribute that is no tensor; empty where every module has another one of that name."""
    return "" if name in METHODS or name in INNER or not is_attribute(name) else name


def _is_plain(held: Class) -> bool:
    """Whether a class is a tuple with names or an enumeration, and nothing else."""
    names = {"NamedTuple": held.attributes, "Enum": held.constants or {}}.get(held.base, {})
    return bool(names) and not held.methods and all(attribute_name(name) and not name.startswith("_") for name in names)
