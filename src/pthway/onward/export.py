"""Writes a bundle as something else, runs that against the golden record, and only then moves it into its place."""

import os
from pathlib import Path
from typing import Final

from msgspec import Struct

from pthway import _lazy
from pthway.bundle import manifest
from pthway.bundle.folder import Bundle, open_bundle
from pthway.bundle.golden import NAN
from pthway.bundle.manifest import Difference, Program
from pthway.bundle.write import drafted, move, not_written
from pthway.errors import NotExportable, UsageError
from pthway.onward.target import TARGETS, Target, Write, Written
from pthway.runtime.verification import verified


class Exported(Struct, frozen=True):
    """What was written, and how it was proved."""

    path: str
    to: str
    difference: Difference | None
    """The largest to the golden record; None where the numbers of the file were compared bit by bit."""
    checked_by: str
    """The program that ran or read what was written, with its version."""
    notes: tuple[str, ...]

    def __str__(self) -> str:
        apart = "equal bit by bit"
        if self.difference is not None:
            apart = f"differs by at most {self.difference.absolute:.1e} ({self.difference.relative:.1e} of the largest)"
        return "\n".join([f"{self.path}: {self.to}, {apart}, checked by {self.checked_by}", *(f"  {note}" for note in self.notes)])


def export_bundle(bundle: str | os.PathLike[str] | Bundle, to: str, path: str | os.PathLike[str], *, force: bool = False) -> Exported:
    """Write *bundle* to *path* as *to*, one of `TARGETS`, and return how far its answers are from the recorded ones.

    It is run by the program that it is for before it takes its place. Raises `NotExportable` if the bundle does not hold what the target
    takes or the answers are others, `UsageError` for an unknown target, another ending of *path*, or something that stands there
    already while *force* is not given, `MissingDependency`, `NotWritten`, and as `open_bundle` does. Nothing is left behind then.
    """
    target = TARGETS.get(to)
    if target is None:
        raise UsageError(f"There is no export to {to!r}.", f"A bundle is exported to {', '.join(TARGETS)}.", "Name one of these")
    place = Path(path).expanduser()
    _require_ending(target, to, place)
    opened = open_bundle(bundle)
    write: Write = _lazy.load(target.home, extra=target.extra)
    with drafted(place, force=force) as draft:
        made = draft / place.name
        written = write(opened, made)
        difference, notes = _proved(opened, written, to)
        try:
            move(made, place.absolute(), force=force)
        except OSError as cause:
            raise not_written(place, cause) from cause
    return Exported(str(place), to, difference, written.by, (*written.notes, *notes))


def _require_ending(target: Target, to: str, place: Path) -> None:
    if place.suffix not in target.endings and not ("" in target.endings and place.suffix not in FILES):
        wanted = " or ".join(f"a file ending in {ending}" if ending else "a folder" for ending in target.endings)
        raise UsageError(f"{place} is no name for {to}.", f"It is {target.what}: {wanted}.", f"-o {place.stem}{target.endings[0]}")


FILES: Final = frozenset(ending for target in TARGETS.values() for ending in target.endings if ending)
"""Endings that no folder has."""


def _proved(bundle: Bundle, written: Written, to: str) -> tuple[Difference | None, tuple[str, ...]]:
    if written.runner is None:
        return None, ()
    records = bundle.records()
    plain = Program(
        runtime="eager",  # as good as any: what is compared is the runner's answers
        file=None,
        difference=Difference(absolute=0.0, relative=0.0),
        milliseconds={},
        dynamic=(),
        made_by=written.by,
        keeps_nan=False,
    )
    result = verified(bundle.manifest, plain, written.runner, records)
    if not result.ok or result.difference is None:
        raise NotExportable(
            f"The export to {to} gives other answers than the network: {result.deviation}",
            "What is served has to be what was trained.",
            "Export to another target; pthway verify shows which programs of the bundle give its answers",
        )
    if NAN in records and not verified(bundle.manifest, manifest.replaced(plain, keeps_nan=True), written.runner, records).ok:
        return result.difference, ("A NaN in the input is not one in the answer: whoever serves it has to refuse such inputs.",)
    return result.difference, ()
