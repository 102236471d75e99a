"""Opens a bundle: every file is there, is the one that the manifest means, and lies inside the folder."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final, final
from weakref import finalize

from pthway import _lazy
from pthway.bundle import manifest
from pthway.bundle.golden import Record, read_records
from pthway.bundle.inside import is_inside
from pthway.bundle.manifest import File, Manifest
from pthway.errors import BundleRefused, MissingFile

WEIGHTS: Final = "weights.safetensors"
GOLDEN: Final = "golden.safetensors"
CONSTANTS: Final = "constants.safetensors"
"""Tensors of the exported graph that are in no state dict; absent where there are none."""
SOURCE: Final = "source"
SUMS: Final = "SHA256SUMS"
"""The checksum of the manifest, as ``sha256sum -c`` reads it; those of the other files are in the manifest."""
HASHING_THREADS: Final = 2
SHARED_BYTES: Final = 1 << 24
"""From which threads gain more than importing them costs."""
LISTED: Final = 3
"""Names in a message."""


@final
class Bundle:
    """A folder that was checked. `open_bundle` makes one."""

    def __init__(self, path: Path, folder: Path, described: Manifest) -> None:
        self.path = path
        """What was opened: the folder, or the .zip of one."""
        self.folder = folder
        """Where the files are; of a .zip, a temporary folder that goes when the bundle does."""
        self.manifest = described
        self.digest = hashlib.sha256(manifest.encode(described)).hexdigest()
        """Names these very contents: the checksum of the manifest, which holds those of the files."""

    def file(self, name: str) -> Path:
        """Where the file *name* of the bundle is."""
        return self.folder / name

    def records(self) -> dict[str, Record]:
        """The golden record: inputs and the outputs that the reference gave for them, by the record's name."""
        return read_records(self.file(GOLDEN), self.manifest)

    def __repr__(self) -> str:
        runtimes = ", ".join(program.runtime for program in self.manifest.programs)
        return f"<Bundle {self.manifest.name} {self.manifest.version}: {runtimes}>"


def open_bundle(path: str | os.PathLike[str] | Bundle) -> Bundle:
    """Return the bundle in a folder or a .zip file, after every file was compared with its checksum. Nothing in it is run.

    Raises `MissingFile` if nothing is there, and `BundleRefused` for what is no bundle, is incomplete, was changed, has a format that
    is not known, or names a file outside of its folder.
    """
    if isinstance(path, Bundle):
        return path
    path = Path(path).expanduser()
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return Bundle(path, path, _checked(path, path))
        if stat.S_ISREG(mode):
            return _unpacked(path)
    except (FileNotFoundError, NotADirectoryError) as cause:
        raise MissingFile(
            f"There is no bundle {path}.", "A bundle is a folder, or the .zip of one.", "pthway pack model.pth -o NAME.bundle"
        ) from cause
    except OSError as cause:
        raise BundleRefused(
            f"{path} cannot be read: {cause.strerror or cause}.",
            "Every file of a bundle is read when it is opened.",
            "Check its permissions",
        ) from cause
    raise BundleRefused(f"{path} is a pipe, socket or device.", "A bundle is a folder, or the .zip of one.", "Name one of these")


def _unpacked(path: Path) -> Bundle:
    remove = _lazy.load("shutil:rmtree")  # opening a folder needs none of these
    folder = Path(_lazy.load("tempfile:mkdtemp")(prefix="pthway-"))
    try:
        _lazy.load("pthway.bundle.archive:unpack")(path, folder)
        opened = Bundle(path, folder, _checked(folder, path))
    except BaseException:
        remove(folder, ignore_errors=True)
        raise
    finalize(opened, remove, folder, ignore_errors=True)
    return opened


def _checked(folder: Path, shown: Path) -> Manifest:
    data = _manifest_bytes(folder, shown)
    described = manifest.decode(data, str(shown))
    _check_names(described, folder, shown)
    changed = [name for name, same in zip(described.files, _are_same(folder, described), strict=True) if not same]
    if changed:
        raise BundleRefused(
            f"{shown} was changed since it was packed: {_listed(changed)} not as the manifest says.",
            "The size and the SHA-256 of every file are in the manifest, so that what runs is what was verified.",
            "Copy the bundle again, or pack the model again",
        )
    return described


def _manifest_bytes(folder: Path, shown: Path) -> bytes:
    path, sums = folder / manifest.NAME, folder / SUMS
    for needed in (path, sums):
        if not _is_plain(needed):
            raise BundleRefused(
                f"{shown} has no file {needed.name}.", "A bundle is what pthway pack writes.", f"pthway pack {shown.name} -o NAME.bundle"
            )
        if needed.stat().st_size > manifest.MAX_BYTES:
            raise BundleRefused(
                f"{shown}/{needed.name} has {needed.stat().st_size:,} bytes.",
                f"It has at most {manifest.MAX_BYTES:,}.",
                "Pack the model again",
            )
    data = path.read_bytes()
    if sums.read_bytes() != sums_text(data):
        raise BundleRefused(
            f"{shown}/{manifest.NAME} was edited: its checksum is not the one in {SUMS}.",
            "A manifest that was edited promises what nobody verified.",
            "Copy the bundle again, or pack the model again",
        )
    return data


def sums_text(data: bytes) -> bytes:
    """The contents of ``SHA256SUMS`` for a manifest of these bytes."""
    return f"{hashlib.sha256(data).hexdigest()}  {manifest.NAME}\n".encode()


def _check_names(described: Manifest, folder: Path, shown: Path) -> None:
    escaping = [name for name in described.files if not is_inside(name)]
    if escaping:
        raise BundleRefused(
            f"{shown} names the file {escaping[0]!r}.", "Every file of a bundle lies inside of its folder.", "Do not use this bundle"
        )
    present = {path.relative_to(folder).as_posix() for path in _files_below(folder)}
    absent = [name for name in described.files if name not in present]
    if absent:
        raise BundleRefused(f"{shown} lacks {_listed(absent)}.", "The manifest names it as a file of the bundle.", "Copy the bundle again")
    foreign = sorted(present - described.files.keys() - {manifest.NAME, SUMS})
    if foreign:
        raise BundleRefused(
            f"{shown} holds {_listed(foreign)}, which the manifest does not name.", "What nobody verified is not used.", "Remove it"
        )
    named = {WEIGHTS, GOLDEN, *(program.file for program in described.programs if program.file is not None)}
    loose = sorted(named - described.files.keys())
    if loose:
        raise BundleRefused(f"{shown} has no checksum of {_listed(loose)}.", "Every file that is used has one.", "Pack the model again")


def _files_below(folder: Path) -> list[Path]:
    """Every file, links as themselves; what Python and file managers leave behind is passed over."""
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        found += [Path(root) / name for name in (*files, *links) if not name.startswith(".")]
    return found


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _are_same(folder: Path, described: Manifest) -> list[bool]:
    paths, files = [folder / name for name in described.files], list(described.files.values())
    if sum(file.size for file in files) < SHARED_BYTES:
        return [*map(_is_same, paths, files)]
    with _lazy.load("concurrent.futures:ThreadPoolExecutor")(HASHING_THREADS) as pool:
        return [*pool.map(_is_same, paths, files)]


def _is_same(path: Path, file: File) -> bool:
    if not _is_plain(path) or path.stat().st_size != file.size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256


def _listed(names: list[str]) -> str:
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
