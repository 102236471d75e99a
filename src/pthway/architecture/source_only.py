"""Imports Python files by their text alone: bytecode beside them, which nobody compared with anything, is neither read nor written."""

import sys
from collections.abc import Mapping
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path
from typing import Any, Final

_folders: Final[set[Path]] = set()


class SourceOnly(SourceFileLoader):
    """The usual loader of source files, without the cache of bytecode."""

    def path_stats(self, path: str | bytes) -> Mapping[str, Any]:
        """Tell no time of change, without which importlib uses no cache."""
        raise OSError(f"{path!r} is compiled anew")


def source_only(folder: Path) -> None:
    """Let every later import from *folder*, and from the packages in it, be by `SourceOnly`; compiled modules are not found there."""
    folder = folder.absolute()
    if not _folders:
        sys.path_hooks.insert(0, _finder)
    _folders.add(folder)
    for entry in [entry for entry in sys.path_importer_cache if folder in (Path(entry), *Path(entry).parents)]:
        del sys.path_importer_cache[entry]


def _finder(entry: str) -> FileFinder:
    path = Path(entry)
    if _folders.isdisjoint((path, *path.parents)):
        raise ImportError("no such folder", path=entry)
    return FileFinder(entry, (SourceOnly, SOURCE_SUFFIXES))
