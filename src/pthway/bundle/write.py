"""Writes a bundle whole or not at all."""

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pthway.bundle import archive, manifest
from pthway.bundle.folder import SUMS, sums_text
from pthway.bundle.manifest import File, Manifest
from pthway.errors import NotWritten, UsageError


@contextmanager
def drafted(target: Path, *, force: bool) -> Iterator[Path]:
    """A folder to fill beside *target*; it goes unless `finish` has moved it into its place.

    Raises `UsageError` if something stands at *target* and *force* is not given, and `NotWritten` if nothing can be written there.
    """
    if target.exists() and not force:
        raise UsageError(
            f"{target} is there already.", "A bundle is not overwritten unasked.", "Name another path, or force=True (--force)"
        )
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        draft.mkdir(parents=True)
    except OSError as cause:
        raise not_written(target, cause) from cause
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def finish(draft: Path, target: Path, described: Manifest) -> None:
    """Give the files in *draft* their manifest, force them to the disk, and move them to *target*: a folder, or a .zip by its ending."""
    try:
        _make_readable(draft)
        complete = _with_files(draft, described)
        data = manifest.encode(complete)
        (draft / manifest.NAME).write_bytes(data)
        (draft / SUMS).write_bytes(sums_text(data))
        if target.suffix == ".zip":
            _zip(draft, target)
        else:
            for path in [*draft.rglob("*"), draft]:
                _sync(path)
            _replace(draft, target)
        _sync(target.absolute().parent)
    except OSError as cause:
        raise not_written(target, cause) from cause


def not_written(target: Path, cause: OSError) -> NotWritten:
    """The refusal of a place that cannot be written to."""
    return NotWritten(
        f"{target} cannot be written: {cause.strerror or cause}.", "It is written beside its place, then renamed.", "Name another path"
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


def _zip(draft: Path, target: Path) -> None:
    part = draft.with_suffix(".zip.part")
    try:
        with part.open("xb") as stream:
            archive.pack(draft, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        with contextlib.suppress(OSError):  # gone after the rename
            part.unlink()


def _replace(draft: Path, target: Path) -> None:
    """Rename; an old bundle steps aside first, since a folder that is not empty cannot be replaced."""
    old = draft.with_suffix(".old")
    moved = target.exists()
    if moved:
        target.replace(old)
    try:
        draft.replace(target)
    except OSError:
        if moved:
            old.replace(target)
        raise
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    elif moved:
        old.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
