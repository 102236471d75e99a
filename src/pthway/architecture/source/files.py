"""The Python files of a source tree."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pthway.architecture.source.limits import MAX_FILE_BYTES, MAX_FILES
from pthway.errors import ArchitectureNotFound

_LEFT_OUT: Final = frozenset(("__pycache__", "node_modules"))


def python_files(roots: Sequence[Path]) -> list[Path]:
    """Return the Python files at and below *roots* in the order of their names, each once however it is linked.

    Hidden folders, virtual environments inside a root, ``__pycache__`` and ``node_modules`` are left out. Raises
    `ArchitectureNotFound` if a root does not exist, if there is no Python file, and for more than `MAX_FILES` of them.
    """
    files: dict[tuple[int, int], Path] = {}
    for root in roots:
        if not root.exists():
            raise ArchitectureNotFound(
                f"There is no folder {root}.", f"A path is taken from the current folder, which is {Path.cwd()}.", "Correct the path."
            )
        for path, identity in _below(root):
            files[identity] = min(path, files.get(identity, path))
            if len(files) > MAX_FILES:
                raise ArchitectureNotFound(
                    f"{root} holds more than {MAX_FILES:,} Python files.",
                    "Each of them would be parsed.",
                    "Name the folder in which the network is defined.",
                )
    if not files:
        raise ArchitectureNotFound(
            f"{', '.join(map(str, roots))} holds no Python file.",
            "The class of a network is looked for in files that end with .py.",
            "Name the folder in which the network is defined.",
        )
    return sorted(files.values())


def _below(root: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Walk without recursion, and into each folder once: links may lead back."""
    if root.is_file():
        yield root, _identity(root)
        return
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            here = _identity(folder)
        except OSError:
            continue  # not ours to read, or gone
        if here in seen or (folder != root and any(entry.name == "pyvenv.cfg" for entry in entries)):
            continue
        seen.add(here)
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _LEFT_OUT:
                continue
            if entry.is_dir():
                waiting.append(Path(entry.path))
            elif entry.name.endswith(".py") and entry.is_file():
                yield Path(entry.path), _identity(entry)


def _identity(entry: Path | os.DirEntry[str]) -> tuple[int, int]:
    status = entry.stat()
    return status.st_dev, status.st_ino


def read(path: Path) -> bytes | str:
    """Return the contents of a file, or the reason why it is left out."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as cause:
        return f"it cannot be read: {cause.strerror}"
    if len(content) > MAX_FILE_BYTES:
        return f"it is larger than {MAX_FILE_BYTES:,} bytes"
    return content
