"""``pthway pack``: a weights file and its class to a bundle."""

from argparse import Namespace

from pthway import _lazy
from pthway.cli import contents, screen
from pthway.cli.predict import argument, read_labels
from pthway.cli.preparing import preparation_of, reading_of


def run(options: Namespace) -> int:
    """Load the file into the architecture, write the bundle, and say what is in it."""
    arguments = dict(map(argument, options.arg))
    labels = read_labels(options.labels)
    given = {"weights": options.weights, "labels": labels, **arguments}
    model = _lazy.load("pthway.model.archive:load_archive", extra="torch")(options.file, **given) if options.arch is None else None
    if model is None:
        model = _lazy.load("pthway.model:load", extra="torch")(options.file, options.arch, **given)
    card = _lazy.load("pthway.export:Card")(_name(options), options.model_version, options.description, options.licence)
    try:
        bundle = _lazy.load("pthway.export:pack", extra="torch")(
            model,
            options.output,
            example=options.example,
            card=card,
            programs=options.program,
            preparation=preparation_of(options),
            reading=reading_of(options) or _lazy.load("pthway.data.reading:AUTO"),
            before=options.before,
            after=options.after,
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


def _progress(step: str) -> None:
    if screen.person_watches():
        screen.overwrite(step)
