"""The bytes of a file, of a pipe or of standard input."""

import errno
import os
import stat
import sys
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, Literal

from pthway.data.limits import STREAM_BYTES
from pthway.errors import InputRefused, LimitExceeded, MissingFile

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """What was read, and what to call it in messages."""

    name: str
    """The path as given, or "standard input"."""
    data: bytearray
    """All bytes; writable, so that arrays over them are too."""

    @property
    def suffix(self) -> str:
        """The ending of the name, for hints only: what a file is, its content says."""
        return Path(self.name).suffix.lower()


def read_source(path: str | os.PathLike[str] | Literal["-"]) -> Source:
    """Return the bytes at the path, or those of standard input for ``-``.

    Raises `MissingFile` if nothing stands there, `InputRefused` if it cannot be read or is empty, `LimitExceeded` if a pipe does not end.
    """
    if path == "-":
        source = Source("standard input", _drain(sys.stdin.buffer, "standard input"))
    else:
        source = Source(os.fspath(path), _read_file(Path(path)))
    if not source.data:
        raise InputRefused(f"{source.name} is empty.", "An input has at least one number.", "Check what was to be written there.")
    return source


def _read_file(path: Path) -> bytearray:
    try:
        with path.open("rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            return _read_whole(stream, status.st_size) if stat.S_ISREG(status.st_mode) else _drain(stream, str(path))
    except FileNotFoundError as cause:
        raise MissingFile(f"{path} does not exist.", "An input is a file, or - for standard input.", "Check the path.") from cause
    except (OSError, ValueError) as cause:
        reason = os.strerror(cause.errno or errno.EIO) if isinstance(cause, OSError) else str(cause)
        raise InputRefused(
            f"{str(path)!r} cannot be read: {reason}.", "An input is a file, or - for standard input.", "Name a file."
        ) from cause


def _read_whole(stream: RawIOBase, size: int) -> bytearray:
    data = bytearray(size)
    filled = 0
    while filled < size and (count := stream.readinto(memoryview(data)[filled:])):
        filled += count
    del data[filled:]
    return data


def _drain(stream: BinaryIO | RawIOBase, name: str) -> bytearray:
    data = bytearray()
    while chunk := stream.read(CHUNK):
        data += chunk
        if len(data) > STREAM_BYTES:
            raise LimitExceeded(
                f"{name} gives more than {STREAM_BYTES:,} bytes.",
                "A stream tells no size, so reading stops there.",
                "Write it to a file and name the file.",
            )
    return data
