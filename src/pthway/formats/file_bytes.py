"""An open file, read by position: nothing is read twice under two names, and what was opened is what is mapped."""

import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

from pthway.errors import CorruptFile, EmptyFile, MissingFile, NotWeights, TruncatedFile, UnreadableFile

CHUNK: Final = 1024 * 1024
"""Bytes that are looked at together: they stay in the processor's cache between two looks, and outweigh the cost of a call."""

_BUFFER: Final = CHUNK // 4
"""Bytes that are read, looked at and written on together: three times in the cache they have to fit."""

_WINDOW: Final = 16 * 1024 * 1024
"""Bytes that are mapped at a time: large enough that mapping costs nothing, small beside the memory that is promised."""


@final
class FileBytes:
    """The bytes of one regular file."""

    __slots__ = ("descriptor", "modified", "path", "size")

    def __init__(self, path: Path, descriptor: int, size: int, modified: int) -> None:
        self.path, self.descriptor, self.size = path, descriptor, size
        self.modified = modified
        """Time of the last change, nanoseconds; a change while it is open is an error."""

    @classmethod
    def open(cls, path: Path) -> "FileBytes":
        """Open *path*. Raises `MissingFile`, `EmptyFile`, or `NotWeights` for what is no regular file."""
        try:
            status = path.stat()
        except FileNotFoundError as cause:
            raise MissingFile(
                f"There is no file {path}.", f"The folder looked in is {path.absolute().parent}.", "Check the spelling and the folder."
            ) from cause
        except OSError as cause:
            raise UnreadableFile(f"{path} cannot be looked at: {cause.strerror}.", "The system refuses it.", "Check the path.") from cause
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
            raise NotWeights(f"{path} is {kind}.", "A weights file is read by position and mapped.", "Pass a file.")
        if status.st_size == 0:
            raise EmptyFile(f"{path} is empty: 0 bytes.", "The download or the save did not happen.", "Download or save it again.")
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as cause:
            raise UnreadableFile(
                f"{path} cannot be opened: {cause.strerror}.", "The system refuses it.", "Check the file's permissions."
            ) from cause
        return cls(path, descriptor, status.st_size, status.st_mtime_ns)

    def read(self, offset: int, count: int) -> bytes:
        """Exactly *count* bytes from *offset*. Raises `TruncatedFile` when the file ends before."""
        if offset < 0 or offset + count > self.size:
            raise TruncatedFile(
                f"{self.path} has {self.size:,} bytes; {offset + count:,} are needed.",
                "The file ends before its contents do.",
                "Download or copy it again.",
            )
        parts = []
        while count:
            part = os.pread(self.descriptor, count, offset)
            if not part:
                raise self.changed()
            parts.append(part)
            offset, count = offset + len(part), count - len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def chunks(self, offset: int, count: int) -> Iterator[memoryview]:
        """The bytes in chunks of at most `CHUNK`. Raises `CorruptFile` if the file became shorter.

        Every chunk overwrites the one before: where bytes are written on, a buffer that stays in the cache is faster than a map of the
        file, whose pages have to be entered one by one for every write.
        """
        buffer = memoryview(bytearray(min(_BUFFER, count)))
        end = offset + count
        while offset < end:
            chunk = buffer[: end - offset]
            filled = 0
            while filled < len(chunk):
                got = os.preadv(self.descriptor, [chunk[filled:]], offset + filled)
                if not got:
                    raise self.changed()
                filled += got
            yield chunk
            offset += len(chunk)

    def mapped(self, offset: int, count: int) -> Iterator[memoryview]:
        """The same bytes as windows of a map: where they are only looked at, not copying them takes half the time."""
        if count <= CHUNK:
            yield memoryview(self.read(offset, count))
            return
        for at in range(offset, offset + count, _WINDOW):
            self.check_unchanged()  # a mapped page that the file no longer has would end the process
            window = map_window(self.descriptor, at, min(_WINDOW, offset + count - at))
            if window is None:
                raise self.changed()
            for start in range(0, len(window), CHUNK):
                yield window[start : start + CHUNK]

    def map(self) -> mmap.mmap:
        """The file in memory: pages are read when touched, and writes to them stay private."""
        self.check_unchanged()
        return mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_COPY)

    def check_unchanged(self) -> None:
        """Raise `CorruptFile` if the file was changed since it was opened."""
        status = os.fstat(self.descriptor)
        if (status.st_size, status.st_mtime_ns) != (self.size, self.modified):
            raise self.changed()

    def changed(self) -> CorruptFile:
        """The error for a file that changes while it is read."""
        return CorruptFile(f"{self.path} changed while it was read.", "Another process writes to it.", "Wait until it is complete.")

    def __del__(self) -> None:
        os.close(self.descriptor)


def map_window(descriptor: int, offset: int, count: int) -> memoryview | None:
    """*count* bytes of a file from *offset*, mapped for reading as long as the view lives; None if the file ends before."""
    before = offset % mmap.ALLOCATIONGRANULARITY
    try:
        window = mmap.mmap(
            descriptor, before + count, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ, offset=offset - before
        )
    except ValueError:
        return None
    return memoryview(window)[before:]
