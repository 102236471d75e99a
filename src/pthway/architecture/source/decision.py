"""Decides on the one class of a source tree that a checkpoint is loaded into."""

from pathlib import Path
from typing import Final

from pthway.architecture.source.finding import Found
from pthway.architecture.source.ranking import Candidate, Group
from pthway.architecture.source.reasons import listed, reasons, shortest, spelling
from pthway.errors import AmbiguousArchitecture, ArchitectureNotFound

CONVINCING: Final = 0.9
"""Score from which on a class is loaded without being named."""
MARGIN: Final = 0.02
"""By how much it has to be ahead of the next."""
_SHOWN: Final = 8


def decide(found: Found, path: Path, where: str) -> Candidate:
    """Return the class that fits, and no other does as well.

    Raises `ArchitectureNotFound` if none fits convincingly, `AmbiguousArchitecture` with the list if several do.
    """
    if not found.groups:
        raise nothing_fits(found, path, where)
    first = found.groups[0].first
    rivals = [group for group in found.groups if _rivals(first, group)]
    members = [member for group in rivals for member in group.members]
    line = f'pthway.load("{path}", "{spelling(first)}")'
    if len(members) > 1:
        more = f"\n    and {len(members) - _SHOWN} more" if len(members) > _SHOWN else ""
        raise AmbiguousArchitecture(
            f"{len(members)} classes in {where} fit {path} about equally well:{listed(members[:_SHOWN])}{more}",
            "Names and shapes do not tell which of them computes what the weights were trained for.",
            f"Name the one that was trained: {line}",
        )
    if first.score < CONVINCING:
        raise ArchitectureNotFound(
            f"No class in {where} fits {path} convincingly:{listed([group.first for group in found.groups][:_SHOWN])}",
            f"Of the first: {'; '.join(reasons(first))}.",
            f"If it is the right one all the same: {line}",
        )
    return first


def _rivals(first: Candidate, group: Group) -> bool:
    near = group.first.named == first.named and first.score - group.first.score < MARGIN
    return near and not all(map(first.holds, group.members))


def nothing_fits(found: Found, path: Path, where: str) -> ArchitectureNotFound:
    """Return the error that says what was looked at in vain."""
    left_out = "".join(f"\n    {shortest(file)}: {reason}" for file, reason in list(found.left_out.items())[:_SHOWN])
    return ArchitectureNotFound(
        f"No class in {where} fits {path}: {found.classes} network classes in {found.files} files were compared.",
        "None makes half of the names in the file." + (f" {len(found.left_out)} files were left out:{left_out}" if left_out else ""),
        f"Name another folder, or see the names: pthway inspect {path}",
    )
