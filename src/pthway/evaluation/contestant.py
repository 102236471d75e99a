"""One of the sides of an evaluation: a session that reads samples as its bundle says, and answers them in batches."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pthway.data.intake import batch_shape, require_names
from pthway.data.preparation import PLAIN_PREPARATION, ImagePreparation
from pthway.data.prepare import fold_columns, read_input
from pthway.data.present import Answer
from pthway.evaluation.dataset import Item
from pthway.runtime import Session

Array = npt.NDArray[Any]
Sample = Mapping[str, Array]


class Contestant:
    """A session with what is needed to give it samples."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.described = described = session.bundle.manifest
        self.inputs = described.signature.inputs
        self.labels = described.labels
        preparation = described.preparation
        self._images = preparation if isinstance(preparation, ImagePreparation) else PLAIN_PREPARATION
        self._whole = "before" not in described.functions
        """Whether samples have the shapes of the signature."""

    def read(self, item: Item) -> Sample:
        """The arrays of one sample, without batch dimension, by the input's name. Raises `InputRefused` and as `read_input` does."""
        shape = self.inputs[0].shape if self.inputs else None
        if isinstance(item.given, Path):
            arrays = read_input(item.given, shape=shape, preparation=self._images).arrays
        else:
            arrays = {
                name: fold_columns(array[None], shape if self._whole else None)[0] if array.ndim == 1 else array
                for name, array in item.given.items()
            }
        if set(arrays) == {""} and len(self.inputs) == 1:
            arrays = {self.inputs[0].name: arrays[""]}
        if not self._whole:
            return arrays
        require_names([*arrays], [each.name for each in self.inputs], "Name the arrays so.")
        return {each.name: _sample(arrays[each.name], each) for each in self.inputs}

    def answer(self, samples: Sequence[Sample]) -> Answer:
        """The answer to a batch of samples of one shape. Raises as `Session.predict` does."""
        axes = {each.name: each.batch or 0 for each in self.inputs} if self._whole else {}
        return self.session.predict({name: np.stack([each[name] for each in samples], axes.get(name, 0)) for name in samples[0]})


def _sample(array: Array, wanted: Any) -> Array:
    """*array* as one sample; a batch of one is one."""
    shape, _ = batch_shape(array.shape, wanted)
    axis = wanted.batch or 0
    if wanted.batch is None or shape[axis] != 1:
        return array
    return array.reshape(*shape[:axis], *shape[axis + 1 :])
