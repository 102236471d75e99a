"""The directory of a zip archive, read strictly: one reading or none.

Layout after PKWARE's APPNOTE 6.3. Local headers must agree with the central directory, records may neither overlap nor
repeat, and nothing may stand before the first record or after the end: two programs must not see two archives.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Final, NamedTuple

from pthway import _lazy
from pthway.errors import CorruptFile, LimitExceeded, TruncatedFile
from pthway.formats import limits
from pthway.formats.file_bytes import CHUNK, FileBytes

_END: Final = Struct("<4s4H2LH")
_END64: Final = Struct("<4sQ2H2L4Q")
_LOCATOR64: Final = Struct("<4sLQL")
_CENTRAL: Final = Struct("<4s6H3L5H2L")
_LOCAL: Final = Struct("<4s5H3L2H")

LOCAL_SIGNATURE: Final = b"PK\x03\x04"
_FULL16: Final = 0xFFFF
_FULL32: Final = 0xFFFFFFFF
_END_SIGNATURE: Final = re.compile(b"PK\x05\x06")
_STREAMED: Final = 0x0008
_HONEST_FLAGS: Final = _STREAMED | 0x0800 | 0x0006
"""Sizes after the data, UTF-8 names, and the two bits by which deflate tells its effort."""

STORED: Final = 0
DEFLATED: Final = 8


class Record(NamedTuple):
    """One file of the archive."""

    name: str
    offset: int
    """Where its bytes begin in the archive."""
    packed: int
    """Bytes in the archive."""
    size: int
    """Bytes once unpacked; equal to `packed` when `stored`."""
    crc: int
    stored: bool
    header: int
    """Where its local header begins."""


def read_directory(source: FileBytes) -> Mapping[str, Record]:
    """The records of the archive by name, in the order of its directory.

    Raises `TruncatedFile` when the directory at the end is missing, `CorruptFile` when two readings are possible.
    """
    count, size, offset, end = _end(source)
    if count > limits.MAX_RECORDS or size > limits.MAX_DIRECTORY_BYTES:
        raise LimitExceeded(
            f"{source.path} is a zip with {count:,} records and a directory of {size:,} bytes.",
            f"At most {limits.MAX_RECORDS:,} records and {limits.MAX_DIRECTORY_BYTES:,} bytes are read; a checkpoint has one a storage.",
            "Check where the file came from.",
        )
    _check_one_end(source, offset)
    if offset + size != end:
        raise corrupt(source, "has a gap or an overlap between its directory and its end")
    records = _records(source, source.read(offset, size), count)
    _check_places(source, records, offset)
    return {record.name: record for record in records}


def ends_as_archive(source: FileBytes) -> bool:
    """Whether a program that looks for a zip from the end, as Python's does, finds one, whatever the file begins with."""
    tail_length = min(source.size, _END.size + _FULL16)
    tail = source.read(source.size - tail_length, tail_length)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        return False
    if tail[max(0, at - _LOCATOR64.size) : at].startswith(b"PK\x06\x07"):
        return True
    directory = source.size - tail_length + at - int(_END.unpack_from(tail, at)[5])
    return directory >= 0 and source.read(directory, len(LOCAL_SIGNATURE)) in (b"PK\x01\x02", b"PK\x05\x06")


def read_record(source: FileBytes, record: Record, limit: int) -> bytes:
    """The unpacked bytes of one record, checked against its checksum. Raises `LimitExceeded` above *limit* bytes."""
    if record.size > limit:
        raise LimitExceeded(
            f"The record {record.name} of {source.path} has {record.size:,} bytes.",
            f"At most {limit:,} are read of such a record.",
            "Check where the file came from.",
        )
    return b"".join(bytes(chunk) for chunk in unpacked(source, record))


def unpacked(source: FileBytes, record: Record, *, mapped: bool = False) -> Iterator[memoryview]:
    """The unpacked bytes of one record in chunks of at most `file_bytes.CHUNK`; each may overwrite the one before, unless *mapped*.

    They are to be trusted once the iterator is exhausted: then the checksum was compared. Raises `CorruptFile`, or
    `LimitExceeded` before anything is unpacked from a record that would grow out of proportion.
    """
    if not record.stored and record.size > max(limits.MAX_UNPACKED_FREELY, limits.MAX_UNPACKED_RATIO * record.packed):
        raise LimitExceeded(
            f"The record {record.name} of {source.path} grows from {record.packed:,} to {record.size:,} bytes when it is unpacked.",
            f"Above {limits.MAX_UNPACKED_FREELY:,} bytes at most {limits.MAX_UNPACKED_RATIO}× is unpacked; weights shrink little.",
            "Check where the file came from.",
        )
    # zlib-ng is four times as fast as the zlib that comes with Python, and takes longer to import than a small record to check.
    crc32 = _lazy.load("zlib_ng.zlib_ng:crc32") if record.size > CHUNK else zlib.crc32
    crc = 0
    stored = source.mapped if mapped else source.chunks
    for chunk in stored(record.offset, record.packed) if record.stored else _inflated(source, record):
        crc = crc32(chunk, crc)
        yield chunk
    if crc != record.crc:
        raise checksum_error(source, record)


def checksum_error(source: FileBytes, record: Record) -> CorruptFile:
    """The error for a record whose bytes are not those that were written."""
    return CorruptFile(
        f"The record {record.name} of {source.path} does not have the checksum that was written with it.",
        "At least one bit changed since the file was saved; torch would load the damaged numbers without a word.",
        "Download or copy the file again.",
    )


def corrupt(source: FileBytes, how: str) -> CorruptFile:
    """The error for an archive that can be read in two ways."""
    return CorruptFile(
        f"The zip archive {source.path} {how}.",
        "Different programs would read it differently, so that it is not clear what it holds.",
        "Download the file again, or save it again with torch.save.",
    )


def _inflated(source: FileBytes, record: Record) -> Iterator[memoryview]:
    decoder, ready, size = zlib.decompressobj(-zlib.MAX_WBITS), bytearray(), 0
    for packed in source.chunks(record.offset, record.packed):
        rest, piece = bytes(packed), b"?"
        while (rest or piece) and size <= record.size:
            try:
                piece = decoder.decompress(rest, CHUNK)
            except zlib.error as cause:
                raise corrupt(source, f"has a record {record.name} that cannot be unpacked") from cause
            rest, size = decoder.unconsumed_tail, size + len(piece)
            ready += piece
            if len(ready) > CHUNK:
                yield memoryview(bytes(ready[:CHUNK]))
                del ready[:CHUNK]
    if size != record.size or not decoder.eof or decoder.unused_data:
        raise corrupt(source, f"has a record {record.name} that does not unpack to its {record.size:,} bytes")
    yield memoryview(bytes(ready))


def _end(source: FileBytes) -> tuple[int, int, int, int]:
    """Number of records, size and offset of the directory, and where it must end."""
    tail_length = min(source.size, _END.size + _FULL16)
    tail = source.read(source.size - tail_length, tail_length)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise _truncated(source)
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(tail, at)
    end = source.size - tail_length + at
    if end + _END.size + comment != source.size:
        raise corrupt(source, "goes on after its end")
    if end >= _LOCATOR64.size:
        signature, start_disk, end64, disks = _LOCATOR64.unpack(source.read(end - _LOCATOR64.size, _LOCATOR64.size))
        if signature == b"PK\x06\x07":
            if start_disk or disks > 1:
                raise corrupt(source, "is spread over several disks")
            return _end64(source, end64, (count, size, offset))
    if disk or first_disk or here != count:
        raise corrupt(source, "is spread over several disks")
    return count, size, offset, end


def _check_one_end(source: FileBytes, directory: int) -> None:
    """Refuse a second end from which another reader could begin. The end of an archive inside a record is none."""
    tail_length = min(source.size, _END.size + _FULL16)
    tail_at = source.size - tail_length
    tail = source.read(tail_at, tail_length)
    ends = [tail_at + found.start() for found in _END_SIGNATURE.finditer(tail)]
    for at in ends[:-1]:
        comment = int.from_bytes(tail[at - tail_at + 20 : at - tail_at + 22], "little")
        if at >= directory or at + _END.size + comment == source.size:
            raise corrupt(source, "has two ends")


def _end64(source: FileBytes, at: int, short: tuple[int, int, int]) -> tuple[int, int, int, int]:
    if at + _END64.size + _LOCATOR64.size + _END.size > source.size:
        raise corrupt(source, "points outside itself")
    signature, _, _, _, disk, first_disk, here, count, size, offset = _END64.unpack(source.read(at, _END64.size))
    if signature != b"PK\x06\x06" or disk or first_disk or here != count:
        raise corrupt(source, "has a 64-bit end that is none")
    for value, wide, full in zip(short, (count, size, offset), (_FULL16, _FULL32, _FULL32), strict=True):
        if value not in (wide, full):
            raise corrupt(source, "has two ends that disagree")
    return count, size, offset, at


def _records(source: FileBytes, directory: bytes, count: int) -> list[Record]:
    records: list[Record] = []
    at = wide = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(directory):
            raise corrupt(source, "has fewer records than it says")
        fields = _CENTRAL.unpack_from(directory, at)
        signature, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length, disk, _, _, header = fields
        name_at = at + _CENTRAL.size
        extra_at = name_at + name_length
        at = extra_at + extra_length + comment_length
        if signature != b"PK\x01\x02" or at > len(directory):
            raise corrupt(source, "has a broken directory")
        name = _name(source, directory[name_at:extra_at])
        wide += 0 if name.isascii() else name_length
        if wide > limits.MAX_WIDE_TEXT:
            raise LimitExceeded(
                f"The names of the records of {source.path} are too long: more than {limits.MAX_WIDE_TEXT:,} bytes that are not ASCII.",
                "One such character can make a name four times as large in memory.",
                "Check where the file came from.",
            )
        if flags & ~_HONEST_FLAGS or disk not in (0, _FULL16) or method not in (STORED, DEFLATED):
            raise corrupt(source, f"has a record {name!r} with flags 0x{flags:04x} and method {method} (encrypted, or a rare kind)")
        size, packed, header = _wide(source, directory[extra_at : extra_at + extra_length], size, packed, header)
        if method == STORED and size != packed:
            raise corrupt(source, f"says that {name!r} is stored, in another size than its own")
        data_at = _check_local(source, header, name, flags, (method, crc, packed, size))
        records.append(Record(name, data_at, packed, size, crc, method == STORED, header))
    if at != len(directory):
        raise corrupt(source, "has more records than it says")
    return records


def _name(source: FileBytes, raw: bytes) -> str:
    if len(raw) > limits.MAX_RECORD_NAME:
        raise corrupt(source, f"has a record whose name has {len(raw):,} bytes")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise corrupt(source, "has a record whose name is not UTF-8") from cause
    if not name or name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise corrupt(source, f"has a record named {name!r}")
    return name


def _wide(source: FileBytes, extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """Sizes and offset, the 64-bit ones of the extra field where the 32-bit ones are full."""
    wide = _extra64(source, extra)
    values = [size, packed, header]
    for index, value in enumerate(values):
        if value == _FULL32:
            if len(wide) < 8:  # noqa: PLR2004  # bytes of a 64-bit number
                raise corrupt(source, "lacks a 64-bit size")
            values[index] = int.from_bytes(wide[:8], "little")
            wide = wide[8:]
    return values[0], values[1], values[2]


def _extra64(source: FileBytes, extra: bytes) -> bytes:
    at = fields = 0
    while at + 4 <= len(extra):
        fields += 1
        if fields > limits.MAX_EXTRA_FIELDS:
            raise corrupt(source, f"has a record with more than {limits.MAX_EXTRA_FIELDS} extra fields")
        kind, length = int.from_bytes(extra[at : at + 2], "little"), int.from_bytes(extra[at + 2 : at + 4], "little")
        if at + 4 + length > len(extra):
            raise corrupt(source, "has a broken extra field")
        if kind == 1:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def _check_local(source: FileBytes, header: int, name: str, flags: int, said: tuple[int, int, int, int]) -> int:
    """Where the record's bytes begin, once its local header was found to say what the directory says."""
    encoded = name.encode("utf-8")
    if header + _LOCAL.size + len(encoded) > source.size:
        raise corrupt(source, f"places {name!r} outside itself")
    raw = source.read(header, _LOCAL.size + len(encoded))
    signature, _, local_flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(raw)
    if signature != LOCAL_SIGNATURE or name_length != len(encoded) or raw[_LOCAL.size :] != encoded:
        raise corrupt(source, f"names {name!r} in its directory, and something else in that place")
    for local, central, full in zip((crc, packed, size), said[1:], (0, _FULL32, _FULL32), strict=True):
        if local not in (central, full, 0 if flags & _STREAMED else central):
            raise corrupt(source, f"gives {name!r} one size or checksum in its directory and another in its place")
    if method != said[0] or local_flags != flags:
        raise corrupt(source, f"gives {name!r} one method in its directory and another in its place")
    data_at: int = header + _LOCAL.size + name_length + extra_length
    return data_at


def _check_places(source: FileBytes, records: list[Record], directory: int) -> None:
    if len({record.name for record in records}) != len(records):
        ((twice, _),) = Counter(record.name for record in records).most_common(1)
        raise corrupt(source, f"has two records named {twice!r}")
    end = 0
    for record in sorted(records, key=lambda record: record.header):
        if record.header < end or record.offset + record.packed > directory:
            raise corrupt(source, f"has a record {record.name!r} that overlaps another")
        if end == 0 and record.header != 0:
            raise corrupt(source, "has bytes before its first record")
        end = record.offset + record.packed


def _truncated(source: FileBytes) -> TruncatedFile:
    """The error for a zip without its end; what is there tells how far the download came."""
    reach = min(source.size, 16 * limits.MIB)
    last = source.read(source.size - reach, reach)
    at = last.rfind(LOCAL_SIGNATURE)
    name = ""
    if at >= 0 and at + _LOCAL.size < len(last):
        length = int.from_bytes(last[at + 26 : at + 28], "little")
        name = last[at + _LOCAL.size : at + _LOCAL.size + length].decode("utf-8", "replace")
    where = f"; it breaks off in or after the record {ascii(name)[1:-1]}" if name else ""
    return TruncatedFile(
        f"{source.path} is a torch zip that was cut off at {source.size:,} bytes{where}.",
        "The directory at the end of the archive, which is written last, is missing: the download or the copy did not finish.",
        "Delete it and download it again; compare its size with the one on the page it comes from.",
    )
