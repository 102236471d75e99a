"""What the corpus is made of: a file that is written by code, and the answer it must get."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pthway.checkpoint.safety import Verdict
from pthway.errors import PthwayError


class Refused(NamedTuple):
    """An error that names the matter."""

    error: type[PthwayError]
    match: str
    late: bool = False
    """The file may be described first; its numbers are never given out."""


class Read(NamedTuple):
    """A description, and every number."""

    tensors: int
    """In all state dicts together."""
    verdict: Verdict = Verdict.PLAIN
    says: str = ""
    """What the description mentions, as a regular expression."""


class Entry(NamedTuple):
    """One file, or folder of files."""

    name: str
    row: int | None
    """Number in the catalogue of hostile inputs (`catalogue.ROWS`); None for honest files beside it."""
    write: Callable[[Path], Path]
    """Writes it into an empty folder and returns what is to be opened."""
    answer: Refused | Read
    live: bool = False
    """It carries a payload that makes the folder ``mark`` when Python's or torch's loader unpickles the file."""
    meanwhile: Callable[[Path], object] | None = None
    """Done to the file while it is open."""
    heavy: bool = False
    """It takes a second or more, so that it is opened only once."""


Content = bytes | Callable[[Path], bytes]


def file(content: Content, name: str = "model.pth") -> Callable[[Path], Path]:
    """Writes one file; a function is given the folder, for payloads that leave their mark there."""

    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content(folder))
        return path

    return write


def files(contents: dict[str, Content], opened: str = ".") -> Callable[[Path], Path]:
    """Writes several files, with the folders they lie in; *opened* of them is the checkpoint."""

    def write(folder: Path) -> Path:
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content(folder))
        return folder / opened

    return write
