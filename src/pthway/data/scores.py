"""Class scores to probabilities: which reading of the numbers holds, and the stable softmax."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pthway.data.reading import Kind
from pthway.errors import UsageError

SUM_TOLERANCE: Final = 1e-4
"""How far the sum of a row of probabilities may be from one: float32 sums of a thousand classes stay below."""

CLASS_DIMENSIONS: Final = 2
"""Class scores are a table: one row a sample, one column a class."""


Table = npt.NDArray[np.float64]
ONE_COLUMN: Final = ("sigmoid", "probabilities")
"""Kinds of which one column is enough."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A table of class scores, read."""

    order: npt.NDArray[np.float64]
    """The scores as the network gave them; they rank the classes even where probabilities round to zero."""
    probabilities: npt.NDArray[np.float64]
    """One row a sample; a row of NaN where the scores admit none. Each sums to one, unless every label holds or not for itself."""
    reading: str
    """Which reading was taken."""

    @property
    def unreadable(self) -> tuple[int, ...]:
        """Rows whose scores hold NaN or infinity, so that they name no class."""
        return tuple(np.flatnonzero(np.isnan(self.probabilities).any(axis=1)).tolist())


def are_scores(array: npt.NDArray[np.generic], kind: Kind = "auto") -> bool:
    """Whether *array* holds floating-point scores of classes: a table of two or more columns; for some kinds of one column too."""
    if kind == "values" or array.dtype.kind != "f":
        return False
    if kind in ONE_COLUMN and array.ndim == 1:
        return True
    return array.ndim == CLASS_DIMENSIONS and array.shape[1] > (0 if kind in ONE_COLUMN else 1)


def read_scores(array: npt.NDArray[np.generic], kind: Kind = "auto", *, one_label: bool = False) -> Scores:
    """Return the table (rows, classes) with its probabilities.

    With ``auto`` rows that all are probabilities (none below 0, sum 1) are taken as they are, and rows that all are log-probabilities
    (none above 0, exponentials sum to 1) are exponentiated; anything else goes through the softmax. One column is the probability of the
    second of two classes, or of the only label with *one_label*. Raises `UsageError` for numbers that are not of their *kind*.
    """
    scores = array.astype(np.float64)
    scores = scores[:, None] if scores.ndim == 1 else scores
    if kind == "sigmoid":
        return _sigmoid(scores, one_label=one_label)
    usable = ~np.isnan(scores).any(axis=1) & np.isfinite(scores.max(axis=1, initial=-np.inf))
    sound = scores[usable]
    if kind == "probabilities":
        _require(sound, "probabilities", 0.0, 1.0)
        return _paired(_blank(scores, usable), one_label=one_label)
    if kind == "log-probabilities":
        _require(sound, "log-probabilities", -np.inf, 0.0)
        return Scores(scores, np.exp(_blank(scores, usable)), "the output holds log-probabilities: exponentiated")
    if kind == "auto" and sound.size and (sound >= 0).all() and _sums_to_one(sound):
        return Scores(scores, _blank(scores, usable), "the output's rows are probabilities already (none below 0, sum 1)")
    if kind == "auto" and sound.size and (sound <= 0).all() and _sums_to_one(np.exp(sound)):
        reading = "the output's rows are log-probabilities (none above 0, exponentials sum to 1): exponentiated"
        return Scores(scores, np.exp(_blank(scores, usable)), reading)
    blank = _blank(scores, usable)
    shifted = np.exp(blank - blank.max(axis=1, keepdims=True))
    return Scores(scores, shifted / shifted.sum(axis=1, keepdims=True), f"softmax of {scores.shape[1]} scores")


def _sigmoid(scores: Table, *, one_label: bool) -> Scores:
    with np.errstate(over="ignore"):  # the exponential of a large number is infinite, and its reciprocal zero, as it should be
        chances = 1 / (1 + np.exp(-scores))
    chances[np.isnan(scores).any(axis=1)] = np.nan
    if scores.shape[1] == 1 and not one_label:
        with np.errstate(over="ignore"):
            opposite = 1 / (1 + np.exp(scores))  # which 1 − p would round away
        pair = np.concatenate([np.where(np.isnan(chances), np.nan, opposite), chances], axis=1)
        return Scores(np.concatenate([-scores, scores], axis=1), pair, "sigmoid of one score: the probability of the second class")
    return Scores(scores, chances, f"sigmoid of {scores.shape[1]} scores, each label for itself")


def _paired(chances: Table, *, one_label: bool) -> Scores:
    if chances.shape[1] > 1 or one_label:
        return Scores(chances, chances, "the output holds probabilities")
    pair = np.concatenate([1 - chances, chances], axis=1)
    return Scores(pair, pair, "the output is the probability of the second class")


def _require(sound: Table, kind: str, least: float, largest: float) -> None:
    beyond = sound[(sound < least - SUM_TOLERANCE) | (sound > largest + SUM_TOLERANCE)]
    if beyond.size:
        raise UsageError(
            f"The output holds {beyond[0]:.6g}, and is read as {kind}.",
            f"These lie from {least:g} to {largest:g}.",
            'Read it as it is: reading="softmax" or "sigmoid" (--softmax, --sigmoid)',
        )


def _sums_to_one(rows: Table) -> bool:
    return bool((np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE).all())


def _blank(scores: Table, usable: npt.NDArray[np.bool_]) -> Table:
    return np.where(usable[:, None], scores, np.nan)
