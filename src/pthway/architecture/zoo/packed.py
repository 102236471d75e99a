"""The form that the index files of the package share: a head of JSON, arrays of numbers, and pages of text, unpacked one by one.

    16 bytes   what the file is
    u32 × 3    version, CRC-32 of everything after these numbers, bytes of the head
    head       zlib, JSON; its ``pages`` are the bytes and the number of texts of each page
    …          arrays, whose lengths the head has
    pages      LZMA, each some texts that are often asked for together

All numbers are little-endian.
"""

import json
import lzma
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from importlib.resources import files
from struct import Struct
from typing import Any, Final, NamedTuple, final

from pthway.errors import CorruptFile

NUMBERS: Final = Struct("<III")
BETWEEN: Final = "\n\n\n"
"""Stands between the texts of a page."""


class Form(NamedTuple):
    """One of the index files."""

    file: str
    magic: bytes
    version: int

    def read(self) -> bytes:
        """Return the file that ships with the package."""
        return (files("pthway.architecture.zoo") / self.file).read_bytes()

    def head(self, data: bytes) -> tuple[dict[str, Any], int]:
        """Return the head of the file and where the arrays begin. Raises `CorruptFile`."""
        start = len(self.magic) + NUMBERS.size
        if len(data) < start or data[: len(self.magic)] != self.magic:
            raise self._damaged("does not begin as an index does")
        version, checksum, size = NUMBERS.unpack_from(data, len(self.magic))
        if version != self.version:
            raise self._damaged(f"is of version {version}, and this pthway reads version {self.version}")
        if zlib.crc32(memoryview(data)[start:]) != checksum:
            raise self._damaged("has another checksum than was written with it")
        head: dict[str, Any] = json.loads(zlib.decompress(data[start : start + size]))
        return head, start + size

    def packed(self, head: dict[str, Any], arrays: Iterable["array[int]"], pages: Sequence[bytes]) -> bytes:
        """Return the bytes of a file; the inverse of reading it."""
        packed = zlib.compress(json.dumps(head, separators=(",", ":"), sort_keys=True).encode(), 9)
        body = b"".join([packed, *map(_little, arrays), *pages])
        return self.magic + NUMBERS.pack(self.version, zlib.crc32(body), len(packed)) + body

    def _damaged(self, how: str) -> CorruptFile:
        return CorruptFile(
            f"The index of networks, {self.file}, {how}.",
            "It is a file of pthway itself.",
            "Install pthway again: pip install --force-reinstall pthway",
        )


@final
class Pages:
    """The texts of a file, by number."""

    def __init__(self, data: memoryview, pages: Sequence[tuple[int, int]], at: int) -> None:
        self._data = data
        self._pages: list[tuple[int, int, int]] = []
        first = 0
        for size, count in pages:
            self._pages.append((first, at, at + size))
            first, at = first + count, at + size
        self._unpacked: dict[int, list[str]] = {}

    def text(self, number: int) -> str:
        """Return one text; its page stays unpacked until another is asked for."""
        page = next(at for at in reversed(range(len(self._pages))) if self._pages[at][0] <= number)
        first, start, end = self._pages[page]
        if page not in self._unpacked:
            self._unpacked = {page: lzma.decompress(self._data[start:end]).decode("utf-8").split(BETWEEN)}
        return self._unpacked[page][number - first]


def arrays(data: memoryview, at: int, sizes: Iterable[tuple[str, int]]) -> tuple[list["array[int]"], int]:
    """Return the arrays that begin at *at*, given type and length of each, and where they end."""
    found = []
    for kind, count in sizes:
        end = at + count * array(kind).itemsize
        found.append(_native(kind, data[at:end]))
        at = end
    return found, at


def _native(kind: str, data: memoryview) -> "array[int]":
    found = array(kind)
    found.frombytes(data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _little(values: "array[int]") -> bytes:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values.tobytes()
