"""A file taken apart into its description and the places of its tensors' bytes."""

import array
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, final

from pthway import _lazy
from pthway.formats import limits, recognise
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Parts
from pthway.formats.tensors import DTYPES, StorageSpec
from pthway.formats.zip_archive import checksum_error, read_record

_CHUNK: Final = limits.MIB
"""Bytes that are checked at a time: they stay in the processor's cache between two looks."""

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

    def check(self, specs: list[StorageSpec], look: Callable[[StorageSpec, memoryview], None] | None = None) -> None:
        """Read the storages once, side by side, and compare their checksums. Raises `CorruptFile`.

        Storages that are not mapped are compared when they are copied. *look* is shown every chunk of at most 1 MiB on the way;
        chunks begin at multiples of 1 MiB.
        """
        todo = [spec for spec in specs if self.maps(spec) and (spec.key not in self._checked or look is not None)]
        if len(todo) > 1:
            pool_of = _lazy.load("concurrent.futures:ThreadPoolExecutor")
            with pool_of(min(len(os.sched_getaffinity(0)), len(todo))) as pool:
                list(pool.map(lambda spec: self._check_one(spec, look), todo))
        elif todo:
            self._check_one(todo[0], look)
        for source in {self.parts.places[spec.key].source for spec in specs}:
            source.check_unchanged()
        self._checked.update(spec.key for spec in todo)

    def _check_one(self, spec: StorageSpec, look: Callable[[StorageSpec, memoryview], None] | None) -> None:
        place = self.parts.places[spec.key]
        if place.record is None and look is None:
            return
        crc32 = _lazy.load("zlib_ng.zlib_ng:crc32")  # four times as fast as the zlib that comes with Python
        crc = 0
        buffer = memoryview(bytearray(min(_CHUNK, place.size)))
        for at in range(0, place.size, _CHUNK):
            chunk = buffer[: min(_CHUNK, place.size - at)]
            if os.preadv(place.source.descriptor, [chunk], place.offset + at) != len(chunk):
                raise place.source.changed()
            if place.record is not None:
                crc = crc32(chunk, crc)
            if look is not None:
                look(spec, chunk)
        if place.record is not None and crc != place.record.crc:
            raise checksum_error(place.source, place.record)

    def _copied(self, spec: StorageSpec) -> bytearray:
        place = self.parts.places[spec.key]
        if place.record is None:
            content = bytearray(place.source.read(place.offset, place.size))
        else:
            content = bytearray(read_record(place.source, place.record, spec.nbytes))
        if self.parts.byteorder == "big":
            width = DTYPES[spec.dtype] // (2 if spec.dtype.startswith("complex") else 1)
            if width in _SWAPS:
                numbers = array.array(_SWAPS[width], bytes(content))
                numbers.byteswap()
                content = bytearray(numbers.tobytes())
        return content


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
