"""What a network gave, made readable: arrays, and the classes or values they mean."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pthway.data.reading import AUTO, Reading
from pthway.data.scores import Scores, are_scores, read_scores
from pthway.errors import UsageError

Array = npt.NDArray[Any]
Label = str | int

SHOWN_ROWS: Final = 10
SHOWN_CLASSES: Final = 3
SHOWN_NUMBERS: Final = 6


class Answer:
    """The outputs of one call of a network. Building one costs nothing: arrays are fetched and read when they are asked for."""

    __slots__ = ("_arrays", "_label_names", "_reading", "_scores", "_sources", "single", "steps")

    def __init__(
        self,
        arrays: Mapping[str, Array | Callable[[], Array]],
        *,
        labels: Sequence[str] | None = None,
        single: bool = False,
        steps: tuple[str, ...] = (),
        reading: Reading = AUTO,
    ) -> None:
        self._sources = arrays
        self._label_names = labels
        self._reading = reading
        self._arrays: Mapping[str, Array] | None = None
        self._scores: Scores | None = None
        self.single = single
        """Whether the caller gave one sample without a batch dimension; the arrays have one all the same."""
        self.steps = steps
        """How a file or an image became the input, in words; empty where numbers were given."""

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Every output by its name, as numpy arrays whose first dimension is the batch."""
        if self._arrays is None:
            fetched = {name: source() if callable(source) else source for name, source in self._sources.items()}
            self._arrays = MappingProxyType({name: np.atleast_1d(array) for name, array in fetched.items()})
        return self._arrays

    @property
    def array(self) -> Array:
        """The only output, first dimension the batch. Raises `UsageError` if the network has several outputs."""
        if len(self.arrays) != 1:
            names = ", ".join(repr(name) for name in self.arrays) or "none"
            first = next(iter(self.arrays), "name")
            raise UsageError(
                f"The network gave {len(self.arrays)} outputs: {names}.",
                "answer.array, and labels and values with it, mean the only output.",
                f"answer.arrays[{first!r}]",
            )
        return next(iter(self.arrays.values()))

    def __len__(self) -> int:
        """Return the number of samples answered."""
        return len(next(iter(self.arrays.values()), ()))

    @property
    def label(self) -> Label | None:
        """The most probable class of the one sample: its label, or its index if no labels are known; None if it is not told."""
        self._require_one_row("label", "labels")
        return self.labels[0]

    @property
    def score(self) -> float:
        """The probability of the most probable class of the one sample."""
        self._require_one_row("score", "scores")
        return self.scores[0]

    @property
    def labels(self) -> list[Label | None]:
        """The most probable class of each sample: labels, or indices if no labels are known; None below the reading's threshold.

        Raises `UsageError` if the output is no table of class scores, if a row holds NaN, or if the labels are not one a column.
        """
        best = self._readable_scores().order.argmax(axis=1).tolist()
        least = self._reading.least
        return [self._name(index) if score >= least else None for index, score in zip(best, self.scores, strict=True)]

    @property
    def scores(self) -> list[float]:
        """The probability of the most probable class of each sample."""
        read = self._readable_scores()
        best = read.order.argmax(axis=1)
        chosen: list[float] = np.take_along_axis(read.probabilities, best[:, None], axis=1)[:, 0].tolist()
        return chosen

    @property
    def scored(self) -> bool:
        """Whether the one output is read as class scores; by itself, a table of floating-point numbers with two or more columns is."""
        return len(self.arrays) == 1 and are_scores(self.array, self._reading.kind)

    @property
    def several(self) -> bool:
        """Whether another number of classes than one may be told of a sample."""
        return self.scored and (self._reading.at_most != 1 or self._reading.least > 0)

    @property
    def told(self) -> list[list[tuple[Label, float]]]:
        """For each sample the classes that its reading tells, with their probabilities, best first; none if all are below its threshold."""
        rows = self.ranked(self._reading.at_most or self._readable_scores().order.shape[1])
        return [[each for each in row if each[1] >= self._reading.least] for row in rows]

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """The probability of each class, shape (samples, classes); rows whose scores hold NaN or infinity are NaN."""
        return self._class_scores().probabilities

    @property
    def reading(self) -> str:
        """How the output is read: as which kind of class scores, as a value, or as numbers only."""
        if are_scores(self.array, self._reading.kind):
            return self._class_scores().reading
        return "one value a sample" if self._is_value() else "numbers that are no class scores"

    def top(self, k: int = 5) -> list[tuple[Label, float]] | list[list[tuple[Label, float]]]:
        """Return the *k* most probable classes with their probabilities, all if there are fewer.

        One sample: a list of (label, probability), best first. Several samples: one such list for each.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UsageError(f"top({k!r}) asks for {k!r} classes.", "k counts classes: a whole number from 1.", "answer.top(5)")
        rows = self.ranked(k)
        return rows[0] if len(rows) == 1 else rows

    @property
    def ranking(self) -> npt.NDArray[np.int64]:
        """The indices of the classes from the most to the least probable, shape (samples, classes)."""
        return np.argsort(-self._readable_scores().order, axis=1, kind="stable")

    @property
    def exclusive(self) -> bool:
        """Whether one class holds, so that the probabilities of a sample sum to one."""
        classes = self._class_scores().order.shape[1]
        return self._reading.kind != "sigmoid" or classes > max(self.array.size // max(len(self), 1), 1)

    def ranked(self, k: int) -> list[list[tuple[Label, float]]]:
        """Return, for each sample, its *k* most probable classes: `top` for code that takes any number of samples."""
        read = self._readable_scores()
        best = self.ranking[:, :k]
        chances = np.take_along_axis(read.probabilities, best, axis=1)
        return [
            [(self._name(index), chance) for index, chance in zip(indices, row, strict=True)]
            for indices, row in zip(best.tolist(), chances.tolist(), strict=True)
        ]

    @property
    def value(self) -> float:
        """The number that the network gave for the one sample. Raises `UsageError` if it gave several, or there are several samples."""
        self._require_one_row("value", "values")
        return float(self.values[0])

    @property
    def values(self) -> Array:
        """One number a sample, shape (samples,). Raises `UsageError` if the network gives more than one."""
        if not self._is_value():
            raise UsageError(
                f"The output has the shape {_times(self.array.shape)}: {_row_size(self.array)} numbers a sample.",
                "answer.value and answer.values mean an output of one number a sample.",
                "answer.array",
            )
        return self.array.reshape(len(self))

    def __str__(self) -> str:
        """Return a few lines to read: classes with probabilities, values, or shape and range of each output."""
        if self.scored:
            try:
                return self._describe_classes()
            except UsageError as problem:
                return f"{_describe('output', self.array)}\n({problem.what})"
        if len(self.arrays) == 1 and self._is_value():
            return _cut([f"{value:.6g}" for value in self.values[:SHOWN_ROWS].tolist()], len(self))
        return "\n".join(_describe(name or "output", array) for name, array in self.arrays.items())

    __repr__ = __str__

    def _describe_classes(self) -> str:
        rankings = self.told if self.several else self.ranked(SHOWN_CLASSES)
        rows = [", ".join(f"{label} {chance:.1%}" for label, chance in ranking) or "no class" for ranking in rankings[:SHOWN_ROWS]]
        return f"{_cut(rows, len(self))}\n({self.reading})"

    def _is_value(self) -> bool:
        return _row_size(self.array) == 1 and self.array.dtype.kind in "biuf"

    def _class_scores(self) -> Scores:
        if self._scores is None:
            self._require_classes()
            names = self._label_names
            read = read_scores(self.array, self._reading.kind, one_label=names is not None and len(names) == 1)
            self._require_names(read.order.shape[1])
            self._scores = read
        return self._scores

    def _readable_scores(self) -> Scores:
        read = self._class_scores()
        if read.unreadable:
            shown = ", ".join(str(row) for row in read.unreadable[:SHOWN_NUMBERS])
            raise UsageError(
                f"Scores are NaN or infinite in {len(read.unreadable)} of {len(self)} rows (row {shown}, counted from 0).",
                "Such scores name no class.",
                "answer.array shows the numbers; pthway inspect FILE says whether the weights themselves hold NaN",
            )
        return read

    def _require_classes(self) -> None:
        array = self.array
        if not are_scores(array, self._reading.kind):
            raise UsageError(
                f"The output has the shape {_times(array.shape)} and the type {array.dtype}: no class scores.",
                "It is read as values."
                if self._reading.kind == "values"
                else "Labels and probabilities need a table of floating-point numbers, one row a sample, two or more columns.",
                "answer.value" if self._is_value() and len(self) == 1 else "answer.values" if self._is_value() else "answer.array",
            )

    def _require_names(self, classes: int) -> None:
        if self._label_names is not None and len(self._label_names) != classes:
            raise UsageError(
                f"{len(self._label_names)} labels are given for {classes} classes.",
                "Each column of the output has one label, in order.",
                f"Give {classes} labels, or none: classes then go by their index.",
            )

    def _require_one_row(self, one: str, several: str) -> None:
        if len(self) != 1:
            raise UsageError(
                f"The answer has {len(self)} rows.",
                f"answer.{one} is for a single sample.",
                f"answer.{several}",
            )

    def _name(self, index: int) -> Label:
        return index if self._label_names is None else self._label_names[index]


def _row_size(array: Array) -> int:
    return int(np.prod(array.shape[1:], dtype=np.int64))


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape) or "()"


def _cut(rows: Sequence[str], count: int) -> str:
    more = [f"… and {count - len(rows)} more rows"] if count > len(rows) else []
    return "\n".join([*rows, *more]) or "no rows"


def _describe(name: str, array: Array) -> str:
    heading = f"{name}: {array.dtype}, {_times(array.shape)}"
    if not array.size or array.dtype.kind not in "biuf":
        return heading
    numbers = array.reshape(-1)[:SHOWN_NUMBERS].tolist()
    first = ", ".join(f"{number:.4g}" for number in numbers) + (", …" if array.size > len(numbers) else "")
    return f"{heading}, from {float(array.min()):.4g} to {float(array.max()):.4g}: {first}"
