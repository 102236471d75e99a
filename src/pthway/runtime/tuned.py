"""What `pthway tune` found on this machine, kept in the user's cache folder and read again when the bundle is opened.

One file a bundle and machine: ``$XDG_CACHE_HOME/pthway/tuned/BUNDLE/MACHINE.json``, ``~/.cache`` unless the variable names an absolute
path. A file that is damaged, foreign or not as `Tuned` is passed over with a warning: it could only cost speed.
"""

import contextlib
import hashlib
import os
import stat
import warnings
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from pthway.bundle.environment import environment
from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Count, Environment, Number, Positive, RuntimeName, Sha256
from pthway.errors import PthwayWarning
from pthway.runtime.runner import Variant

FORMAT: Final = 1
MAX_BYTES: Final = 1 << 20
DIGEST_SHOWN: Final = 32
"""Characters of a digest in the name of a file."""


class Setting(Struct, frozen=True, forbid_unknown_fields=True):
    """One way to run a bundle."""

    runtime: RuntimeName
    threads: Positive
    variant: Variant = "plain"

    def __str__(self) -> str:
        form = "" if self.variant == "plain" else f" {self.variant}"
        return f"{self.runtime}{form}, {self.threads} thread{'s' * (self.threads > 1)}"


class Timing(Struct, frozen=True, forbid_unknown_fields=True):
    """The calls with one number of samples."""

    batch_size: Positive
    median: Number
    """Milliseconds."""
    p99: Number
    calls: Positive

    @property
    def throughput(self) -> float:
        """Samples a second, one call after the other."""
        return 1e3 * self.batch_size / self.median if self.median else 0.0


class Measured(Struct, frozen=True, forbid_unknown_fields=True):
    """One way that was tried."""

    setting: Setting
    timings: tuple[Timing, ...] = ()
    """By the number of samples; empty if it was not run."""
    stopped: str = ""
    """Why it was not measured to the end, or not at all."""
    error: Number | None = None
    """Of a variant that computes other numbers: the largest difference on the given data, in parts of the largest number."""
    file: str = ""
    """The program of such a variant, beside this record."""
    sha256: Sha256 | None = None


class Tuned(Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured of a bundle on a machine."""

    format: Literal[1]
    bundle: Sha256
    """`Bundle.digest`."""
    environment: Environment
    date: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+00:00$")]
    seconds: Count
    """How long it took."""
    measured: tuple[Measured, ...]
    ranking: tuple[Setting, ...]
    """Those whose answers are the recorded ones, the fastest first."""
    approximate: tuple[Setting, ...]
    """Those that are faster than the first of these but compute other numbers: only for who asks for them."""

    def of(self, setting: Setting) -> Measured | None:
        """What was measured of *setting*."""
        return next((each for each in self.measured if each.setting == setting), None)


def cache_folder(digest: str) -> Path | None:
    """Where what is known of a bundle is kept; None for a user without a home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        root = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return root / "pthway" / "tuned" / digest[:DIGEST_SHOWN]


def machine(here: Environment) -> str:
    """The name of a machine: the same for the same processor, number of processors and packages."""
    return hashlib.sha256(msgspec.json.encode(here)).hexdigest()[:DIGEST_SHOWN]


def read(bundle: Bundle) -> Tuned | None:
    """What was found of *bundle* on this machine, or None. Warns (`PthwayWarning`) of a file that cannot be used."""
    folder = cache_folder(bundle.digest)
    if folder is None or not folder.is_dir():
        return None  # nobody tuned it: what this machine is need not be found out
    here = environment()
    path = folder / f"{machine(here)}.json"
    try:
        data = _own_bytes(path)
        found = msgspec.json.decode(data, type=Tuned)
        fault = _fault(found, bundle, here)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as cause:  # msgspec's errors are ValueErrors
        fault = str(cause)
    else:
        if not fault:
            return found
    warnings.warn(f"{path} is passed over: {fault}. pthway tune {bundle.path} measures again.", PthwayWarning, stacklevel=4)
    return None


def _own_bytes(path: Path) -> bytes:
    with _opened(path) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise ValueError("it is not a file of this user's")
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    return data


def _opened(path: Path) -> BufferedReader:
    """*path* to be read: no link is followed, no pipe waited for."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _fault(found: Tuned, bundle: Bundle, here: Environment) -> str:
    known = {program.runtime for program in bundle.manifest.programs}
    settings = (*found.ranking, *found.approximate)
    if found.bundle != bundle.digest:
        return "it is of another bundle"
    if found.environment != here:
        return "it is of another machine"
    if not found.ranking or any(found.of(each) is None for each in settings):
        return "it ranks what was not measured"
    if any(each.runtime not in known or each.threads > here.cores for each in settings):
        return "it names a runtime or threads that are not there"
    if any(each.variant in INEXACT for each in found.ranking):
        return "it ranks other numbers among the recorded ones"
    return ""


INEXACT: Final = frozenset({"bfloat16", "int8"})
"""Variants that compute other numbers than were recorded."""


def write(tuned: Tuned) -> Path | None:
    """Keep *tuned* for `read`, whole or not at all, and return its path. Warns (`PthwayWarning`) if it cannot be kept."""
    folder = cache_folder(tuned.bundle)
    if folder is None:
        warnings.warn("What was found is not kept: this user has no home. XDG_CACHE_HOME names a folder.", PthwayWarning, stacklevel=3)
        return None
    path = folder / f"{machine(tuned.environment)}.json"
    part = path.with_suffix(f".{os.urandom(4).hex()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_bytes(msgspec.json.format(msgspec.json.encode(tuned), indent=1) + b"\n")
        part.replace(path)
    except OSError as cause:
        with contextlib.suppress(OSError):
            part.unlink()
        reason = f"What was found is not kept: {path} cannot be written: {cause.strerror or cause}."
        warnings.warn(f"{reason} XDG_CACHE_HOME names another folder.", PthwayWarning, stacklevel=3)
        return None
    return path


def program_file(tuned: Tuned, setting: Setting) -> Path | None:
    """The program of a variant that has its own, if it is there and is the one that was measured."""
    found, folder = tuned.of(setting), cache_folder(tuned.bundle)
    if found is None or folder is None or not found.file or Path(found.file).name != found.file:
        return None
    path = folder / found.file
    try:
        with _opened(path) as stream:
            same = hashlib.file_digest(stream, "sha256").hexdigest() == found.sha256
    except OSError:
        return None
    return path if same else None
