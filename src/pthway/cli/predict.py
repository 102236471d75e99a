"""``pthway predict``: a weights file, its class, inputs, and the answers."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from pthway import _lazy
from pthway.cli import screen
from pthway.errors import InputRefused, UsageError

SHOWN_COLUMNS = 8
"""Numbers of a row that are printed; ``-o`` writes all."""


def run(options: Namespace) -> int:
    """Load the file into the architecture, predict every input, and print or write the answers."""
    preparation = _preparation(options.mean, options.std, resize=options.resize)
    labels = read_labels(options.labels)
    arguments = dict(map(argument, options.arg))
    model = _lazy.load("pthway.model:load", extra="torch")(options.file, options.arch, weights=options.weights, labels=labels, **arguments)
    batches: list[tuple[str, Any]] = []
    for source in options.inputs:
        found = _lazy.load("pthway.data.prepare:read_input")(source, shape=model.signature.inputs[0].shape, preparation=preparation)
        for step in found.steps:
            screen.note(f"{source}: {step}")
        batches.append((source, model.predict(found.arrays[""] if set(found.arrays) == {""} else found.arrays)))
    rows, answer = _joined(batches, labels)
    if options.output is not None:
        _lazy.load("pthway.data.write:write_answers")(options.output, rows, answer)
        screen.note(f"{len(rows)} answers written to {options.output}")
    elif options.json:
        screen.write_json(_as_data(rows, answer))
    else:
        _print(rows, answer)
    return 0


def _print(rows: list[str], answer: Any) -> None:
    if answer.scored:
        scored = zip(rows, answer.labels, answer.scores, strict=True)
        screen.table(("input", "class", "probability"), [(name, str(label), f"{score:.4f}") for name, label, score in scored])
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
    for index, name in enumerate(rows):
        entry: dict[str, object] = {"input": name}
        if answer.scored:
            entry |= {"label": answer.labels[index], "probability": float(answer.scores[index])}
        found.append(entry | {"outputs": {key: array[index].tolist() for key, array in answer.arrays.items()}})
    return found


def _joined(batches: list[tuple[str, Any]], labels: list[str] | None) -> tuple[list[str], Any]:
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
    return rows, _lazy.load("pthway.data.present:Answer")(arrays, labels=labels)


def argument(text: str) -> tuple[str, object]:
    """``name=value``, the value read as JSON where it is JSON, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"--arg {text} is not name=value.", "An argument has a name and a value.", "For example: --arg num_classes=10")
    try:
        return name, _lazy.load("json:loads")({"True": "true", "False": "false", "None": "null"}.get(value, value))
    except ValueError:
        return name, value


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as cause:
        raise UsageError(
            f"{option} {text} is no list of numbers.", "It has one number a channel.", f"For example: {option} 0.5,0.5,0.5"
        ) from cause


def _preparation(mean: str | None, std: str | None, *, resize: bool) -> Any:
    kind = _lazy.load("pthway.data.prepare:ImagePreparation")
    return kind(mean=_numbers("--mean", mean), std=_numbers("--std", std), resize=resize)


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
