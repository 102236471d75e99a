"""``pthway evaluate``: how right a bundle is on data with known answers, alone or beside another."""

from argparse import Namespace
from typing import Any

from pthway import _lazy
from pthway.checkpoint.summary import shown
from pthway.cli import screen

MATRIX_CLASSES = 12
"""Up to so many classes the confusion matrix is printed."""
SHOWN_FAULTS = 5
SHOWN_CLASSES = 40
"""Classes that are listed; those with the lowest F1 if there are more."""


def run(options: Namespace) -> int:
    """Evaluate, print the figures, and draw them if asked."""

    def progress(done: int) -> None:
        if screen.person_watches():
            screen.overwrite(f"{done:,} samples" if done else "")

    try:
        found = _lazy.load("pthway.evaluation:evaluate")(
            options.bundle,
            options.data,
            against=options.against,
            runtime=options.runtime,
            against_runtime=options.against_runtime,
            target=options.target,
            top=options.top,
            progress=progress,
        )
    finally:
        progress(0)
    if options.plot is not None:
        _lazy.load("pthway.evaluation.plot:plot")(found, options.plot)
        screen.note(f"plot written to {options.plot}")
    if options.json:
        screen.write_json(_lazy.load("msgspec:to_builtins")(found))
    else:
        print_evaluation(found)
    return 0


def print_evaluation(found: Any) -> None:
    """The figures of each side beside each other, then the classes of the first, then what differs and what was left out."""
    sides = [f"{side.name} {side.version}, {side.runtime}" for side in found.sides]
    columns = [dict(_figures(side.figures)) for side in found.sides]
    screen.table(("figure", *map(shown, sides)), [(name, *(column[name] for column in columns)) for name in columns[0]])
    figures = found.figures
    if hasattr(figures, "classes"):
        _print_classes(figures)
    if found.comparison is not None:
        _print_comparison(found.comparison, values=not hasattr(figures, "classes"))
    if found.unreadable_count:
        screen.write(f"left out: {found.unreadable_count:,} of {found.samples + found.unreadable_count:,} samples")
        for each in found.unreadable[:SHOWN_FAULTS]:
            screen.write(shown(f"  {each.name}: {each.reason}"))


def _figures(figures: Any) -> list[tuple[str, str]]:
    if not hasattr(figures, "classes"):
        return [
            ("samples", f"{figures.samples:,}"),
            ("mean absolute error", f"{figures.mean_absolute_error:.6g}"),
            ("root mean squared error", f"{figures.root_mean_squared_error:.6g}"),
            ("R²", "–" if figures.r2 is None else f"{figures.r2:.4f}"),
            ("mean error", f"{figures.mean_error:.6g}"),
            ("largest error", f"{figures.largest_error:.6g}"),
        ]
    return [
        ("samples", f"{figures.samples:,}"),
        ("accuracy", f"{figures.accuracy:.2%}"),
        *((f"right class among {k}", f"{share:.2%}") for k, share in figures.top.items()),
        ("balanced accuracy", f"{figures.balanced_accuracy:.2%}"),
        ("macro F1", f"{figures.macro_f1:.4f}"),
        ("log loss", f"{figures.log_loss:.4f}"),
        ("calibration error", f"{figures.calibration_error:.4f}"),
    ]


def _print_classes(figures: Any) -> None:
    classes = [each for each in figures.classes if each.samples or each.precision]
    worst = sorted(classes, key=lambda each: each.f1)[:SHOWN_CLASSES] if len(classes) > SHOWN_CLASSES else classes
    rows = [
        (
            shown(each.label),
            f"{each.samples:,}",
            *(f"{share:.4f}" for share in (each.precision, each.recall, each.f1)),
            shown(each.taken_for or "–"),
        )
        for each in worst
    ]
    screen.table(("class", "samples", "precision", "recall", "F1", "taken for"), rows)
    if len(worst) < len(classes):
        screen.write(f"… the {len(worst)} worst of {len(classes)} classes; --json has all")
    if figures.confusion is not None and len(figures.confusion) <= MATRIX_CLASSES:
        names = [shown(each.label) for each in figures.classes]
        matrix = [(name, *map(str, row)) for name, row in zip(names, figures.confusion, strict=True)]
        screen.table(("true \\ answered", *names), matrix)


def _print_comparison(found: Any, *, values: bool) -> None:
    what = "closer" if values else "right"
    screen.write(f"other answers to {found.differing:,} of {found.samples:,} samples")
    if found.largest_difference is not None:
        screen.write(f"largest difference of two values: {found.largest_difference:.3g}")
    test = "the sign test" if values else "McNemar's exact test"
    screen.write(f"only the first {what}: {found.only_first:,}; only the second: {found.only_second:,}; p = {found.p:.3g} ({test})")
