"""A file that appears whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pthway.errors import NotWritten, PthwayError, UsageError
from pthway.formats import Container


def destination(path: Path, container: Container) -> Path:
    """Where a file of the name *path* will be written: a symbolic link stays, and what it points to is replaced.

    Raises `UsageError` if it is a file that *container* reads (the one that was opened, or a shard), if something other than a file
    stands there, or if its folder does not exist.
    """
    place = path.resolve()
    read = {container.source.descriptor, *(of.source.descriptor for of in container.parts.places.values())}
    if place.exists() and any(os.path.samestat(place.stat(), os.fstat(descriptor)) for descriptor in read):
        raise UsageError(f"{path} is the file that is read.", "Weights are never overwritten in place.", "Choose another name.")
    if place.exists() and not place.is_file():
        raise UsageError(f"{path} is no regular file.", "A file is replaced only by a file.", "Choose another name.")
    if not place.parent.is_dir():
        raise UsageError(f"The folder {place.parent} does not exist.", "It is not created.", f"mkdir -p {place.parent}")
    return place


@contextmanager
def new_file(path: Path, size: int) -> Iterator[int]:
    """A descriptor to write *size* bytes to; *path* becomes that file, durably, when the block ends without an error.

    Until then the bytes stand under a hidden name in the same folder, and on any error nothing of them stays. Raises
    `NotWritten` for what the system refuses.
    """
    hidden = path.with_name(f".{path.name[:100]}.{os.urandom(6).hex()}.part")
    try:
        _check_space(path.parent, size)
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            try:
                yield descriptor
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            hidden.replace(path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except PthwayError:
        raise
    except OSError as cause:
        raise NotWritten(
            f"{path} cannot be written: {cause.strerror}.", "The system refuses it; nothing was left behind.", "Choose another place."
        ) from cause


def write(descriptor: int, content: bytes | memoryview, at: int) -> None:
    """Write all of *content* at a position; the system may take it in parts."""
    rest = memoryview(content)
    while rest:
        done = os.pwrite(descriptor, rest, at)
        rest, at = rest[done:], at + done


def _check_space(folder: Path, size: int) -> None:
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free < size:
        raise NotWritten(f"{folder} has {free:,} bytes free.", f"The file will have {size:,}.", "Make room, or choose another folder.")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
