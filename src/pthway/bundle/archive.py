"""A bundle as one .zip file: written without compression, unpacked within bounds."""

import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import IO, Final

from pthway.bundle import manifest
from pthway.bundle.inside import is_inside
from pthway.errors import BundleRefused

MAX_FILES: Final = 10_000
MAX_DIRECTORY: Final = 1 << 22
"""Bytes of the archive's directory: 10,000 files with long names; read at once, before anything can be counted."""
MAX_RATIO: Final = 100
"""Bytes unpacked for a byte of the archive: weights do not compress."""
SPARE_BYTES: Final = 1 << 26
"""Beyond that ratio, for archives of small and empty files."""
PIECE: Final = 1 << 20
ENCRYPTED: Final = 1
METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LEFT_BY_MACOS: Final = "__MACOSX/"
"""Where its file manager puts what other systems have no place for."""
DAMAGE: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)
"""What zipfile raises for archives that are none, or are damaged."""


def pack(folder: Path, target: IO[bytes]) -> None:
    """Write the files of *folder* into a .zip without compression, so that unpacking is copying."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())


def unpack(path: Path, folder: Path) -> None:
    """Unpack the .zip of a bundle into *folder*. Raises `BundleRefused` for other files and for archives that are an attack."""
    try:
        with _Source(path) as source, zipfile.ZipFile(source) as archive:
            entries = [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith(LEFT_BY_MACOS)]
            fault = next(_faults(entries, path.stat().st_size), None)
            if fault is not None:
                raise BundleRefused(f"{path} {fault}.", "pthway writes no such archive.", "Do not use this bundle")
            names = [each.filename for each in entries]
            root = _root(names)
            if str(PurePosixPath(root) / manifest.NAME) not in names:
                raise BundleRefused(
                    f"{path} holds no {manifest.NAME}.", "A bundle is what pthway pack writes.", f"pthway pack {path.name} -o NAME.bundle"
                )
            for entry in entries:
                _extract(archive, entry, folder / PurePosixPath(entry.filename).relative_to(root))
    except BundleRefused:
        raise
    except DAMAGE as cause:
        raise BundleRefused(
            f"{path} is no .zip file that can be unpacked: {cause}.", "A bundle is a folder, or the .zip of one.", "Copy the file again"
        ) from cause
    except OSError as cause:
        raise BundleRefused(
            f"{path} cannot be unpacked to {folder}: {cause.strerror or cause}.",
            "The .zip of a bundle is unpacked to a temporary folder.",
            "Make room there, set TMPDIR to a larger disk, or unpack it yourself and name the folder",
        ) from cause


class _Source(FileIO):
    """A file of which no more is read at once than honest archives need: zipfile takes the size of the directory from the file."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As for every file. Raises `BundleRefused` for too large a piece."""
        if size is not None and size > MAX_DIRECTORY:
            raise BundleRefused(
                f"{self.name} has a directory of {size:,} bytes.",
                f"A bundle has at most {MAX_FILES:,} files, for which {MAX_DIRECTORY:,} bytes are enough.",
                "Do not use this bundle",
            )
        return super().read(-1 if size is None else size)


def _faults(entries: Sequence[zipfile.ZipInfo], size: int) -> Iterator[str]:
    """What no honest archive of *size* bytes has."""
    if len(entries) > MAX_FILES:
        yield f"holds {len(entries):,} files"
    total = sum(entry.file_size for entry in entries)
    if total > MAX_RATIO * size + SPARE_BYTES:
        yield f"would unpack to {total:,} bytes"
    yield from (f"{fault} {entry.filename!r}" for entry in entries for fault in _faults_of(entry))
    yield from (f"holds {name!r} twice" for name, count in Counter(entry.filename for entry in entries).items() if count > 1)


def _faults_of(entry: zipfile.ZipInfo) -> Iterator[str]:
    if not is_inside(entry.filename):
        yield "holds a file that would be written outside of the folder:"
    if stat.S_ISLNK(entry.external_attr >> 16):
        yield "holds the symbolic link"
    if entry.flag_bits & ENCRYPTED:
        yield "holds encrypted"
    if entry.compress_type not in METHODS:
        yield f"holds, compressed by method {entry.compress_type} where deflate is the only one,"
    if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
        yield "stores, in another size than its own,"


def _root(names: Sequence[str]) -> str:
    """The folder in the archive that holds the bundle: "" or, as file managers pack it, the bundle's own."""
    tops = {PurePosixPath(name).parts[0] for name in names}
    return next(iter(tops)) if len(tops) == 1 and all("/" in name for name in names) else ""


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Write one file, of at most the size that is declared; zipfile compares its checksum at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("xb") as sink:
        shutil.copyfileobj(source, sink, PIECE)
