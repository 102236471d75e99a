"""Finds the class or factory that an architecture is named by."""

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from pathlib import Path
from threading import RLock
from traceback import extract_tb
from types import ModuleType
from typing import Any, Final

from pthway.architecture.match import Architecture
from pthway.architecture.source_only import SourceOnly
from pthway.architecture.zoo.library import zoo_architecture
from pthway.errors import ArchitectureNotFound

LISTED: Final = 12
"""How many candidates an error names at most."""

_importing: Final = RLock()


def resolve(architecture: str | Path | Callable[..., Any]) -> Architecture:
    """Return the class or factory that *architecture* names.

    It may be an ``nn.Module`` subclass, any callable that builds a module, ``"file.py:Name"``, ``"package.module:Name"``, or
    a network of a library, ``"timm:resnet18"``; after the colon dots reach into a class. In ``"file.py"`` the name may be left out if
    the file defines one module class that no other one of its uses. Files and packages named here are imported, so
    their code runs; the file's own folder is importable meanwhile. Raises `ArchitectureNotFound`.
    """
    if not isinstance(architecture, str | Path):
        return Architecture(_name_of(architecture), _checked(architecture, _name_of(architecture)), _source(architecture))
    text = str(architecture)
    named = zoo_architecture(text)
    if named is not None:
        return named
    where, name = _split(text)
    if where.endswith(".py"):
        module = _import_file(Path(where), text)
        found = _attribute(module, name, text) if name else _only_class(module, text)
    else:
        module = _import_package(where, name, text)
        found = _attribute(module, name, text)
    return Architecture(text, _checked(found, text), _source(found))


def resolve_in(folders: Sequence[Path], text: str) -> Architecture:
    """Return the class that *text* names, with *folders* and the package of the file importable meanwhile. Raises as `resolve` does."""
    with importable(folders):
        return resolve(text)


@contextmanager
def importable(folders: Sequence[Path]) -> Iterator[None]:
    """Make what lies in *folders*, and in the packages that they are part of, importable meanwhile."""
    with _importing, ExitStack() as entered:
        for folder in folders:
            for root in dict.fromkeys((folder.absolute(), _above_package(folder.absolute()))):
                entered.enter_context(_beside(root))
        yield


def named(text: str) -> object:
    """Return whatever *text* names, a class of any kind or a function, as a constructor argument. Raises as `resolve` does.

    A file that is imported already is not imported again: its classes and enumerations stay those that the architecture compares with.
    """
    where, name = _split(text)
    if not where.endswith(".py"):
        return _attribute(_import_package(where, name, text), name, text)
    return _attribute(_loaded(Path(where)) or _import_file(Path(where), text), name, text)


def _loaded(path: Path) -> ModuleType | None:
    path = path.expanduser().resolve()
    known = (sys.modules.get(name) for name in (path.stem, _module_name(path)))
    return next((module for module in known if module is not None and getattr(module, "__file__", None) == str(path)), None)


def _above_package(folder: Path) -> Path:
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _split(text: str) -> tuple[str, str]:
    where, colon, name = text.rpartition(":")
    if not colon or "/" in name or "\\" in name or name.endswith(".py"):
        where, name = text, ""
    if not where or (colon and where != text and not all(part.isidentifier() for part in name.split("."))):
        raise ArchitectureNotFound(
            f"{text!r} does not name an architecture.",
            "After the colon stands the name of a class or function, before it a .py file or a package's module.",
            'Write it like "model.py:SimpleMLP" or "package.module:SimpleMLP".',
        )
    return where, name


# --- files and packages -----------------------------------------------------------------------------------------------


def _import_file(path: Path, text: str) -> ModuleType:
    path = path.expanduser()
    if not path.is_file():
        near = [str(path.parent / other) for other in _near(path.name, [p.name for p in path.parent.glob("*.py")])]
        raise ArchitectureNotFound(
            f"There is no file {path} ({text!r} names it).",
            f"A path is taken from the current folder, which is {Path.cwd()}.",
            f"Did you mean {near[0]}?" if near else "Correct the path.",
        )
    path = path.resolve()
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path, loader=SourceOnly(name, str(path)))
    if spec is None or spec.loader is None:
        raise ArchitectureNotFound(f"{path} cannot be imported.", "It is not a Python file.", "Name a .py file.")
    module = importlib.util.module_from_spec(spec)
    with _importing, _beside(path.parent):
        previous = sys.modules.get(name)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as cause:
            del sys.modules[name]
            if previous is not None:
                sys.modules[name] = previous
            raise _import_failed(text, path, cause) from cause
    return module


def _module_name(path: Path) -> str:
    return f"pthway_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Make the modules in *folder* importable, before any of the same name that came from elsewhere."""
    beside = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    foreign = {name for name in beside if _comes_from_elsewhere(name, folder)}
    shadowed = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in foreign}
    for name in shadowed:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.update(shadowed)


def _comes_from_elsewhere(name: str, folder: Path) -> bool:
    if name in sys.stdlib_module_names or name == "__main__" or name == "pthway":
        return False
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and Path(file).resolve() not in (folder / f"{name}.py", folder / name / "__init__.py")


def _import_package(where: str, name: str, text: str) -> ModuleType:
    if not name or not all(part.isidentifier() for part in where.split(".")):
        parent, _, last = where.rpartition(".")
        guess = f'"{parent}:{last}"' if parent and not name else '"model.py:SimpleMLP" or "package.module:SimpleMLP"'
        raise ArchitectureNotFound(
            f"{text!r} does not name an architecture.",
            "An architecture is a .py file or a package's module, a colon, and the name of a class or function.",
            f"Write it like {guess}.",
        )
    try:
        return importlib.import_module(where)
    except Exception as cause:
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing is not None and f"{where}.".startswith(f"{missing}."):
            raise ArchitectureNotFound(
                f"There is no module {missing} to import ({text!r} names it).",
                "A package has to be installed, or stand in a folder of PYTHONPATH.",
                f"pip install {missing.partition('.')[0]}, or name the file: {where.replace('.', '/')}.py:{name}",
            ) from cause
        raise _import_failed(text, None, cause) from cause


def _import_failed(text: str, path: Path | None, cause: Exception) -> ArchitectureNotFound:
    frames = extract_tb(cause.__traceback__)
    own = [frame for frame in frames if path is not None and frame.filename == str(path)] or frames[-1:]
    file, line = own[-1].filename, own[-1].lineno
    if isinstance(cause, SyntaxError) and cause.filename:
        file, line = cause.filename, cause.lineno
    code = next((frame.line for frame in reversed(own) if frame.lineno == line), "") or ""
    what = f"Importing {text!r} stops at {file}, line {line}" + (f": {code}" if code else ".")
    fix = f"Mend that line; `python {path or file}` shows the same error."
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        fix = f"pip install {cause.name.partition('.')[0]}"
    elif isinstance(cause, ImportError) and "relative import" in str(cause) and path is not None:
        root, dotted = _package_of(path)
        fix = f'Run it from {root} and name it by its package: "{dotted}:…"'
    return ArchitectureNotFound(what, f"{type(cause).__name__}: {cause}", fix)


def _package_of(path: Path) -> tuple[Path, str]:
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if len(names) == 1:
        return path.parent.parent, f"{path.parent.name}.{path.stem}"
    return folder, ".".join(names)


# --- names in a module ------------------------------------------------------------------------------------------------


def _attribute(module: ModuleType, name: str, text: str) -> object:
    found: object = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as cause:
            candidates = _candidates(found)
            near = _near(part, candidates)
            holder = text.rpartition(":")[0] if found is module else getattr(found, "__name__", "it")
            raise ArchitectureNotFound(
                f"{holder} has no {part!r}.",
                f"It has {_listed(candidates)}." if candidates else "It defines no class and no function.",
                f'Did you mean "{text.rpartition(":")[0]}:{name.replace(part, near[0])}"?' if near else "Name one of these.",
            ) from cause
    return found


def _candidates(holder: object) -> list[str]:
    """Return the public callables of *holder*: the module classes it defines first, then others, then functions."""
    public = {name: value for name, value in vars(holder).items() if callable(value) and not name.startswith("_")}
    home = getattr(holder, "__name__", None)

    def rank(name: str) -> tuple[bool, bool]:
        return not _is_module_class(public[name]), getattr(public[name], "__module__", None) != home

    return sorted(public, key=rank)


def _only_class(module: ModuleType, text: str) -> object:
    classes = {
        name: value
        for name, value in vars(module).items()
        if _is_module_class(value) and value.__module__ == module.__name__ and value.__name__ == name
    }
    used = _used_by_others(Path(module.__file__ or ""), classes)
    outer = [name for name in classes if name not in used]
    if len(outer) == 1:
        return classes[outer[0]]
    listed = outer or list(classes)
    raise ArchitectureNotFound(
        f"{text} defines {_listed(listed)}, and none was named." if listed else f"{text} defines no nn.Module subclass.",
        "The name may be left out only if the file defines one module class that no other one of its uses.",
        f'Write "{text}:{listed[0] if listed else "Name"}".',
    )


def _used_by_others(path: Path, classes: dict[str, Any]) -> set[str]:
    tree = ast.parse(path.read_bytes())
    return {
        name.id
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name in classes
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and name.id in classes and name.id != node.name
    }


def _checked(found: Any, text: str) -> Callable[..., Any]:
    if any(_is_torch_module(base) for base in type(found).__mro__):
        raise ArchitectureNotFound(
            f"{text} is a module that is built already.",
            "An architecture is a class or function that builds one; a live module needs none.",
            "Deploy it as it is: pthway.wrap(module).",
        )
    if isinstance(found, type) and not _is_module_class(found):
        raise ArchitectureNotFound(
            f"{text} is the class {found.__qualname__}, which is not a torch.nn.Module.",
            "An architecture is a subclass of torch.nn.Module, or a function that returns one.",
            "Name the class of the network itself.",
        )
    if not callable(found):
        raise ArchitectureNotFound(
            f"{text} is {type(found).__name__} and cannot be called.",
            "An architecture is a class or function that builds a module.",
            "Name the class itself, or a function that returns the module.",
        )
    return found  # type: ignore[no-any-return]


def _is_torch_module(cls: type) -> bool:
    # By name: looking needs no torch, and whoever derives from it has imported it.
    return cls.__module__ == "torch.nn.modules.module" and cls.__name__ == "Module"


def _is_module_class(value: object) -> bool:
    return isinstance(value, type) and any(_is_torch_module(base) for base in value.__mro__)


def _name_of(found: object) -> str:
    inner = _inner(found)
    return str(getattr(inner, "__qualname__", type(inner).__qualname__)).rpartition("<locals>.")[2]


def _source(found: object) -> Path | None:
    try:
        file = inspect.getsourcefile(inspect.unwrap(_inner(found)))
    except (TypeError, OSError):
        return None
    return Path(file).resolve() if file else None


def _inner(found: Any) -> Any:
    while isinstance(found, functools.partial):
        found = found.func
    return found


def _near(name: str, candidates: list[str]) -> list[str]:
    return get_close_matches(name, candidates, n=1, cutoff=0.5)


def _listed(names: list[str]) -> str:
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
