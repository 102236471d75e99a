"""Writes a bundle whole or not at all."""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from safetensors import SafetensorError

from pthway.bundle import archive, manifest
from pthway.bundle.folder import SUMS, sums_text
from pthway.bundle.manifest import File, Manifest
from pthway.errors import NotWritten, PthwayError, UsageError

OF_THE_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
"""Errors that say something of the place, and not of a file that the network itself looks for."""


@contextmanager
def drafted(target: Path, *, force: bool) -> Iterator[Path]:
    """A folder to fill beside *target*; it goes unless `finish` has moved it into its place.

    Raises `UsageError` if something stands at *target* and *force* is not given, and `NotWritten` if nothing can be written there.
    """
    target = target.absolute()
    if not force:
        _require_free(target)
    created = [folder for folder in target.parents if not folder.exists()]
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        draft.mkdir(parents=True)
        yield draft
    except (OSError, SafetensorError) as cause:
        if isinstance(cause, PthwayError) or (isinstance(cause, OSError) and cause.errno not in OF_THE_DISK):
            raise
        raise not_written(target, cause) from cause
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        for folder in created:
            with contextlib.suppress(OSError):  # it holds what was written
                folder.rmdir()


def finish(draft: Path, target: Path, described: Manifest, *, force: bool) -> None:
    """Give the files in *draft* their manifest, force them to the disk, and move them to *target*: a folder, or a .zip by its ending.

    Raises `UsageError` if something stands there by now and *force* is not given, and `NotWritten`.
    """
    target = target.absolute()
    try:
        for compiled in [*draft.rglob("__pycache__")]:  # Python's, of source that was imported to be tried
            shutil.rmtree(compiled)
        _make_readable(draft)
        complete = _with_files(draft, described)
        data = manifest.encode(complete)
        (draft / manifest.NAME).write_bytes(data)
        (draft / SUMS).write_bytes(sums_text(data))
        if target.suffix == ".zip":
            _zip(draft, target, force=force)
        else:
            for path in [*draft.rglob("*"), draft]:
                _sync(path)
            move(draft, target, force=force)
        _sync(target.parent)
    except OSError as cause:
        raise not_written(target, cause) from cause


def _require_free(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise UsageError(
            f"{target} is there already.", "A bundle is not overwritten unasked.", "Name another path, or force=True (--force)"
        )


def not_written(target: Path, cause: Exception) -> NotWritten:
    """The refusal of a place that cannot be written to."""
    return NotWritten(
        f"{target} cannot be written: {getattr(cause, 'strerror', None) or cause}.",
        "It is written beside its place, then renamed.",
        "Name another path",
    )


def _make_readable(draft: Path) -> None:
    """Give every file the mode of a new one: safetensors makes its files for their owner alone."""
    mode = stat.S_IMODE((draft / "README.md").stat().st_mode)
    for path in draft.rglob("*"):
        if path.is_file():
            path.chmod(mode)


def _with_files(draft: Path, described: Manifest) -> Manifest:
    files = {}
    for path in sorted(draft.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            files[path.relative_to(draft).as_posix()] = File(size=path.stat().st_size, sha256=digest)
    return manifest.replaced(described, files=files)


def _zip(draft: Path, target: Path, *, force: bool) -> None:
    part = draft.with_suffix(".zip.part")
    try:
        with part.open("xb") as stream:
            archive.pack(draft, stream)
            stream.flush()
            os.fsync(stream.fileno())
        if not force:
            _require_free(target)
        part.replace(target)
    finally:
        with contextlib.suppress(OSError):  # gone after the rename
            part.unlink()


def move(draft: Path, target: Path, *, force: bool) -> None:
    """Rename; what stood there steps aside first, since a folder that is not empty cannot be replaced."""
    if not force:
        _require_free(target)
    old = draft.with_suffix(".old")
    moved = force and (target.exists() or target.is_symlink())
    if moved:
        target.replace(old)
    try:
        draft.replace(target)  # fails if somebody else has filled the place meanwhile
    except BaseException:
        if moved:
            old.replace(target)
        raise
    if moved:
        _remove(old)


def _remove(old: Path) -> None:
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
