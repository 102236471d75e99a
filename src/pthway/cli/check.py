"""``pthway check``: whether a network with its weights answers soundly, before anything is built on it."""

from argparse import Namespace
from dataclasses import asdict

from pthway import _lazy
from pthway.cli import NO, screen
from pthway.cli.predict import argument


def run(options: Namespace) -> int:
    """Load the file into the architecture, try it, and print each test. The exit code is 1 if one failed."""
    arguments = dict(map(argument, options.arg))
    model = _lazy.load("pthway.model:load", extra="torch")(options.file, options.arch, weights=options.weights, **arguments)
    found = _lazy.load("pthway.data.prepare:read_input")(options.input, shape=model.signature.inputs[0].shape) if options.input else None
    given = found.arrays.get("", found.arrays) if found else None
    report = model.check(given, batch_sizes=tuple(options.batch_size)) if options.batch_size else model.check(given)
    if options.json:
        screen.write_json(asdict(report) | {"ok": report.ok})
    else:
        screen.write(str(report))
    return 0 if report.ok else NO
