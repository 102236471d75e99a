"""``pthway tune``: which way to run a bundle is the fastest on this machine."""

import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pthway import _lazy
from pthway.cli import screen
from pthway.errors import NotWritten


def run(options: Namespace) -> int:
    """Measure, and print a row for each way and number of samples. Pictures are refused before anything is measured."""
    draw = _lazy.load("pthway.tuning.plot:draw", extra="plot") if options.plot else None
    page = _lazy.load("pthway.tuning.page:page", extra="plot") if options.html else None
    report = _lazy.load("pthway.tuning.report")
    bundle = _lazy.load("pthway.bundle:open_bundle")(options.bundle)
    variants = [name for name in ("channels-last", "bfloat16", "int8") if getattr(options, name.replace("-", "_"))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tuned = _lazy.load("pthway.tuning:tune")(
            bundle,
            budget=options.budget,
            runtimes=options.runtime or None,
            variants=variants,
            data=options.data,
            accuracy=options.accuracy,
            progress=_shown(),
            **({"batch_sizes": options.batch_size} if options.batch_size else {}),
        )
    if screen.person_watches():
        screen.overwrite("")
    for warning in caught:
        screen.note(f"warning: {warning.message}")
    if draw is not None:
        _written(options.plot, lambda path: draw(tuned, path))
    if page is not None:
        _written(options.html, lambda path: path.write_text(page(tuned, bundle.manifest.name), "utf-8"))
    if options.json:
        screen.write_json(_lazy.load("msgspec:to_builtins")(tuned))
    else:
        screen.table(report.HEADERS, report.rows(tuned))
        screen.write(report.summary(tuned))
    return 0


def _shown() -> Callable[[float, str], None]:
    """Tells a person how far it is; rarely, since drawing takes time from what is measured."""
    if not screen.person_watches():
        return lambda *_: None
    return lambda spent, text: screen.overwrite(f"{spent:4.0%}  {text}"[:120])


def _written(path: Path, write: Callable[[Path], Any]) -> None:
    try:
        write(path)
    except OSError as cause:
        raise NotWritten(
            f"{path} cannot be written: {cause.strerror or cause}.", "The result itself is kept.", "Name another path"
        ) from cause
