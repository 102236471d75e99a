"""What a bundle holds, for people; and whether a path is one."""

from pathlib import Path
from typing import Any

from pthway import _lazy
from pthway.checkpoint.summary import shown
from pthway.cli import screen


def is_bundle(path: Path) -> bool:
    """Whether a bundle, whole or not, is at *path*: a folder with a manifest, or a .zip of one."""
    if path.is_dir():
        return (path / "manifest.json").is_file()
    if path.suffix != ".zip" or not path.is_file():
        return False
    archive = _lazy.load("zipfile")
    try:
        with archive.ZipFile(path) as opened:
            names = opened.namelist()
    except (archive.BadZipFile, OSError, NotImplementedError, UnicodeDecodeError):
        return False
    return any(name == "manifest.json" or (name.count("/") == 1 and name.endswith("/manifest.json")) for name in names)


def print_bundle(bundle: Any) -> None:
    """Name, signature, contents and the next commands."""
    described = bundle.manifest
    screen.facts([(label, shown(text)) for label, text in _facts(bundle) if text])
    rows = [
        (
            program.runtime,
            program.file or "its source",
            f"{program.difference.absolute:.1e}",
            f"{program.milliseconds.get(1, 0.0):.3g}",
            ", ".join(program.dynamic) or "none",
        )
        for program in described.programs
    ]
    screen.table(("runtime", "file", "largest difference", "ms for 1 sample", "free sizes"), [tuple(map(shown, row)) for row in rows])
    for note in described.notes:
        screen.write(shown(f"note: {note}"))


def _facts(bundle: Any) -> list[tuple[str, str]]:
    described = bundle.manifest
    size = sum(file.size for file in described.files.values())
    origin = described.provenance
    source = f"from {origin.file} " if origin.file else ""
    return [
        ("bundle", f"{bundle.path}, {len(described.files) + 2} files, {size:,} bytes"),
        ("name", f"{described.name}, version {described.version}"),
        ("about", described.description),
        ("licence", described.licence),
        ("network", str(described.signature).partition("\n")[0]),
        ("classes", _listed(described.labels or ())),
        ("recorded", f"answers to {', '.join(described.golden.records)}"),
        ("packed", f"{source}on {origin.packed} by pthway {origin.pthway}"),
        ("use", f"pthway verify {bundle.path}; pthway predict {bundle.path} INPUT; pthway.open_session({str(bundle.path)!r})"),
    ]


def _listed(labels: tuple[str, ...], at_most: int = 6) -> str:
    rest = len(labels) - at_most
    return ", ".join(labels[:at_most]) + (f" and {rest} more" if rest > 0 else "")
