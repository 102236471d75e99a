"""Finds the classes of a source tree that a checkpoint may belong to."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pthway.architecture.source.files import python_files
from pthway.architecture.source.interpreter import Interpreter
from pthway.architecture.source.library import Library
from pthway.architecture.source.outline import Outline, outline
from pthway.architecture.source.ranking import Group, Progress, Sought, rank


@dataclass(frozen=True, slots=True)
class Found:
    """The classes of a source tree that fit a checkpoint, and what was looked at."""

    groups: tuple[Group, ...]
    """The best first; those that fit equally well are all there."""
    files: int
    classes: int
    left_out: Mapping[Path, str]
    """Files that were not looked into, each with the reason."""


def read_library(roots: Sequence[Path], progress: Progress) -> tuple[Library, dict[Path, str]]:
    """Return what the Python files at and below *roots* define, and the files that were left out, each with the reason."""
    paths = python_files(roots)
    outlines: list[Outline] = []
    left_out: dict[Path, str] = {}
    with _collector_paused():
        for done, path in enumerate(paths):
            progress("reading files", done, len(paths))
            found = outline(path)
            if isinstance(found, str):
                left_out[path] = found
            else:
                outlines.append(found)
    return Library(outlines), left_out


def find(roots: Sequence[Path], sought: Sought, *, top: int = 5, progress: Progress = lambda *_: None) -> Found:
    """Return the classes at and below *roots* that fit *sought* best; the files are parsed, and nothing in them is run.

    Raises `ArchitectureNotFound` if there is no Python file.
    """
    library, left_out = read_library([root.absolute() for root in roots], progress)
    groups = rank(Interpreter(library), sought, top, progress)
    classes = sum(map(library.is_module, library.classes()))
    return Found(tuple(groups), len(library.files), classes, left_out)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Syntax trees are large and hold no cycles; looking for some in them takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
