"""Counts the answers of all sides as they come: as classes or as values, whichever the bundle gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pthway.data.present import Answer
from pthway.errors import UsageError
from pthway.evaluation.classification import Classification, Counting
from pthway.evaluation.comparison import Comparison, exact_p
from pthway.evaluation.dataset import Truth
from pthway.evaluation.regression import Regression, Summing
from pthway.evaluation.truth import class_of, value_of

Array = npt.NDArray[Any]


class Tally:
    """What the sides have answered so far."""

    def __init__(self, answers: Sequence[Answer], labels: Sequence[Sequence[str] | None], top: int | None) -> None:
        scored = {answer.scored for answer in answers}
        if len(scored) > 1:
            raise UsageError(
                "One side gives classes and the other values.", "Only answers of one kind can be compared.", "Choose another --against"
            )
        self._scored = scored.pop()
        self._labels = labels
        self._named = all(given is not None for given in labels)
        self._classes = [answer.probabilities.shape[1] if self._scored else 0 for answer in answers]
        if self._scored and not all(answer.exclusive for answer in answers):
            raise UsageError(
                f"The output is {self._classes[0]} labels of which several may hold.",
                "The figures are those of classes of which one holds, or of values.",
                "Evaluate one label at a time",
            )
        names = [
            list(given) if given is not None else [str(index) for index in range(count)]
            for given, count in zip(labels, self._classes, strict=True)
        ]
        self._sides: list[Any] = [Counting(each, top) for each in names] if self._scored else [Summing() for _ in answers]
        self._names = names
        self._samples = self._differing = 0
        self._only = [0, 0]
        self._largest = 0.0

    def add(self, truths: Sequence[Truth], answers: Sequence[Answer]) -> None:
        """Count a batch. Raises `UsageError` for a true class that a bundle does not have."""
        (self._add_classes if self._scored else self._add_values)(truths, answers)
        self._samples += len(truths)

    def _add_classes(self, truths: Sequence[Truth], answers: Sequence[Answer]) -> None:
        right, told = [], []
        for side, answer, labels, classes, names in zip(self._sides, answers, self._labels, self._classes, self._names, strict=True):
            truth = np.array([class_of(each, labels, classes) for each in truths])
            ranking = answer.ranking
            side.add(truth, ranking, answer.probabilities)
            right.append(ranking[:, 0] == truth)
            told.append(np.array(names, object)[ranking[:, 0]] if self._named else ranking[:, 0])
        if len(answers) > 1:
            self._compare(right[0] & ~right[1], right[1] & ~right[0], told[0] != told[1])

    def _add_values(self, truths: Sequence[Truth], answers: Sequence[Answer]) -> None:
        truth = np.array([value_of(each) for each in truths])
        values = [answer.values.astype(np.float64) for answer in answers]
        for side, given in zip(self._sides, values, strict=True):
            side.add(truth, given)
        if len(answers) > 1:
            first, second = (np.abs(given - truth) for given in values)
            self._compare(first < second, second < first, values[0] != values[1])
            self._largest = max(self._largest, float(np.abs(values[0] - values[1]).max()))

    def _compare(self, first: Array, second: Array, differing: Array) -> None:
        self._only[0] += int(first.sum())
        self._only[1] += int(second.sum())
        self._differing += int(differing.sum())

    def figures(self) -> list[Classification | Regression]:
        """Those of each side."""
        return [side.figures() for side in self._sides]

    def comparison(self) -> Comparison | None:
        """Of two sides; None of one."""
        if len(self._sides) == 1:
            return None
        largest = None if self._scored else self._largest
        first, second = self._only
        return Comparison(self._samples, self._differing, first, second, exact_p(first, second), largest)
