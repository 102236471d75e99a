"""A zip archive of stored records, each with its data at a multiple of 64 bytes: what torch and numpy both read and torch maps."""

from collections.abc import Sequence
from struct import Struct, pack
from typing import Final, NamedTuple

from pthway import _lazy
from pthway.checkpoint.writing.layout import Block, Layout, Placed

_LOCAL: Final = Struct("<4s5H3L2H")
_CENTRAL: Final = Struct("<4s6H3L5H2L")
_ALIGNMENT: Final = 64
_FULL16: Final = 0xFFFF
_FULL32: Final = 0xFFFFFFFF
_VERSION: Final = 45
"""The zip version that brought 64-bit sizes."""
_UTF8: Final = 0x0800
_DAY: Final = 0x0021
"""1 January 1980: the same weights give the same file."""


class Entry(NamedTuple):
    """A record: some bytes, then a block, or one of the two."""

    name: str
    content: bytes
    block: Block | None = None

    @property
    def size(self) -> int:
        """Bytes of the record."""
        return len(self.content) + (self.block.nbytes if self.block else 0)


class _Placed(NamedTuple):
    entry: Entry
    header: int
    """Where its local header begins."""
    data: int
    """Where its bytes begin."""


def layout(entries: Sequence[Entry]) -> Layout:
    """The planned archive."""
    places: list[_Placed] = []
    end = 0
    for entry in entries:
        head = end + _LOCAL.size + len(entry.name.encode()) + len(_wide_local(entry)) + 4
        data = head + -head % _ALIGNMENT
        places.append(_Placed(entry, end, data))
        end = data + entry.size
    crc32 = _lazy.load("zlib_ng.zlib_ng:crc32")

    def frame(checksums: Sequence[int]) -> list[tuple[int, bytes]]:
        summed = iter(checksums)
        crcs = [next(summed) if place.entry.block else crc32(place.entry.content) for place in places]
        heads = [(place.header, _local(place, crc) + place.entry.content) for place, crc in zip(places, crcs, strict=True)]
        return [*heads, (end, _directory(places, crcs, end))]

    blocks = tuple(Placed(of.block, at + len(of.content), of.content) for of, _, at in places if of.block)
    return Layout(end + len(_directory(places, [0] * len(places), end)), blocks, frame)


def _wide_local(entry: Entry) -> bytes:
    return pack("<2H2Q", 1, 16, entry.size, entry.size) if entry.size >= _FULL32 else b""


def _local(place: _Placed, crc: int) -> bytes:
    entry, name = place.entry, place.entry.name.encode()
    wide = _wide_local(entry)
    padding = place.data - place.header - _LOCAL.size - len(name) - len(wide) - 4
    extra = wide + b"FB" + pack("<H", padding) + b"Z" * padding  # torch's own way to align
    size = min(entry.size, _FULL32)
    return _LOCAL.pack(b"PK\x03\x04", _VERSION, _UTF8, 0, 0, _DAY, crc, size, size, len(name), len(extra)) + name + extra


def _directory(places: list[_Placed], crcs: list[int], begin: int) -> bytes:
    records = b"".join(_central(place, crc) for place, crc in zip(places, crcs, strict=True))
    count, size = len(places), len(records)
    ends = b""
    if count >= _FULL16 or size >= _FULL32 or begin >= _FULL32:
        ends = pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, _VERSION, _VERSION, 0, 0, count, count, size, begin)
        ends += pack("<4sLQL", b"PK\x06\x07", 0, begin + size, 1)
    short = min(count, _FULL16)
    return records + ends + pack("<4s4H2LH", b"PK\x05\x06", 0, 0, short, short, min(size, _FULL32), min(begin, _FULL32), 0)


def _central(place: _Placed, crc: int) -> bytes:
    name, size = place.entry.name.encode(), place.entry.size
    wide = [value for value in (size, size, place.header) if value >= _FULL32]
    extra = pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size, header = min(size, _FULL32), min(place.header, _FULL32)
    head = _CENTRAL.pack(
        b"PK\x01\x02", _VERSION, _VERSION, _UTF8, 0, 0, _DAY, crc, size, size, len(name), len(extra), 0, 0, 0, 0, header
    )  # fmt: skip
    return head + name + extra
