"""Says in words why a class fits a checkpoint, and how to name it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from pthway.architecture.source.matching import missing, unexplained
from pthway.architecture.source.ranking import Candidate

_SHOWN: Final = 3
"""Names in one reason."""


def reasons(candidate: Candidate) -> list[str]:
    """Return what speaks for the class and against it, the weightiest first."""
    return list(_reasons(candidate))


def _reasons(candidate: Candidate) -> Iterator[str]:
    fit, node = candidate.fit, candidate.node
    if candidate.named:
        yield f"the file names the class {candidate.cls.name}"
    every = "all" if fit.told == node.tensors else f"{fit.told} of"
    yield f"{every} {node.tensors} names are made by the class"
    if fit.shaped:
        yield f"{fit.shaped} shapes agree with what the source tells of them"
    if fit.contradicted:
        yield f"{fit.contradicted} shapes contradict the source"
    if fit.absent:
        yield f"the file lacks {fit.absent} tensors that the class makes{_named(missing(candidate.pattern, node))}"
    if fit.guessed:
        yield f"{fit.guessed} tensors lie below modules of which the source tells nothing"
    strange = node.tensors - fit.told - fit.guessed
    if strange:
        yield f"the class makes no name for {strange} tensors{_named(unexplained(candidate.pattern, node))}"
    if node.bare or fit.bare_absent:
        yield f"{fit.bare} of {node.bare} modules without tensors are made by the class"
    if candidate.prefix:
        yield f"without the prefix {candidate.prefix!r} of all names"


def _named(names: Iterator[str]) -> str:
    shown = list(islice(names, _SHOWN + 1))
    return f" ({', '.join(shown[:_SHOWN])}{', …' * (len(shown) > _SHOWN)})" if shown else ""


def spelling(candidate: Candidate) -> str:
    """Return the class as `pthway.load` takes it: ``package.module:Name`` in a package, ``path/file.py:Name`` elsewhere."""
    path = candidate.cls.home.path
    names, folder = [] if path.name == "__init__.py" else [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    where = ".".join(names) if (path.parent / "__init__.py").is_file() else shortest(path)
    return f"{where}:{candidate.cls.name}"


def shortest(path: Path) -> str:
    """Return *path* from the current folder, if it lies there."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def listed(candidates: Sequence[Candidate]) -> str:
    """Return the candidates with their scores, a line each."""
    return "".join(f"\n    {candidate.score:.3f}  {spelling(candidate)}" for candidate in candidates)
