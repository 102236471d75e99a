"""Weights files inside gzip, xz, bzip2 or zstd: unpacked, within bounds, into a temporary file that no other program can open."""

import bz2
import gzip
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from typing import BinaryIO, Final, NamedTuple

from pthway import _lazy
from pthway.errors import CorruptFile, EmptyFile, LimitExceeded, NotWeights, TruncatedFile
from pthway.formats import limits, not_weights, recognise
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Parts
from pthway.formats.spool import spooled


class _Packing(NamedTuple):
    name: str
    signature: bytes
    opened: Callable[[BinaryIO], BufferedIOBase]


def _zstd(what: str) -> str:
    """Where Python's own module is: in its library since 3.14, before that in a package of the same code."""
    return f"{'compression' if sys.version_info >= (3, 14) else 'backports'}.zstd:{what}"


def _zstd_open(raw: BinaryIO) -> BufferedIOBase:
    # The decoder keeps a window of at most 128 MiB, and refuses files that ask for more.
    opened: BufferedIOBase = _lazy.load(_zstd("open"))(raw)
    return opened


_PACKINGS: Final = (
    _Packing("gzip", b"\x1f\x8b", gzip.open),
    _Packing("xz", b"\xfd7zXZ\0", lzma.open),
    _Packing("bzip2", b"BZh", bz2.open),
    _Packing("zstd", b"\x28\xb5\x2f\xfd", _zstd_open),
)


def read(source: FileBytes) -> Parts:
    """Unpack a compressed file, and take apart what is inside.

    Raises `NotWeights` before the whole is unpacked when its beginning is none of weights, `TruncatedFile`, `CorruptFile`,
    or `LimitExceeded` for a file that grows out of proportion.
    """
    packing = next(packing for packing in _PACKINGS if source.read(0, len(packing.signature)) == packing.signature)
    inside = spooled(source, _unpacked(source, packing))
    parts = recognise.read(inside)
    note = f"Compressed with {packing.name}: unpacked from {source.size:,} to {inside.size:,} bytes, in a temporary file."
    return parts._replace(notes=(note, *parts.notes))


def _unpacked(source: FileBytes, packing: _Packing) -> Iterator[bytes]:
    """The chunks of what is inside, the first looked at, and all counted."""
    total = 0
    for chunk in _chunks(source, packing):
        if total == 0:
            _check_beginning(source, packing, chunk)
        total += len(chunk)
        if total > limits.MAX_UNPACKED_FREELY and total > limits.MAX_UNPACKED_RATIO * source.size:
            raise LimitExceeded(
                f"{source.path} grows to more than {total:,} bytes when it is unpacked, from {source.size:,}.",
                f"Weights shrink little; above {limits.MAX_UNPACKED_FREELY:,} bytes at most {limits.MAX_UNPACKED_RATIO}× is unpacked.",
                "Check where the file came from; unpack it yourself if it is honest.",
            )
        yield chunk
    if total == 0:
        raise EmptyFile(f"{source.path} is {packing.name} around nothing: 0 bytes.", "What was compressed was empty.", "Download it again.")


def _chunks(source: FileBytes, packing: _Packing) -> Iterator[bytes]:
    """What is unpacked, up to a MiB at a time."""
    with os.fdopen(os.dup(source.descriptor), "rb") as raw:
        raw.seek(0)
        try:
            with packing.opened(raw) as stream:
                while chunk := stream.read(limits.MIB):
                    yield chunk
        except EOFError as cause:
            raise TruncatedFile(
                f"{source.path} was compressed with {packing.name}, and ends before its contents do.",
                f"It has {source.size:,} bytes; the download or the copy did not finish.",
                "Download or copy it again.",
            ) from cause
        except _damage(packing) as cause:
            raise CorruptFile(
                f"{source.path} was compressed with {packing.name}, and cannot be unpacked: {cause}.",
                "At least one byte changed since it was compressed.",
                "Download or copy it again.",
            ) from cause


def _damage(packing: _Packing) -> tuple[type[Exception], ...]:
    """What is raised for bytes that cannot be unpacked; zstd's own error only where it is imported anyway."""
    known = (OSError, zlib.error, lzma.LZMAError, MemoryError)
    return (*known, _lazy.load(_zstd("ZstdError"))) if packing.opened is _zstd_open else known


def _check_beginning(source: FileBytes, packing: _Packing, chunk: bytes) -> None:
    """Refuse what is not weights at its first bytes, and what is compressed twice."""
    begin = chunk[: limits.SNIFF_BYTES]
    if recognise.is_compressed(begin):
        raise NotWeights(
            f"{source.path} is compressed twice, from the outside with {packing.name}.",
            "One layer of compression around a weights file is undone.",
            "Undo the outer layer yourself.",
        )
    if recognise.reader_of(begin) is None:
        inside = not_weights.refusal(source, begin)
        raise NotWeights(f"Compressed with {packing.name}: {inside.what}", inside.why, inside.fix)
