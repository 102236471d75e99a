"""Class scores to probabilities: which reading of the numbers holds, and the stable softmax."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

SUM_TOLERANCE: Final = 1e-4
"""How far the sum of a row of probabilities may be from one: float32 sums of a thousand classes stay below."""

CLASS_DIMENSIONS: Final = 2
"""Class scores are a table: one row a sample, one column a class."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A table of class scores, read."""

    order: npt.NDArray[np.float64]
    """The scores as the network gave them; they rank the classes even where probabilities round to zero."""
    probabilities: npt.NDArray[np.float64]
    """One row a sample, each summing to one; a row of NaN where the scores admit none."""
    reading: str
    """Which reading was taken."""

    @property
    def unreadable(self) -> tuple[int, ...]:
        """Rows whose scores hold NaN or infinity, so that they name no class."""
        return tuple(np.flatnonzero(np.isnan(self.probabilities).any(axis=1)).tolist())


def are_scores(array: npt.NDArray[np.generic]) -> bool:
    """Whether the array is a table of two or more columns of floating-point numbers."""
    return array.ndim == CLASS_DIMENSIONS and array.shape[1] > 1 and array.dtype.kind == "f"


def read_scores(array: npt.NDArray[np.generic]) -> Scores:
    """Return the table (rows, classes ≥ 2) with its probabilities.

    Rows that all are probabilities (none below 0, sum 1) are taken as they are, and rows that all are log-probabilities
    (none above 0, exponentials sum to 1) are exponentiated; anything else goes through the softmax.
    """
    scores = array.astype(np.float64)
    usable = ~np.isnan(scores).any(axis=1) & np.isfinite(scores.max(axis=1, initial=-np.inf))
    sound = scores[usable]
    if sound.size and (sound >= 0).all() and _sums_to_one(sound):
        return Scores(scores, _blank(scores, usable), "the output's rows are probabilities already (none below 0, sum 1)")
    if sound.size and (sound <= 0).all() and _sums_to_one(np.exp(sound)):
        reading = "the output's rows are log-probabilities (none above 0, exponentials sum to 1): exponentiated"
        return Scores(scores, np.exp(_blank(scores, usable)), reading)
    blank = _blank(scores, usable)
    shifted = np.exp(blank - blank.max(axis=1, keepdims=True))
    return Scores(scores, shifted / shifted.sum(axis=1, keepdims=True), f"softmax of {array.shape[1]} scores")


def _sums_to_one(rows: npt.NDArray[np.float64]) -> bool:
    return bool((np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE).all())


def _blank(scores: npt.NDArray[np.float64], usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return np.where(usable[:, None], scores, np.nan)
