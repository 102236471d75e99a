"""``pthway predict``: a weights file, its class, inputs, and the answers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pthway import _lazy
from pthway.cli import screen
from pthway.errors import InputRefused, UsageError

SHOWN_COLUMNS = 8
"""Numbers of a row that are printed; ``-o`` writes all."""


def predict(  # noqa: PLR0913  # one parameter an option
    file: Annotated[Path, typer.Argument(help="The weights file.")],
    inputs: Annotated[list[str], typer.Argument(help="Inputs: .npy, .npz, .csv, .json, images; - is standard input.", metavar="INPUT...")],
    *,
    arch: Annotated[str, typer.Option(help="The architecture: file.py:Name or package.module:Name.")],
    arg: Annotated[list[str] | None, typer.Option(help="A constructor argument, name=value; others are solved.")] = None,
    weights: Annotated[str | None, typer.Option(help="Which of several state dicts: ema, raw, or its path in the file.")] = None,
    labels: Annotated[Path | None, typer.Option(help="A text file with the name of each class, a line each.")] = None,
    resize: Annotated[bool, typer.Option("--resize", help="Resize images to the size that the network takes.")] = False,
    mean: Annotated[str | None, typer.Option(help="Mean of each channel of an image, such as 0.485,0.456,0.406.")] = None,
    std: Annotated[str | None, typer.Option(help="Standard deviation of each channel of an image.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the answers: .npy, .npz, .csv or .jsonl.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON.")] = False,
) -> None:
    """Predict with the weights of FILE in the network of --arch, whose constructor arguments are solved from the weights."""
    load = _lazy.load("pthway.model:load", extra="torch")
    preparation = _preparation(mean, std, resize=resize)
    names = _read_labels(labels)
    model = load(file, arch, weights=weights, labels=names, **dict(map(_argument, arg or [])))
    read = _lazy.load("pthway.data.prepare:read_input")
    shape = model.signature.inputs[0].shape
    described: list[str] = []
    batches: list[tuple[str, Any]] = []
    for source in inputs:
        found = read(source, shape=shape, preparation=preparation)
        described += [f"{source}: {step}" for step in found.steps]
        value = found.arrays[""] if set(found.arrays) == {""} else found.arrays
        batches.append((source, model.predict(value)))
    for line in dict.fromkeys(described):
        screen.note(line)
    rows, answer = _joined(batches, names)
    if output is not None:
        _lazy.load("pthway.data.write:write_answers")(output, rows, answer)
        screen.note(f"{len(rows)} answers written to {output}")
    elif as_json:
        screen.write_json(_as_data(rows, answer))
    else:
        _print(rows, answer)


def _print(rows: list[str], answer: Any) -> None:
    if answer.scored:
        shown = [(name, str(label), f"{score:.4f}") for name, label, score in zip(rows, answer.labels, answer.scores, strict=True)]
        screen.table(("input", "class", "probability"), shown)
        screen.note(answer.reading)
        return
    for name, array in answer.arrays.items():
        flat = array.reshape(len(array), -1)
        more = flat.shape[1] > SHOWN_COLUMNS
        shown = [
            (row, "  ".join(f"{value:.6g}" for value in values[:SHOWN_COLUMNS]) + " …" * more)
            for row, values in zip(rows, flat, strict=True)
        ]
        screen.table(("input", f"{name} {list(array.shape[1:])}"), shown)


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


def _argument(text: str) -> tuple[str, object]:
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


def _read_labels(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise UsageError(
            f"The labels {path} cannot be read: {cause}.", "They are a text file, a class a line.", "Check the path."
        ) from cause
