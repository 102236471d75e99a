"""A bundle as one .zip file: written without compression, unpacked within bounds."""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Final

from pthway.bundle.inside import is_inside
from pthway.errors import BundleRefused

MAX_FILES: Final = 10_000
MAX_RATIO: Final = 100
"""Bytes unpacked for a byte of the archive: weights do not compress."""
SPARE_BYTES: Final = 1 << 26
"""Beyond that ratio, for archives of small and empty files."""
PIECE: Final = 1 << 20
DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, UnicodeDecodeError)
"""What zipfile raises for archives that are none, are damaged, encrypted, or compressed in a way that it does not know."""


def pack(folder: Path, target: IO[bytes]) -> None:
    """Write the files of *folder* into a .zip without compression, so that unpacking is copying."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())


def unpack(path: Path, folder: Path) -> None:
    """Unpack the .zip of a bundle into *folder*. Raises `BundleRefused` for other files and for archives that are an attack."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            root = _checked(entries, path)
            for entry in entries:
                _extract(archive, entry, folder / PurePosixPath(entry.filename).relative_to(root), path)
    except DAMAGE as cause:
        if isinstance(cause, BundleRefused):
            raise
        raise BundleRefused(
            f"{path} is no .zip file that can be unpacked: {cause}.", "A bundle is a folder, or the .zip of one.", "Copy the file again"
        ) from cause


def _checked(entries: list[zipfile.ZipInfo], path: Path) -> str:
    """The folder in the archive that holds the bundle: "" or, as file managers pack it, the bundle's own."""
    names = [entry.filename for entry in entries]
    bad = next((name for name in names if not is_inside(name)), None)
    link = next((entry.filename for entry in entries if stat.S_ISLNK(entry.external_attr >> 16)), None)
    twice = next((name for name in set(names) if names.count(name) > 1), None) if len(set(names)) < len(names) <= MAX_FILES else None
    total = sum(entry.file_size for entry in entries)
    for fault, what in (
        (bad, f"holds the file {bad!r}, which would be written outside of the folder"),
        (link, f"holds the symbolic link {link!r}"),
        (twice, f"holds {twice!r} twice"),
        (len(entries) > MAX_FILES or None, f"holds {len(entries):,} files"),
        (total > MAX_RATIO * path.stat().st_size + SPARE_BYTES or None, f"would unpack to {total:,} bytes"),
    ):
        if fault is not None:
            raise BundleRefused(f"{path} {what}.", "pthway writes no such archive.", "Do not use this bundle")
    tops = {PurePosixPath(name).parts[0] for name in names}
    return next(iter(tops)) if len(tops) == 1 and all("/" in name for name in names) else ""


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, path: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("xb") as sink:
        left = entry.file_size
        while piece := source.read(min(PIECE, left + 1)):
            left -= len(piece)
            if left < 0:
                raise BundleRefused(f"{path} holds more of {entry.filename} than it declares.", "It was made to mislead.", "Do not use it")
            sink.write(piece)
