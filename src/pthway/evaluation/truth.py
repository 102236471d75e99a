"""What the data says is right, in the terms of a bundle: the place of a class, or a value."""

from collections.abc import Sequence
from math import isfinite
from typing import Final

from pthway.data.tables import number_in
from pthway.errors import UsageError
from pthway.evaluation.dataset import Truth

LISTED: Final = 12


def class_of(truth: Truth, labels: Sequence[str] | None, classes: int) -> int:
    """The index of the class that *truth* is: a name among *labels*, or a number. Raises `UsageError` naming one that there is not."""
    if isinstance(truth, str) and labels is not None:
        if truth in labels:
            return list(labels).index(truth)
        raise _unknown(truth, f"Its classes are {', '.join(labels[:LISTED])}{', …' if len(labels) > LISTED else ''}.")
    number = number_in(truth) if isinstance(truth, str) else truth
    if number is None or not isfinite(number) or number != int(number) or not 0 <= number < classes:
        raise _unknown(truth, f"Without labels, and in arrays, its classes are the numbers 0 to {classes - 1}.")
    return int(number)


def value_of(truth: Truth) -> float:
    """The value that *truth* is. Raises `UsageError` for what is no finite number."""
    number = number_in(truth) if isinstance(truth, str) else truth
    if number is None or not isfinite(number):
        raise UsageError(
            f"The data has the answer {truth!r}.",
            "The network gives one value a sample, so the answers are finite numbers.",
            "Choose another column",
        )
    return float(number)


def _unknown(truth: Truth, why: str) -> UsageError:
    return UsageError(
        f"The data has the class {truth!r}, which the bundle does not have.",
        why,
        "Name folders and answers as the bundle names its classes; pthway pack --labels gives it names",
    )
