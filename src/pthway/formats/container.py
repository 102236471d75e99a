"""A file taken apart into its description and the places of its tensors' bytes."""

import array
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, final

from pthway import _lazy
from pthway.formats import recognise
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Parts
from pthway.formats.tensors import DTYPES, StorageSpec
from pthway.formats.zip_archive import read_record, unpacked

Look = Callable[[StorageSpec, memoryview], None]
"""Is shown the next bytes of a storage."""

_SWAPS: Final = {2: "H", 4: "I", 8: "Q"}


@final
class Container:
    """An open weights file: what it says, and its storages' bytes on demand.

    Bytes are checked against their checksum once, before they are first given out.
    """

    __slots__ = ("_checked", "_maps", "_unpacked", "parts", "source")

    def __init__(self, source: FileBytes, parts: Parts) -> None:
        self.source, self.parts = source, parts
        self._maps: dict[int, mmap.mmap] = {}
        self._checked: set[str] = set()
        self._unpacked: dict[str, memoryview] = {}

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.source.path

    def maps(self, spec: StorageSpec) -> bool:
        """Whether the bytes of a storage lie in the file as they lie in memory: neither compressed nor in big-endian order."""
        record = self.parts.places[spec.key].record
        return (record is None or record.stored) and self.parts.byteorder == "little"

    def storage(self, spec: StorageSpec) -> memoryview:
        """The bytes of a storage, little-endian: a private map of the file where it can be mapped, else a copy.

        Writing to them changes neither the file nor what another program sees. Raises `CorruptFile` for a wrong checksum.
        """
        place = self.parts.places[spec.key]
        if self.maps(spec):
            self.check([spec])
            descriptor = place.source.descriptor
            if descriptor not in self._maps:
                self._maps[descriptor] = place.source.map()
            return memoryview(self._maps[descriptor])[place.offset : place.offset + place.size]
        if spec.key not in self._unpacked:
            self._unpacked[spec.key] = memoryview(self._copied(spec))
        return self._unpacked[spec.key]

    def check(self, specs: list[StorageSpec], look: Look | None = None, *, copies: bool = False) -> None:
        """Read the storages once, side by side, and compare their checksums. Raises `CorruptFile`.

        *look* is shown all their bytes on the way, little-endian and in order, in chunks of at most `file_bytes.CHUNK`; they are to be
        trusted when this returns; *copies* says that it writes them elsewhere. Without *look*, storages that are not mapped are left
        out: they are compared when they are copied.
        """
        todo = [spec for spec in specs if look is not None or (self.maps(spec) and spec.key not in self._checked)]
        if len(todo) > 1:
            pool_of = _lazy.load("concurrent.futures:ThreadPoolExecutor")
            with pool_of(min(len(os.sched_getaffinity(0)), len(todo))) as pool:
                list(pool.map(lambda spec: self._check_one(spec, look, copies=copies), todo))
        elif todo:
            self._check_one(todo[0], look, copies=copies)
        for source in {self.parts.places[spec.key].source for spec in specs}:
            source.check_unchanged()
        self._checked.update(spec.key for spec in todo if self.maps(spec))

    def _check_one(self, spec: StorageSpec, look: Look | None, *, copies: bool) -> None:
        place = self.parts.places[spec.key]
        if place.record is None and look is None:
            return
        if place.record is not None:
            chunks = unpacked(place.source, place.record, mapped=not copies)
        else:
            chunks = (place.source.chunks if copies else place.source.mapped)(place.offset, place.size)
        for chunk in chunks:
            if look is not None:
                look(spec, chunk if self.parts.byteorder == "little" else _swapped(chunk, spec.dtype))

    def _copied(self, spec: StorageSpec) -> bytearray:
        place = self.parts.places[spec.key]
        if place.record is None:
            content = bytearray(place.source.read(place.offset, place.size))
        else:
            content = bytearray(read_record(place.source, place.record, spec.nbytes))
        return content if self.parts.byteorder == "little" else bytearray(_swapped(memoryview(content), spec.dtype))


def _swapped(content: memoryview, dtype: str) -> memoryview:
    """*content* with the bytes of each number reversed."""
    width = DTYPES[dtype] // (2 if dtype.startswith("complex") else 1)
    if width not in _SWAPS:
        return content
    numbers = array.array(_SWAPS[width], bytes(content))
    numbers.byteswap()
    return memoryview(numbers).cast("B")


def open_container(path: str | os.PathLike[str]) -> Container:
    """Open a weights file, or a folder of them, by its content, whatever its name.

    Nothing in it is executed, and none of the weights' bytes are read. Raises `MissingFile`, `EmptyFile`, `NotWeights`,
    `TruncatedFile`, `CorruptFile` or `LimitExceeded`.
    """
    if Path(path).is_dir():
        source, parts = _lazy.load("pthway.formats.folder:read")(Path(path))
        return Container(source, parts)
    source = FileBytes.open(Path(path))
    return Container(source, recognise.read(source))
