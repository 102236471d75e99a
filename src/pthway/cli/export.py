"""``pthway export``: a bundle as what another program serves, proved by its golden record."""

from argparse import Namespace
from typing import Any

from pthway import _lazy
from pthway.cli import screen


def run(options: Namespace) -> int:
    """Write the bundle as the target, and say how far its answers are from the recorded ones."""
    with screen.progress(f"writing {options.output.name}"):
        written: Any = _lazy.load("pthway.onward:export_bundle")(options.bundle, options.to, options.output, force=options.force)
    if options.json:
        screen.write_json(_lazy.load("msgspec:to_builtins")(written))
        return 0
    difference = written.difference
    apart = (
        "none: equal bit by bit" if difference is None else f"at most {difference.absolute:.1e}, {difference.relative:.1e} of the largest"
    )
    screen.facts([("written", f"{written.path}, {written.to}"), ("difference", apart), ("checked by", written.checked_by)])
    for note in written.notes:
        screen.note(note)
    return 0
