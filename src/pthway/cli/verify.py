"""``pthway verify``: whether a bundle gives its recorded answers on this machine, with what is installed here."""

from argparse import Namespace
from typing import Any

from pthway import _lazy
from pthway.cli import NO, screen


def run(options: Namespace) -> int:
    """Run the golden record with each runtime and print how far the answers are; the exit code is 1 if one gives others."""
    found = _lazy.load("pthway.runtime:verify")(options.bundle, runtime=options.runtime, threads=options.threads)
    if options.json:
        screen.write_json(_lazy.load("msgspec:to_builtins")(found) | {"ok": found.ok})
        return 0 if found.ok else NO
    screen.table(
        ("runtime", "answers", "largest difference", "of the largest number", "ms for the records"), [_row(each) for each in found.results]
    )
    for each in found.results:
        if each.deviation is not None:
            screen.write(f"{each.runtime}: {each.deviation}")
    screen.write(f"other than when it was packed: {'; '.join(found.environment_changes) or 'nothing'}")
    if not found.results:
        screen.write("no runtime of the bundle is installed here")
    return 0 if found.ok else NO


def _row(result: Any) -> tuple[str, ...]:
    if result.difference is None:
        return result.runtime, "not run", "", "", ""
    times = ", ".join(f"{name}: {milliseconds:.3g}" for name, milliseconds in result.milliseconds.items())
    answers = "as recorded" if result.ok else "others"
    return result.runtime, answers, f"{result.difference.absolute:.1e}", f"{result.difference.relative:.1e}", times
