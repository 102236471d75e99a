"""``pthway pack``: a weights file and its class to a bundle."""

from argparse import Namespace
from typing import Any

from pthway import _lazy
from pthway.cli import contents, screen
from pthway.cli.predict import argument, read_labels


def run(options: Namespace) -> int:
    """Load the file into the architecture, write the bundle, and say what is in it."""
    arguments = dict(map(argument, options.arg))
    labels = read_labels(options.labels)
    model = _lazy.load("pthway.model:load", extra="torch")(options.file, options.arch, weights=options.weights, labels=labels, **arguments)
    card = _lazy.load("pthway.export:Card")(_name(options), options.model_version, options.description, options.licence)
    try:
        bundle = _lazy.load("pthway.export:pack", extra="torch")(
            model,
            options.output,
            example=_example(options.example, model),
            card=card,
            programs=options.program,
            seed=options.seed,
            force=options.force,
            progress=_progress,
        )
    finally:
        _progress("")
    if options.json:
        screen.write_json(_lazy.load("msgspec:to_builtins")(bundle.manifest))
    else:
        contents.print_bundle(bundle)
    return 0


def _name(options: Namespace) -> str:
    return options.name or _lazy.load("pthway.export.packing:name_of")(options.output)  # type: ignore[no-any-return]


def _example(path: str | None, model: Any) -> Any:
    if path is None:
        return None
    inputs = model.signature.inputs
    found = _lazy.load("pthway.data.prepare:read_input")(path, shape=inputs[0].shape if inputs else None)
    return found.arrays[""] if set(found.arrays) == {""} else found.arrays


def _progress(step: str) -> None:
    if screen.person_watches():
        screen.overwrite(step)
