"""What one Python file defines: its classes, functions, constants and imports, as text that is parsed again when it is needed."""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pthway.architecture.source.files import read
from pthway.architecture.source.limits import MAX_PASSED, MAX_SEGMENT

_OF_INTEREST: Final = re.compile(rb"\bclass |\bdef |^(?:from|import) |^\w+ *[:=]", re.MULTILINE)
_ASSIGNED: Final = re.compile(r"\bself\.(\w+)\s*(?:,|\)|(?::[^=\n]+)?=(?!=))")
_REGISTERED: Final = re.compile(r"\b(?:add_module|register_\w+|setattr)\(\s*(?:self,\s*)?(?:name\s*=\s*)?[rb]?['\"](\w+)['\"]")
_INDIRECT: Final = re.compile(r"\bsetattr\(\s*self,\s*self\.(\w+)\s*,")
_DYNAMIC: Final = re.compile(
    r"\bsetattr\((?!\s*self,\s*self\.\w+\s*,)|\b(?:add_module|register_(?:buffer|parameter|module))\(\s*(?!['\"])|\b__dict__\b"
)
_PASSED: Final = re.compile(r"(?<=[(,=:\[ ])([A-Z]\w+)(?=\s*[,)}\]]|\n)")
_CALLED: Final = re.compile(r"\bself\.(\w+)\(")
_COMPUTING: Final = re.compile(
    r"^(?:_?forward\w*|\w*state_dict\w*|extra_repr|__(?:repr|str)__|post_init|reset_parameters|\w*init\w*_weights?\w*|from_pretrained|generate)$"
)
"""Methods that compute, fill parameters with numbers or describe: they make no modules."""


@dataclass(frozen=True, slots=True)
class Import:
    """Where an imported name comes from."""

    module: str
    level: int
    """Dots before the module."""
    attribute: str | None
    """The name in that module; None if the name stands for the module itself."""


@dataclass(slots=True, eq=False)
class ClassOutline:
    """A class, as far as its constructor goes."""

    name: str
    line: int
    bases: tuple[str, ...]
    """As they are written; empty for one that is no dotted name."""
    methods: dict[str, str] = field(default_factory=dict)
    """Name → source, without those that only compute."""
    constants: dict[str, str] = field(default_factory=dict)
    """Name in the class → source of the expression."""
    attributes: frozenset[str] = frozenset()
    """Names that ``self`` is given somewhere in the class."""
    indirect: frozenset[str] = frozenset()
    """Constants of the class that hold names which ``self`` is given."""
    dynamic: bool = False
    """Whether its constructor gives ``self`` names that are put together."""


@dataclass(slots=True, eq=False)
class Outline:
    """What a file defines at its top level."""

    path: Path
    imports: dict[str, Import] = field(default_factory=dict)
    stars: list[Import] = field(default_factory=list)
    classes: dict[str, ClassOutline] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    passed: tuple[str, ...] = ()
    """Classes of the file that stand in it as an argument or a value: what a constructor may be given to build with."""


def outline(path: Path) -> Outline | str:
    """Return what the file at *path* defines, or the reason why it is left out; the file is parsed, never run."""
    content = read(path)
    if isinstance(content, str):
        return content
    if not _OF_INTEREST.search(content):
        return Outline(path)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes that Python would like written otherwise
            tree = ast.parse(text)
    except (SyntaxError, UnicodeDecodeError, LookupError, ValueError) as cause:
        return f"it is not Python 3: {type(cause).__name__}"
    except (RecursionError, MemoryError):
        return "it is nested too deep to be parsed"
    found = Outline(path)
    lines = text.split("\n")
    for node in _statements(tree.body):
        _note(node, found, lines)
    passed = dict.fromkeys(name for name in _PASSED.findall(text) if name in found.classes)
    found.passed = tuple(passed)[:MAX_PASSED]
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements of the top level and below an ``if``, a ``try`` or a ``with``; what is tried comes after what is done instead."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If | ast.With):
            waiting += reversed([*node.body, *getattr(node, "orelse", [])])
        elif isinstance(node, ast.Try):
            handlers = [statement for handler in node.handlers for statement in handler.body]
            waiting += reversed([*handlers, *node.body, *node.orelse, *node.finalbody])  # what was tried wins
        else:
            yield node


def _note(node: ast.stmt, found: Outline, lines: list[str]) -> None:
    if _decorates(node, found):
        return
    for name in _named(node):
        for kind in (found.classes, found.functions, found.imports, found.constants):
            kind.pop(name, None)  # the last one counts, as when the file is run
    if isinstance(node, ast.ClassDef):
        found.classes[node.name] = _class(node, lines)
    elif isinstance(node, ast.FunctionDef):
        found.functions[node.name] = _segment(node, lines)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        found.imports |= imports(node)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            found.stars.append(Import(node.module or "", node.level, None))
    else:
        found.constants |= _constants(node, lines)


def _decorates(node: ast.stmt, found: Outline) -> bool:
    """Whether this is ``Name = decorated(Name)`` of a class above: another way to write a decorator, which gives the class back."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return False
    named = {target.id for target in node.targets if isinstance(target, ast.Name)} & found.classes.keys()
    return any(isinstance(argument, ast.Name) and argument.id in named for argument in node.value.args)


def _named(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return list(imports(node))
    return [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]


def imports(node: ast.Import | ast.ImportFrom) -> dict[str, Import]:
    """Return the names that an import brings."""
    if isinstance(node, ast.ImportFrom):
        named = [alias for alias in node.names if alias.name != "*"]
        return {alias.asname or alias.name: Import(node.module or "", node.level, alias.name) for alias in named}
    found = {}
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        found[name] = Import(alias.name if alias.asname else name, 0, None)
    return found


def _class(node: ast.ClassDef, lines: list[str]) -> ClassOutline:
    text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
    bases = tuple(dotted(base) for base in node.bases)
    names = frozenset((*_ASSIGNED.findall(text), *_REGISTERED.findall(text)))
    found = ClassOutline(node.name, node.lineno, bases, attributes=names, indirect=frozenset(_INDIRECT.findall(text)))
    for inner in _statements(node.body):
        if isinstance(inner, ast.FunctionDef):
            if not _COMPUTING.match(inner.name):
                found.methods[inner.name] = _segment(inner, lines)
        else:
            found.constants |= _constants(inner, lines)
    found.dynamic = any(_DYNAMIC.search(found.methods[name]) for name in _constructing(found.methods))
    return found


def _constructing(methods: dict[str, str]) -> set[str]:
    """Return the methods that the constructor calls, and those that they call."""
    reached: set[str] = set()
    waiting = ["__init__"]
    while waiting:
        name = waiting.pop()
        if name in methods and name not in reached:
            reached.add(name)
            waiting += _CALLED.findall(methods[name])
    return reached


def _segment(node: ast.FunctionDef, lines: list[str]) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _constants(node: ast.stmt, lines: list[str]) -> dict[str, str]:
    if isinstance(node, ast.Assign):
        targets = [target.id for target in node.targets if isinstance(target, ast.Name)]
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        targets = [node.target.id]
    else:
        return {}
    return dict.fromkeys(targets, "\n".join(lines[node.lineno - 1 : node.end_lineno]))


def dotted(node: ast.expr) -> str:
    """Return ``"a.b.c"`` for such an expression, and an empty text for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Subscript):  # Generic[T], Base[Config]
        return dotted(node.value) if not parts else ""
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


_MAKES: Final = re.compile(
    r"\bself\.\w+(?:\[[^\]\n]*\])?\s*(?::[^=\n]*)?=(?!=)|\bsetattr\(|\badd_module\(|\bregister_\w+\(|\.(?:append|extend)\("
    r"|(?<!raise )\b[A-Z]\w*[a-z]\w*\(|\bnn\.|Module|Sequential|Linear|Conv|Norm|Partial|partial"
)
_MODULES: Final = re.compile(r"\bnn\.|\bModule(?:List|Dict)\b|\bSequential\b|\badd_module\(")
_SHORT: Final = 1500


def is_worth_following(segment: str) -> bool:
    """Whether a function may make modules, or is so short that it may as well be followed for what it returns."""
    return len(segment) <= _SHORT or _MAKES.search(segment) is not None


def makes_modules(segment: str) -> bool:
    """Whether a method speaks of modules."""
    return _MODULES.search(segment) is not None


def parsed(segment: str) -> ast.stmt | None:
    """Return the statement that *segment* of a file holds, however far it is indented; None if it is too long to be followed."""
    if len(segment) > MAX_SEGMENT:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(f"if 1:\n{segment}" if segment[:1] in (" ", "\t") else segment)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    first = tree.body[0]
    return first.body[0] if isinstance(first, ast.If) else first
