"""Torch files inside a pickle: the bytes that ``torch.storage._load_from_bytes`` would be called with."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, final

from pthway import _lazy
from pthway.errors import CorruptFile, PthwayError, TruncatedFile
from pthway.formats import legacy_stream, limits
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Place
from pthway.formats.pickle_machine import Budget, Constructor, NeedMoreBytes, Pickled, decode
from pthway.formats.rebuild import CONSTRUCTORS
from pthway.formats.tensors import StorageSpec
from pthway.formats.values import Opaque

_FOLDER = "inside/"
"""Put before the keys of storages that lie in a pickle."""


class _Text(NamedTuple):
    """A run of bytes inside the pickle, read like a file."""

    path: Path
    content: bytes

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.content)

    def read(self, offset: int, count: int) -> bytes:
        """Exactly *count* bytes from *offset*."""
        if offset + count > len(self.content):
            raise TruncatedFile(f"A torch file inside {self.path} ends early.", "Its storage is cut off.", "Save it again.")
        return self.content[offset : offset + count]


@final
class Nested:
    """The torch files that are met inside the pickles of one file: their storages, and what else they hold.

    They share the *budget* of the file, and may together be a few times as long as *size*, the bytes of the pickles.
    """

    def __init__(self, source: FileBytes, size: int, budget: Budget | None = None) -> None:
        self.source = source
        self.budget = budget or Budget()
        self.bytes_left = limits.MAX_NESTING * size
        self.depth = 0
        self.storages: dict[str, StorageSpec] = {}
        self.contents: list[bytes] = []
        self.offsets: dict[str, tuple[int, int]] = {}
        """Storage → number of the content that holds it, and where in it."""
        self.found: list[Pickled] = []
        self.constructors: Mapping[tuple[str, str], Constructor] = {**CONSTRUCTORS, ("torch.storage", "_load_from_bytes"): self.load}

    def load(self, arguments: tuple[object, ...]) -> object:
        """What ``torch.storage._load_from_bytes`` would return: the object of the torch file in its argument."""
        (content,) = arguments
        if isinstance(content, Opaque) or not isinstance(content, bytes):
            raise ValueError("its argument is no bytes")
        self.bytes_left -= len(content)
        if self.bytes_left < 0:
            raise ValueError("one torch file is loaded again and again")
        if self.depth >= limits.MAX_NESTING:
            raise ValueError(f"torch files are nested more than {limits.MAX_NESTING} deep")
        self.depth += 1
        try:
            return self.legacy(content) if content.startswith(legacy_stream.MAGIC) else self.pickle(content)
        except PthwayError as cause:
            raise ValueError(f"the torch file inside cannot be read: {cause.what}") from cause
        finally:
            self.depth -= 1

    def legacy(self, content: bytes) -> object:
        """The object in a legacy stream, whose storages are kept."""
        number = len(self.contents)
        self.contents.append(content)
        stream = legacy_stream.take_apart(_Text(self.source.path, content), self.constructors, self.budget, f"{_FOLDER}{number}/")
        self.storages |= stream.storages
        self.offsets |= {key: (number, at) for key, at in stream.offsets.items()}
        self.found.append(stream.saved)
        return stream.saved.value

    def pickle(self, content: bytes) -> object:
        """The object in anything else, which torch would hand to pickle."""
        try:
            found = decode(content, 0, self.constructors, no_storage, self.budget)
        except NeedMoreBytes as cause:
            raise ValueError("the torch file inside is no legacy stream, and no whole pickle") from cause
        self.found.append(found)
        return found.value

    def joined(self, outer: Iterable[Pickled]) -> Pickled:
        """The first of the *outer* pickles, with what all of them and the files inside them would call and carry."""
        first, *others = outer
        everything = (first, *others, *self.found)
        return first._replace(
            calls=tuple(call for found in everything for call in found.calls),
            classes=tuple(dict.fromkeys(kind for found in everything for kind in found.classes)),
            globals=tuple(dict.fromkeys(name for found in everything for name in found.globals)),
        )

    def places(self) -> dict[str, Place]:
        """Where the storages lie: in a temporary file, since a text in a pickle may be encoded."""
        if not self.contents:
            return {}
        spooled: Callable[[FileBytes, Iterable[bytes]], FileBytes] = _lazy.load("pthway.formats.spool:spooled")
        spool = spooled(self.source, self.contents)
        begins, at = [], 0
        for content in self.contents:
            begins.append(at)
            at += len(content)
        return {
            key: Place(spool, begins[number] + offset, self.storages[key].nbytes, None) for key, (number, offset) in self.offsets.items()
        }

    def check_beside(self, table: Mapping[str, StorageSpec], byteorder: str = "little") -> None:
        """Raise `CorruptFile` if storages of the file itself have the names of some inside its pickle, or another byte order."""
        both = self.storages.keys() & table.keys()
        if both:
            raise CorruptFile(
                f"{self.source.path} has two storages named {min(both)!a}.", "It is not clear which bytes a tensor has.", "Save it again."
            )
        if self.storages and byteorder != "little":
            raise CorruptFile(
                f"{self.source.path} is big-endian, and the torch files inside its pickle are little-endian.",
                "One file has one order of bytes.",
                "Save it again on one machine.",
            )


def no_storage(identifier: object) -> object:
    """Refuses every persistent id: a pickle on its own has no storages beside it."""
    raise ValueError("its storages lie outside it; if it is the data.pkl of an unzipped file, pass the folder that holds it")
