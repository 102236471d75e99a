"""``pthway predict``: a weights file and its class, or a bundle; inputs, and the answers."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pthway import _lazy
from pthway.cli import screen
from pthway.cli.contents import is_bundle
from pthway.cli.preparing import preparation_of, reading_of
from pthway.errors import InputRefused, UsageError

SHOWN_COLUMNS = 8
"""Numbers of a row that are printed; ``-o`` writes all."""


class Predictor(NamedTuple):
    """What answers."""

    predict: Callable[[str], Any]
    """The answer to the inputs of a file."""
    labels: Any
    reading: Any


def run(options: Namespace) -> int:
    """Load the network, predict every input, and print or write the answers."""
    predictor = (_of_bundle if is_bundle(options.file) else _of_weights)(options)
    batches: list[tuple[str, Any]] = []
    for source in options.inputs:
        answer = predictor.predict(source)
        for step in answer.steps:
            screen.note(f"{source}: {step}")
        batches.append((source, answer))
    rows, answer = _joined(batches, predictor)
    if options.output is not None:
        _lazy.load("pthway.data.write:write_answers")(options.output, rows, answer)
        screen.note(f"{len(rows)} answers written to {options.output}")
    elif options.json:
        screen.write_json(_as_data(rows, answer))
    else:
        _print(rows, answer)
    return 0


def _of_weights(options: Namespace) -> Predictor:
    if options.runtime is not None:
        raise UsageError("--runtime is for bundles.", "A weights file runs in eager torch.", "pthway pack makes a bundle of it")
    preparation = preparation_of(options) or _lazy.load("pthway.data.preparation:PLAIN_PREPARATION")
    labels = read_labels(options.labels)
    arguments = dict(map(argument, options.arg))
    model = _lazy.load("pthway.model:load", extra="torch")(options.file, options.arch, weights=options.weights, labels=labels, **arguments)
    reading = reading_of(options) or _lazy.load("pthway.data.reading:AUTO")
    return Predictor(lambda source: model.predict(source, preparation=preparation), labels, reading)


def _of_bundle(options: Namespace) -> Predictor:
    named = [f"--{name}" for name in ("arch", "arg", "weights") if getattr(options, name)]
    if named:
        raise UsageError(
            f"{named[0]} is given with the bundle {options.file}.", "A bundle has its network and weights.", f"Leave {named[0]} out"
        )
    session = _lazy.load("pthway.runtime:open_session")(options.file, runtime=options.runtime)
    preparation, reading = preparation_of(options), reading_of(options)
    screen.note(f"{session.runtime}: {session.because}")
    described = session.bundle.manifest
    return Predictor(
        lambda source: session.predict(source, preparation=preparation),
        read_labels(options.labels) or described.labels,
        reading or described.reading,
    )


def _print(rows: list[str], answer: Any) -> None:
    if answer.scored:
        ranked = answer.told if answer.several else [[pair] for pair in zip(answer.labels, answer.scores, strict=True)]
        told = [
            (name, *pair)
            for name, row in zip(rows, ranked, strict=True)
            for pair in ([(str(label), f"{score:.4f}") for label, score in row] or [("–", "")])
        ]
        screen.table(("input", "class", "probability"), told)
        screen.note(answer.reading)
        return
    for name, array in answer.arrays.items():
        numbers = zip(rows, array.reshape(len(array), -1), strict=True)
        screen.table(("input", f"{name} {list(array.shape[1:])}"), [(row, _shown(values)) for row, values in numbers])


def _shown(values: Any) -> str:
    more = " …" if len(values) > SHOWN_COLUMNS else ""
    return "  ".join(f"{value:.6g}" for value in values[:SHOWN_COLUMNS]) + more


def _as_data(rows: list[str], answer: Any) -> list[dict[str, object]]:
    """One dictionary a sample, for JSON."""
    found: list[dict[str, object]] = []
    told = answer.told if answer.several else None
    labels, scores = (answer.labels, answer.scores) if answer.scored else ((), ())
    for index, name in enumerate(rows):
        entry: dict[str, object] = {"input": name}
        if answer.scored:
            entry |= {"label": labels[index], "probability": scores[index]}
        if told is not None:
            entry["classes"] = [{"label": label, "probability": score} for label, score in told[index]]
        found.append(entry | {"outputs": {key: array[index].tolist() for key, array in answer.arrays.items()}})
    return found


def _joined(batches: list[tuple[str, Any]], predictor: Predictor) -> tuple[list[str], Any]:
    """The answers to all inputs as one, and a name for each of its rows."""
    numpy = _lazy.load("numpy")
    rows = [name if len(answer) == 1 else f"{name}[{index}]" for name, answer in batches for index in range(len(answer))]
    shapes = {name: {key: array.shape[1:] for key, array in answer.arrays.items()} for name, answer in batches}
    if any(shape != shapes[batches[0][0]] for shape in shapes.values()):
        raise InputRefused(
            "The inputs give answers of different shapes.",
            "; ".join(f"{name}: {shape}" for name, shape in list(shapes.items())[:4]),
            "Predict inputs of one size at a time.",
        )
    arrays = {key: numpy.concatenate([answer.arrays[key] for _, answer in batches]) for key in batches[0][1].arrays}
    return rows, _lazy.load("pthway.data.present:Answer")(arrays, labels=predictor.labels, reading=predictor.reading)


def argument(text: str) -> tuple[str, object]:
    """``name=value``, the value read as JSON where it is JSON, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"--arg {text} is not name=value.", "An argument has a name and a value.", "For example: --arg num_classes=10")
    try:
        return name, _lazy.load("json:loads")({"True": "true", "False": "false", "None": "null"}.get(value, value))
    except ValueError:
        return name, value


def read_labels(path: Path | None) -> list[str] | None:
    """The names of the classes, a line each; None without a file."""
    if path is None:
        return None
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise UsageError(
            f"The labels {path} cannot be read: {cause}.", "They are a text file, a class a line.", "Check the path."
        ) from cause
