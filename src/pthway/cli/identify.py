"""``pthway identify``: which network of a well-known library a weights file belongs to, without torch and without the library."""

from argparse import Namespace

from pthway.cli import NO, screen
from pthway.identification import identify


def run(options: Namespace) -> int:
    """Say which network or class has the weights of a file, or which it contains or resembles. The exit code is 1 if none has them all."""
    found = identify(options.file, weights=options.weights)
    if options.json:
        screen.write_json(found.report())
    else:
        screen.facts(found.facts())
    return 0 if found.recognised else NO
