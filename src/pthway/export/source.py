"""The architecture's own source, copied into a bundle: its file and what it imports from beside it."""

import ast
import functools
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Final

from pthway.architecture.match import Architecture
from pthway.bundle import values
from pthway.bundle.manifest import Architecture as Described
from pthway.errors import NotExportable, UsageError

INSTALLED: Final = tuple(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
MAX_FILES: Final = 500
"""Files of source; a network has fewer of its own."""


def described(architecture: Architecture, arguments: dict[str, object], folder: Path) -> Described:
    """How eager torch builds the network again; its source, if it is the user's own, is copied to *folder*.

    Raises `NotExportable` for what cannot be imported again: a class of ``__main__`` or of a notebook, one inside a function, an
    argument that has no text.
    """
    copied: set[Path] = set()
    reference = functools.partial(reference_to, folder=folder, copied=copied)
    named = architecture.name if _is_of_a_library(architecture) else reference(architecture.factory)
    own = bool(copied)
    try:
        encoded = {name: values.encode(value, reference) for name, value in arguments.items()}
    except UsageError as refusal:
        raise NotExportable(refusal.what, refusal.why, refusal.fix) from refusal
    return Described(reference=named, arguments=encoded, source=own, requires=() if own else _requires(named))


def reference_to(found: object, *, folder: Path, copied: set[Path]) -> str:
    """How *found*, a class or function, is named in a bundle; its file is copied to *folder* if it is no installed one."""
    name, home = getattr(found, "__qualname__", None), getattr(found, "__module__", None)
    if name is None or home is None or "<" in name:
        raise _not_importable(found, "it has no name in a module, as one that is made inside a function")
    module = sys.modules.get(home)
    file = getattr(module, "__file__", None)
    if home == "__main__":
        raise _not_importable(found, "it is defined in the program that runs")
    if file is None or home.partition(".")[0] == "pthway" or any(root in Path(file).resolve().parents for root in INSTALLED):
        return f"{home}:{name}"
    path = Path(file).resolve()
    root = path.parents[home.count(".") + (path.name == "__init__.py")]
    _copy(path, root, folder, copied)
    inside = path.relative_to(root)
    where = inside.as_posix() if len(inside.parts) == 1 else ".".join(_module_parts(inside))
    return f"{where}:{name}"


def _is_of_a_library(architecture: Architecture) -> bool:
    return architecture.source is None and ":" in architecture.name


def _not_importable(found: object, why: str) -> NotExportable:
    return NotExportable(
        f"{getattr(found, '__qualname__', repr(found))} cannot be imported again: {why}.",
        "Eager torch needs the source of the network; its programs do not.",
        "Move it to a .py file of its own and import it from there",
    )


def _module_parts(inside: Path) -> tuple[str, ...]:
    parts = inside.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _copy(path: Path, root: Path, folder: Path, copied: set[Path]) -> None:
    """Copy *path*, the packages that it lies in, and every file below *root* that these import."""
    waiting = [path]
    while waiting:
        each = waiting.pop()
        if each in copied:
            continue
        if len(copied) == MAX_FILES:
            raise NotExportable(
                f"{path} imports more than {MAX_FILES} files from {root}.",
                "A bundle holds a network's own source.",
                "Install it as a package",
            )
        copied.add(each)
        target = folder / each.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.read_bytes() != each.read_bytes():
            raise NotExportable(
                f"Two files would be {target.relative_to(folder)} in the bundle; one is {each}.",
                "The network and the functions before and after it lie in one folder there.",
                "Rename one of them",
            )
        shutil.copyfile(each, target)
        waiting += [
            root / package / "__init__.py"
            for package in each.relative_to(root).parents
            if package.parts and (root / package / "__init__.py").is_file()
        ]
        waiting += _imported(each, root)


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """The files below *root* that *path* imports, as far as the text tells."""
    package = _module_parts(path.relative_to(root))[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
                if node.level
                else (node.module or "").split(".")
            )
            named = tuple(part for part in base if part)
            names = [named, *((*named, alias.name) for alias in node.names)]
        else:
            continue
        for parts in names:
            for place in (root.joinpath(*parts, "__init__.py"), root.joinpath(*parts).with_suffix(".py")):
                if parts and place.is_file():
                    yield place


def _requires(reference: str) -> tuple[str, ...]:
    package = reference.partition(":")[0].partition(".")[0]
    names = packages_distributions().get(package, [package])
    try:
        return tuple(f"{name}=={version(name)}" for name in names[:1])
    except PackageNotFoundError:
        return ()
