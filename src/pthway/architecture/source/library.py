"""All files of a tree together: what a name means in one of them, and what a class derives from."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pthway.architecture.source.layers import is_layer
from pthway.architecture.source.outline import ClassOutline, Import, Outline, dotted, is_worth_following, makes_modules, parsed
from pthway.architecture.source.values import Class, File, Function, Namespace, Value

_MAX_HOPS: Final = 12
"""Files through which one import is followed."""
_TORCH: Final = "torch.nn."
_MODULE_WORDS: Final = ("Module", "Model", "Net", "Network")
"""Endings of the names of classes outside the tree that are taken for modules."""


@dataclass(frozen=True, slots=True)
class Constant:
    """An assignment at the top level of a file."""

    home: Outline
    source: str


class Missing:
    """What a name stands for that nobody defines; there is one, `MISSING`."""


MISSING: Final = Missing()


class Library:
    """The outlines of a tree, with what links them."""

    def __init__(self, outlines: Iterable[Outline]) -> None:
        self.files = {outline.path: outline for outline in outlines}
        self._named: dict[str, list[Outline]] = defaultdict(list)
        self._classes: dict[int, Class] = {}
        self._functions: dict[tuple[int, str], Function | None] = {}
        self._definitions: dict[tuple[int, str], Value] = {}
        self._found: dict[tuple[Path, str, int], Outline | None] = {}
        self._lines: dict[int, tuple[Class | Namespace, ...]] = {}
        self._builders: dict[int, bool] = {}
        self._heirs: dict[int, list[Class]] | None = None
        self._assigned: dict[str, dict[str, list[Class]]] = {}
        self.classes_of: dict[str, list[Class]] = defaultdict(list)
        """The classes of each name."""
        for outline in self.files.values():
            self._named[_module_name(outline.path)].append(outline)
            for each in outline.classes.values():
                made = self._classes[id(each)] = Class(outline, each)
                self.classes_of[each.name].append(made)

    def classes(self) -> Iterator[Class]:
        """Yield every class of the tree."""
        for named in self.classes_of.values():
            yield from named

    def the(self, outline: ClassOutline) -> Class:
        """Return the class that *outline* describes."""
        return self._classes[id(outline)]

    # --- names --------------------------------------------------------------------------------------------------------

    def definition(self, home: Outline, name: str, hops: int = 0) -> Value:
        """Return what *name* means at the top level of *home*: a class, function, file or something outside the tree.

        A constant is returned as its source. `MISSING` if nothing defines it.
        """
        key = (id(home), name)
        if key not in self._definitions:
            found = self._definition(home, name, hops)
            if hops:
                return found  # it may have been cut short
            self._definitions[key] = found
        return self._definitions[key]

    def _definition(self, home: Outline, name: str, hops: int) -> Value:
        if name in home.classes:
            return self.the(home.classes[name])
        if name in home.functions:
            return self.function(home, name, home.functions[name], None)
        if name in home.constants:
            return Constant(home, home.constants[name])
        if name in home.imports and hops < _MAX_HOPS:
            return self.imported(home, home.imports[name], hops + 1)
        for star in home.stars if hops < _MAX_HOPS else ():
            file = self._file(home, star.module, star.level)
            found = self.definition(file, name, hops + 1) if file is not None and file is not home else MISSING
            if file is None and star.module.startswith("torch") and is_layer(name):
                found = Namespace(f"{star.module}.{name}")
            if found is not MISSING:
                return found
        return MISSING

    def function(self, home: Outline, name: str, segment: str, owner: Class | None) -> Function | Missing:
        """Return a function of the file, or a method of *owner*; `MISSING` if its source cannot be followed."""
        key = (id(home) if owner is None else id(owner.outline), name)
        if key not in self._functions:
            node = parsed(segment) if name == "__init__" or is_worth_following(segment) else None
            self._functions[key] = Function(home, node, owner) if isinstance(node, ast.FunctionDef) else None
        found = self._functions[key]
        return MISSING if found is None else found

    def attribute(self, file: Outline, name: str) -> Value:
        """Return what *name* means in an imported file: something it defines, or a file beside it."""
        found = self.definition(file, name)
        if found is MISSING and file.path.name == "__init__.py":
            below = self._at(file.path.parent, [name])
            return MISSING if below is None else File(below)
        return found

    def imported(self, home: Outline, what: Import, hops: int = 0) -> Value:
        """Return what an import of *home* brings; what is not of the tree, by its name."""
        file = self._file(home, what.module, what.level)
        if what.attribute is None:
            return Namespace(what.module) if file is None else File(file)
        if file is not None and file is not home:
            found = self.definition(file, what.attribute, hops)
            if found is not MISSING:
                return found
        below = self._file(home, f"{what.module}.{what.attribute}".lstrip("."), what.level)
        if below is not None:
            return File(below)
        same_name = self.classes_of.get(what.attribute, [])
        if file is None and len(same_name) == 1 and not what.module.startswith("torch"):
            return same_name[0]
        return Namespace(f"{what.module}.{what.attribute}")

    def _file(self, home: Outline, module: str, level: int) -> Outline | None:
        key = (home.path, module, level)
        if key not in self._found:
            self._found[key] = self._searched(home, module, level)
        return self._found[key]

    def _searched(self, home: Outline, module: str, level: int) -> Outline | None:
        parts = module.split(".") if module else []
        folder = home.path.parent
        if level:
            for _ in range(level - 1):
                folder = folder.parent
            return self._at(folder, parts)
        for above in (folder, *folder.parents):
            found = self._at(above, parts)
            if found is not None and found is not home:
                return found
        named = [outline for outline in self._named.get(parts[-1], ()) if _ends_with(outline.path, parts)]
        return named[0] if len(named) == 1 and len(parts) > 1 else None

    def _at(self, folder: Path, parts: list[str]) -> Outline | None:
        where = folder.joinpath(*parts)
        return self.files.get(where / "__init__.py") or (self.files.get(where.with_name(f"{where.name}.py")) if parts else None)

    # --- classes ------------------------------------------------------------------------------------------------------

    def line(self, cls: Class) -> tuple[Class | Namespace, ...]:
        """Return *cls* and what it derives from, in the order in which methods are looked up.

        A base outside the tree stands there by its name. The order is Python's except where bases contradict each other.
        """
        key = id(cls.outline)
        if key not in self._lines:
            self._lines[key] = (cls,)  # a class that derives from itself
            above = [entry for base in cls.outline.bases for entry in self._base(cls.home, base)]
            last = {id(entry) if isinstance(entry, Class) else entry: at for at, entry in enumerate(above)}
            kept = [entry for at, entry in enumerate(above) if last[id(entry) if isinstance(entry, Class) else entry] == at]
            self._lines[key] = (cls, *(entry for entry in kept if entry is not cls))
        return self._lines[key]

    def _base(self, home: Outline, base: str) -> tuple[Class | Namespace, ...]:
        found = self.named(home, base)
        if isinstance(found, Class):
            return self.line(found)
        return (found if isinstance(found, Namespace) else Namespace(base),)

    def named(self, home: Outline, name: str) -> Value:
        """Return what a name with dots means in *home*, such as ``nn.Module`` or ``layers.Block``."""
        first, *others = name.split(".")
        found = self.definition(home, first)
        if found is MISSING and first in ("nn", "torch"):
            found = Namespace("torch.nn" if first == "nn" else "torch")
        for other in others:
            if isinstance(found, Namespace):
                found = Namespace(f"{found.name}.{other}")
            elif isinstance(found, File):
                found = self.attribute(found.outline, other)
            else:
                return MISSING
        if isinstance(found, Constant):  # it may be another name of a class
            source = parsed(found.source)
            alias = dotted(source.value) if isinstance(source, ast.Assign) else ""
            return self.named(found.home, alias) if alias and alias != name else MISSING
        return self._below(home, found) if isinstance(found, Namespace) else found

    def _below(self, home: Outline, found: Namespace) -> Value:
        """Return what a name such as ``package.file.Name`` means where the package itself is no file; else *found*."""
        module, dot, last = found.name.rpartition(".")
        file = self._file(home, module, 0) if dot and not module.startswith("torch") else None
        inside = MISSING if file is None else self.definition(file, last)
        return found if inside is MISSING else inside

    def builds(self, cls: Class) -> bool:
        """Whether *cls* may make modules: it is a network, a part of one, or its source speaks of them."""
        key = id(cls.outline)
        if key not in self._builders:
            self._builders[key] = self.is_module(cls) or any(map(makes_modules, cls.outline.methods.values()))
        return self._builders[key]

    def redefined(self, cls: Class, name: str) -> bool:
        """Whether a class that derives from *cls* gives *name* another meaning."""
        return any(name in heir.outline.constants or name in heir.outline.methods for heir in self._heirs_of(cls))

    def _heirs_of(self, cls: Class) -> list[Class]:
        if self._heirs is None:
            self._heirs = defaultdict(list)
            for each in self.classes():
                for base in self.line(each)[1:]:
                    if isinstance(base, Class):
                        self._heirs[id(base)].append(each)
        return self._heirs.get(id(cls), [])

    def text(self, cls: Class, name: str) -> str | None:
        """Return the text that *name* stands for in the body of *cls* or of its bases; None if it is none."""
        for base in self.line(cls):
            if isinstance(base, Class) and name in base.outline.constants:
                node = parsed(base.outline.constants[name])
                value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
                return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
        return None

    def with_constant(self, name: str, text: str) -> list[Class]:
        """Return the classes in whose own body *name* is assigned this text."""
        if name not in self._assigned:
            assigned = self._assigned[name] = defaultdict(list)
            for each in self.classes():
                if name in each.outline.constants and (own := self.text(each, name)) is not None:
                    assigned[own].append(each)
        return self._assigned[name].get(text, [])

    def is_module(self, cls: Class) -> bool:
        """Whether *cls* is a network: it derives from one of torch's, or from a class outside the tree that is called so."""
        return any(
            layer_name(base) is not None or base.name.endswith(_MODULE_WORDS) for base in self.line(cls) if isinstance(base, Namespace)
        )


_BARE: Final = frozenset(("object", "ABC", "Generic", "Protocol", "LightningModule", "PyTorchModelHubMixin", "Enum", "NamedTuple"))
"""Classes outside the tree that bring no tensors."""


def brings_tensors(base: Namespace) -> bool:
    """Whether a class outside the tree may give its heirs parts that the tree does not tell."""
    return base.name.rpartition(".")[2] not in _BARE


def layer_name(value: Value) -> str | None:
    """Return the name of the class of torch.nn that *value* is, or None."""
    if not isinstance(value, Namespace) or not value.name.startswith(_TORCH):
        return None
    last = value.name.rpartition(".")[2]
    return last if is_layer(last) else None


def _module_name(path: Path) -> str:
    return path.parent.name if path.name == "__init__.py" else path.stem


def _ends_with(path: Path, parts: list[str]) -> bool:
    found = path.parent.parts if path.name == "__init__.py" else (*path.parent.parts, path.stem)
    return list(found[-len(parts) :]) == parts
