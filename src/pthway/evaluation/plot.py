"""An evaluation drawn: confusion and reliability of classes, or values over the truth."""

import io
from pathlib import Path
from typing import Any, Final

from pthway import _lazy
from pthway.data.write import replace_file
from pthway.errors import UsageError
from pthway.evaluation.classification import Classification
from pthway.evaluation.evaluation import Evaluation, Side
from pthway.evaluation.regression import Regression

ENDINGS: Final = (".png", ".svg", ".pdf")
NAMED_CLASSES: Final = 30
"""Up to so many classes are named along the confusion matrix."""
INCHES: Final = 5
SMALLEST_DOT: Final = 15
LARGEST_DOT: Final = 250
PLAIN: Final = {"parse_math": False}
"""Labels are texts, not formulas."""


def plot(evaluation: Evaluation, path: Path) -> None:
    """Write a picture of the figures, a row for each side.

    Raises `UsageError` for another ending or a place that cannot be written to, and `MissingDependency` without matplotlib.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"{path} ends in {path.suffix!r}.", f"A plot is one of {', '.join(ENDINGS)}.", f"Name it {path.with_suffix('.png').name}"
        )
    figure = _lazy.load("matplotlib.figure:Figure", extra="plot")(
        figsize=(2.2 * INCHES, INCHES * len(evaluation.sides)), layout="constrained"
    )
    axes = figure.subplots(len(evaluation.sides), 2, squeeze=False)
    for side, (left, right) in zip(evaluation.sides, axes, strict=True):
        if isinstance(side.figures, Classification):
            _confusion(left, side, side.figures)
            _reliability(right, side.figures)
        else:
            _values(left, side, side.figures)
            _errors(right, side.figures)
    stream = io.BytesIO()
    figure.savefig(stream, format=path.suffix[1:].lower(), dpi=120)
    replace_file(path, stream.getvalue())


def _title(side: Side) -> str:
    return f"{side.name} {side.version}, {side.runtime}"


def _confusion(axes: Any, side: Side, figures: Classification) -> None:
    axes.set_title(f"{_title(side)}: {figures.accuracy:.1%} of {figures.samples:,}", **PLAIN)
    if figures.confusion is None:
        axes.hist([each.recall for each in figures.classes if each.samples], bins=20, range=(0, 1))
        axes.set(xlabel="recall", ylabel="classes")
        return
    shares = [[count / max(sum(row), 1) for count in row] for row in figures.confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="answered", ylabel="true")
    if len(shares) <= NAMED_CLASSES:
        names = [each.label for each in figures.classes]
        axes.set_xticks(range(len(names)), names, rotation=90, **PLAIN)
        axes.set_yticks(range(len(names)), names, **PLAIN)
        for row, counts in enumerate(figures.confusion):
            for column, count in enumerate(counts):
                if count:
                    axes.text(column, row, str(count), ha="center", va="center", color="white" if shares[row][column] > 0.5 else "black")  # noqa: PLR2004


def _reliability(axes: Any, figures: Classification) -> None:
    axes.set_title(f"reliability: calibration error {figures.calibration_error:.3f}")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    sizes = [SMALLEST_DOT + LARGEST_DOT * each.samples / figures.samples for each in figures.reliability]
    axes.scatter([each.confidence for each in figures.reliability], [each.accuracy for each in figures.reliability], s=sizes, clip_on=False)
    axes.set(xlabel="probability of the answer (larger: more samples)", ylabel="how many are right", xlim=(0, 1), ylim=(0, 1))


def _values(axes: Any, side: Side, figures: Regression) -> None:
    axes.set_title(f"{_title(side)}: mean absolute error {figures.mean_absolute_error:.4g}", **PLAIN)
    axes.scatter(*zip(*figures.points, strict=True), s=8)
    ends = [min(map(min, figures.points)), max(map(max, figures.points))]
    axes.plot(ends, ends, linestyle=":", color="grey")
    axes.set(xlabel="true value", ylabel="answer")


def _errors(axes: Any, figures: Regression) -> None:
    axes.set_title(f"errors: root mean square {figures.root_mean_squared_error:.4g}")
    axes.hist([answer - truth for truth, answer in figures.points], bins=30)
    axes.set(xlabel="answer − true value", ylabel="samples")
