"""Figures of a classifier, counted batch by batch: what is kept does not grow with the data."""

from collections import Counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Integers = npt.NDArray[np.int64]
Table = npt.NDArray[np.float64]
BINS: Final = 15
"""Of confidence, equally wide: Guo et al. (2017), On Calibration of Modern Neural Networks."""
SHOWN_CLASSES: Final = 100
"""Up to so many classes the confusion matrix is given whole."""
LEAST: Final = float(np.finfo(np.float64).eps)
"""The probability that stands for none in the log loss, as scikit-learn takes it."""


class ClassFigures(Struct, frozen=True):
    """How right the answers are about one class. A share of nothing is 0, as scikit-learn has it."""

    label: str
    samples: int
    precision: float
    """Of the samples that were answered with this class, how many are of it."""
    recall: float
    """Of the samples of this class, how many were answered with it."""
    f1: float
    taken_for: str | None
    """The class that is most often answered in its place."""


class Bin(Struct, frozen=True):
    """Answers of about one confidence."""

    samples: int
    confidence: float
    """Their mean probability."""
    accuracy: float
    """How many of them are right."""


class Classification(Struct, frozen=True, tag="classification"):
    """The figures of a classifier."""

    samples: int
    accuracy: float
    top: dict[int, float]
    """By k: how often the right class is among the k most probable ones."""
    balanced_accuracy: float
    """The mean recall of the classes that have samples."""
    macro_f1: float
    """The mean F1 of the classes that have samples or answers."""
    log_loss: float
    calibration_error: float
    """The expected calibration error: |accuracy − confidence| of the bins, weighted by their samples."""
    reliability: tuple[Bin, ...]
    """The bins that have samples, by confidence."""
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...] | None
    """Rows are the true classes, columns the answered ones; None for more than a hundred classes."""


class Counting:
    """What is counted on the way to a `Classification`."""

    def __init__(self, labels: list[str], top: int | None) -> None:
        self.labels = labels
        self._tops = tuple(k for k in (top or 5,) if 1 < k < len(labels))
        self._hits: Counter[int] = Counter()
        self._pairs: Counter[tuple[int, int]] = Counter()
        self._bins = np.zeros((BINS, 3))
        self._loss = 0.0

    def add(self, truth: Integers, ranking: Integers, probabilities: Table) -> None:
        """Count a batch: true classes, the classes from the most to the least probable, and their probabilities."""
        best = ranking[:, 0]
        self._pairs.update(zip(truth.tolist(), best.tolist(), strict=True))
        for k in self._tops:
            self._hits[k] += int((ranking[:, :k] == truth[:, None]).any(axis=1).sum())
        rows = np.arange(len(truth))
        summed = probabilities.sum(axis=1)
        self._loss -= float(np.log((probabilities[rows, truth] / summed).clip(LEAST, 1 - LEAST)).sum())
        confidence = probabilities[rows, best]
        places = (np.ceil(confidence * BINS).astype(np.int64) - 1).clip(0, BINS - 1)
        for column, numbers in enumerate((np.ones(len(truth)), confidence, best == truth)):
            self._bins[:, column] += np.bincount(places, numbers, BINS)

    def figures(self) -> Classification:
        """Everything that was counted."""
        samples = sum(self._pairs.values())
        right = Counter({truth: count for (truth, answer), count in self._pairs.items() if truth == answer})
        of, answered = Counter[int](), Counter[int]()
        for (truth, answer), count in self._pairs.items():
            of[truth] += count
            answered[answer] += count
        classes = tuple(self._class(index, right, of, answered) for index in range(len(self.labels)))
        seen = [each for index, each in enumerate(classes) if of[index] or answered[index]]
        bins = [Bin(int(count), total / count, hits / count) for count, total, hits in self._bins.tolist() if count]
        return Classification(
            samples=samples,
            accuracy=right.total() / samples,
            top={k: self._hits[k] / samples for k in self._tops},
            balanced_accuracy=_mean([each.recall for each in classes if each.samples]),
            macro_f1=_mean([each.f1 for each in seen]),
            log_loss=self._loss / samples,
            calibration_error=sum(each.samples * abs(each.accuracy - each.confidence) for each in bins) / samples,
            reliability=tuple(bins),
            classes=classes,
            confusion=self._confusion(),
        )

    def _class(self, index: int, right: Any, of: Any, answered: Any) -> ClassFigures:
        hits = right[index]
        wrong = {answer: count for (truth, answer), count in self._pairs.items() if truth == index != answer}
        return ClassFigures(
            label=self.labels[index],
            samples=of[index],
            precision=hits / answered[index] if answered[index] else 0.0,
            recall=hits / of[index] if of[index] else 0.0,
            f1=2 * hits / (of[index] + answered[index]) if of[index] + answered[index] else 0.0,
            taken_for=self.labels[max(wrong, key=lambda answer: (wrong[answer], -answer))] if wrong else None,
        )

    def _confusion(self) -> tuple[tuple[int, ...], ...] | None:
        places = range(len(self.labels))
        if len(self.labels) > SHOWN_CLASSES:
            return None
        return tuple(tuple(self._pairs[truth, answer] for answer in places) for truth in places)


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)
