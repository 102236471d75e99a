"""Runs a bundle, or two side by side, over data with known answers."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import Struct

from pthway.bundle.folder import Bundle
from pthway.data.present import Answer
from pthway.errors import BatchLost, FunctionFailed, InputRefused, MissingFile, UnreadableFile, UsageError
from pthway.evaluation.classification import Classification
from pthway.evaluation.comparison import Comparison
from pthway.evaluation.contestant import Contestant, Sample
from pthway.evaluation.dataset import Item, Truth, classes_in, items_of
from pthway.evaluation.regression import Regression
from pthway.evaluation.tally import Tally
from pthway.evaluation.truth import class_of
from pthway.runtime import open_session

BATCH_BYTES: Final = 1 << 24
"""Of the inputs of a batch: what a network makes of them takes a multiple."""
BATCH_SAMPLES: Final = 256
FAULTS: Final = (InputRefused, MissingFile, UnreadableFile, FunctionFailed)
"""What makes a sample unreadable."""
LISTED: Final = 1000
"""Faulty samples that are named; all are counted."""


class Unreadable(Struct, frozen=True):
    """A sample that could not be used."""

    name: str
    reason: str


class Side(Struct, frozen=True):
    """One bundle with one runtime."""

    name: str
    version: str
    bundle: str
    runtime: str
    figures: Classification | Regression


class Evaluation(Struct, frozen=True):
    """How right one bundle is, or two are."""

    data: str
    samples: int
    sides: tuple[Side, ...]
    comparison: Comparison | None
    unreadable: tuple[Unreadable, ...]
    """The first thousand."""
    unreadable_count: int

    @property
    def figures(self) -> Classification | Regression:
        """Those of the first side."""
        return self.sides[0].figures


class _Batch(NamedTuple):
    """Samples of one shape, as each side reads them."""

    names: list[str]
    truths: list[Truth]
    samples: list[list[Sample]]
    """By the side."""

    def __len__(self) -> int:
        return len(self.names)

    def single(self, index: int) -> "_Batch":
        """The sample at *index* alone."""
        return _Batch([self.names[index]], [self.truths[index]], [[each[index]] for each in self.samples])


def evaluate(  # noqa: PLR0913  # what is compared, each by its name
    bundle: str | os.PathLike[str] | Bundle,
    data: str | os.PathLike[str],
    *,
    against: str | os.PathLike[str] | Bundle | None = None,
    runtime: str | None = None,
    against_runtime: str | None = None,
    target: str | None = None,
    top: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """The figures of a bundle on *data* with known answers; with *against* or *against_runtime* those of another beside them.

    *data* is a folder with a folder of files for each class, a .csv whose column *target* holds the answers (its other columns are one
    sample, or one column names its file), or a .npz of inputs and ``labels``. Classes go by the bundle's labels; by their index where it
    has none, and in arrays. A bundle whose output is read as classes gives a `Classification`, with *top* the share of samples whose
    class is among so many; one that gives one value a sample a `Regression`. Samples that cannot be read, and those that are answered
    with NaN, are left out on both sides, named and counted. *progress* is told how many samples are done.

    Raises `UsageError` for a class that the bundle does not have and for data in another form, and as `open_session` does.
    """
    path = Path(data).expanduser()
    contestants = [Contestant(open_session(bundle, runtime=runtime))]
    if against is not None or against_runtime is not None:
        contestants.append(Contestant(open_session(against if against is not None else bundle, runtime=against_runtime)))
    labels = contestants[0].labels
    if path.is_dir() and labels is not None:
        for name in classes_in(path):
            class_of(name, labels, len(labels))
    run = _Run(contestants, top)
    for batch in _batches(items_of(path, target, len(contestants[0].inputs)), contestants, run.refuse):
        run.take(batch)
        progress(run.done)
    return run.evaluation(str(path))


def _batches(items: Iterator[Item], contestants: Sequence[Contestant], refuse: Callable[[str, str], None]) -> Iterator[_Batch]:
    batch, shapes, size = _Batch([], [], [[] for _ in contestants]), None, 0
    for item in items:
        if item.fault:
            refuse(item.name, item.fault)
            continue
        try:
            read = [each.read(item) for each in contestants]
        except FAULTS as fault:
            refuse(item.name, fault.what)
            continue
        found = [{name: array.shape for name, array in sample.items()} for sample in read]
        if len(batch) and (found != shapes or size >= BATCH_BYTES or len(batch) == BATCH_SAMPLES):
            yield batch
            batch, size = _Batch([], [], [[] for _ in contestants]), 0
        shapes = found
        size += sum(array.nbytes for sample in read for array in sample.values())
        batch.names.append(item.name)
        batch.truths.append(item.truth)
        for samples, sample in zip(batch.samples, read, strict=True):
            samples.append(sample)
    if len(batch):
        yield batch


class _Run:
    """What an evaluation has come to so far."""

    def __init__(self, contestants: Sequence[Contestant], top: int | None) -> None:
        self.contestants = contestants
        self.done = 0
        self._top = top
        self._tally: Tally | None = None
        self._unreadable: list[Unreadable] = []
        self._refused = 0

    def refuse(self, name: str, reason: str) -> None:
        """Note a sample that cannot be used."""
        self._refused += 1
        if len(self._unreadable) < LISTED:
            self._unreadable.append(Unreadable(name, reason))

    def take(self, batch: _Batch) -> None:
        """Answer a batch on every side and count it; where it cannot be, sample by sample."""
        try:
            answers = [each.answer(samples) for each, samples in zip(self.contestants, batch.samples, strict=True)]
        except BatchLost:
            raise
        except FAULTS as fault:
            self._take_apart(batch, fault.what)
            return
        if any(_has_nan(answer) for answer in answers):
            self._take_apart(batch, "is answered with NaN or infinity")
            return
        if self._tally is None:
            self._tally = Tally(answers, [each.labels for each in self.contestants], self._top)
        self._tally.add(batch.truths, answers)
        self.done += len(batch)

    def _take_apart(self, batch: _Batch, reason: str) -> None:
        if len(batch) == 1:
            self.refuse(batch.names[0], reason)
            return
        for index in range(len(batch)):
            self.take(batch.single(index))

    def evaluation(self, data: str) -> Evaluation:
        """Everything that was counted. Raises `UsageError` if no sample could be used."""
        if self._tally is None:
            first = self._unreadable[0] if self._unreadable else None
            raise UsageError(
                f"No sample of {data} could be used{f': {first.name}: {first.reason}' if first else ''}.",
                f"{self._refused} samples were tried.",
                "Give data that the bundle takes: pthway predict BUNDLE FILE shows what it says to one",
            )
        sides = [
            Side(
                each.described.name,
                each.described.version,
                str(each.session.bundle.path),
                each.session.runtime,
                figures,
            )
            for each, figures in zip(self.contestants, self._tally.figures(), strict=True)
        ]
        return Evaluation(data, self.done, tuple(sides), self._tally.comparison(), tuple(self._unreadable), self._refused)


def _has_nan(answer: Answer) -> bool:
    numbers: Any = answer.probabilities if answer.scored else answer.values
    return not bool(np.isfinite(numbers).all())
