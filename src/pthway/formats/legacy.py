"""The stream that torch 0.1.10 to 1.5 wrote: five pickles, then each storage with its length."""

from collections.abc import Callable, Mapping
from typing import Final

from pthway.errors import CorruptFile, NotWeights, TruncatedFile
from pthway.formats import limits
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Format, Parts, Place
from pthway.formats.pickle_machine import NeedMoreBytes, Pickled, decode, refuse_truncation
from pthway.formats.rebuild import CONSTRUCTORS, storages, whole
from pthway.formats.tensors import StorageSpec, StorageView
from pthway.formats.values import PickledDict

MAGIC: Final = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
"""The pickle of the number 0x1950a86a20f9469cfc6c, without its STOP."""

_PROTOCOL: Final = 1001
_FIRST_READ: Final = limits.MIB
_COUNT_BYTES: Final = 8


def read(source: FileBytes) -> Parts:
    """Take a legacy stream apart. Raises `TruncatedFile` with the missing bytes, or `CorruptFile`."""
    table, persistent = storages()
    stream = _Pickles(source, _persistent(persistent))
    stream.next()
    protocol, system = stream.next().value, stream.next().value
    if protocol != _PROTOCOL:
        raise CorruptFile(f"{source.path} has the protocol number {protocol!r}.", f"Legacy streams have {_PROTOCOL}.", "Save it again.")
    if isinstance(system, PickledDict) and system.get("little_endian") is False:
        raise NotWeights(
            f"{source.path} was written on a big-endian machine.", "Its numbers would be read in the wrong order.", "Save it as a zip."
        )
    saved = stream.next()
    keys = stream.next().value
    places, end = _places(source, stream.position, keys, table)
    trailing = source.size - end
    return Parts(
        format=Format.TORCH_LEGACY,
        root=saved.value,
        storages=table,
        places=places,
        calls=saved.calls,
        classes=saved.classes,
        byteorder="little",
        stem=None,
        written_by="torch 0.1.10 to 1.5, or later with _use_new_zipfile_serialization=False (legacy magic number)",
        notes=(f"{trailing:,} bytes follow the last storage; torch ignores them.",) if trailing else (),
    )


class _Pickles:
    """Pickles that follow each other in a file, read in a window that grows when one does not end in it."""

    def __init__(self, source: FileBytes, persistent: Callable[[object], object]) -> None:
        self.source, self.persistent, self.position = source, persistent, 0
        self.window, self.window_at = b"", 0

    def next(self) -> Pickled:
        """The next pickle."""
        length = max(_FIRST_READ, len(self.window))
        while True:
            if not self.window_at <= self.position < self.window_at + len(self.window):
                self.load(length)
            try:
                found = decode(self.window, self.position - self.window_at, CONSTRUCTORS, self.persistent)
            except NeedMoreBytes as cause:
                if self.window_at + len(self.window) >= self.source.size or length >= limits.MAX_PICKLE_BYTES:
                    raise refuse_truncation(cause, str(self.source.path)) from cause
                length = min(4 * max(length, cause.missing), limits.MAX_PICKLE_BYTES)
                self.load(length)
                continue
            self.position = self.window_at + found.end
            return found

    def load(self, length: int) -> None:
        """Read a window that begins at the next pickle."""
        self.window_at = self.position
        self.window = self.source.read(self.position, min(length, self.source.size - self.position))


def _persistent(storage: Callable[[object], StorageSpec]) -> Callable[[object], object]:
    """Ids of the legacy form: ``("module", class, file, source)`` is the class; a storage may be a view of another."""

    def persistent(identifier: object) -> object:
        match identifier if type(identifier) is tuple else None:
            case ("module", kind, _, _):
                return kind
            case (_, _, _, _, _, (_, offset, size)):
                return StorageView(storage(identifier), whole(offset, "the view's offset"), whole(size, "the view's size"))
            case _:
                return storage(identifier)

    return persistent


def _places(source: FileBytes, at: int, keys: object, table: Mapping[str, StorageSpec]) -> tuple[dict[str, Place], int]:
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise CorruptFile(f"{source.path} has no list of storages.", "A legacy stream names them after its pickle.", "Save it again.")
    names = [str(key) for key in keys]
    if len(set(names)) != len(names) or set(table) - set(names):
        raise CorruptFile(
            f"{source.path} lists {len(names)} storages, and its tensors need {len(table)}.", "The two lists differ.", "Save it again."
        )
    places: dict[str, Place] = {}
    for name in names:
        if name not in table:
            raise CorruptFile(f"{source.path} lists a storage {name!a} of unknown type.", "No tensor uses it.", "Save it again.")
        spec = table[name]
        if at + _COUNT_BYTES + spec.nbytes > source.size:
            needed = sum(_COUNT_BYTES + table[rest].nbytes for rest in names[len(places) :] if rest in table)
            raise TruncatedFile(
                f"{source.path} has {source.size:,} of {at + needed:,} bytes; {at + needed - source.size:,} are missing.",
                f"It breaks off in storage {len(places) + 1} of {len(names)}.",
                "Download or copy it again.",
            )
        count = int.from_bytes(source.read(at, _COUNT_BYTES), "little", signed=True)
        if count != spec.elements:
            raise CorruptFile(
                f"A storage of {source.path} is said to have {count:,} elements, and by its tensors {spec.elements:,}.",
                "Description and data do not belong together.",
                "Download or save it again.",
            )
        places[name] = Place(source, at + _COUNT_BYTES, spec.nbytes, None)
        at += _COUNT_BYTES + spec.nbytes
    return places, at
