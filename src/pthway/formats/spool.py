"""Bytes that are unpacked before they are read: in a temporary file that no other program can open, gone with its last use."""

import os
import tempfile
from collections.abc import Iterable

from pthway.errors import UnreadableFile
from pthway.formats.file_bytes import FileBytes


def spooled(source: FileBytes, chunks: Iterable[bytes]) -> FileBytes:
    """The unpacked bytes as a file; messages name it by the path of *source*. Raises `UnreadableFile` when the disk is full."""
    with tempfile.TemporaryFile() as spool:
        try:
            for chunk in chunks:
                spool.write(chunk)
            spool.flush()
        except OSError as cause:
            raise UnreadableFile(
                f"{source.path} cannot be unpacked: {cause.strerror}.",
                f"It is unpacked into a temporary file in {tempfile.gettempdir()}.",
                "Make room there, or set TMPDIR to a folder on a larger disk.",
            ) from cause
        return FileBytes(source.path, os.dup(spool.fileno()), spool.tell(), os.fstat(spool.fileno()).st_mtime_ns)
