"""``pthway diff``: which tensors of two weights files differ, and by how much."""

from argparse import Namespace

from pthway import _lazy
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.summary import shown
from pthway.cli import NO, screen


def run(options: Namespace) -> int:
    """Compare two files tensor by tensor. The exit code is 0 if all are equal, and 1 if not."""
    compare = _lazy.load("pthway.checkpoint.difference:differences")
    found = compare(open_checkpoint(options.first), open_checkpoint(options.second), options.weights)
    if options.json:
        screen.write_json([difference._asdict() for difference in found])
    elif found:
        rows = [_row(difference._asdict()) for difference in found]
        screen.table(("tensor", "difference", "A", "B", "differing", "largest", "relative", "not finite"), rows)
    else:
        screen.write("All tensors are equal.")
    return NO if found else 0


def _row(of: dict[str, object]) -> tuple[str, ...]:
    share = "" if of["differing"] is None else f"{of['differing']:,} of {of['elements']:,}"
    numbers = ("" if of[name] is None else f"{of[name]:.3g}" for name in ("largest", "relative"))
    sides = ("" if of[name] is None else str(of[name]) for name in ("first", "second"))
    return shown(str(of["name"])), str(of["kind"]), *sides, share, *numbers, str(of["not_finite"] or "")
