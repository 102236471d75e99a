"""Columns of tables, scaled as they were in training."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pthway.data.preparation import ColumnPreparation
from pthway.errors import InputRefused

Array = npt.NDArray[Any]


def scale_columns(array: Array, preparation: ColumnPreparation, name: str) -> npt.NDArray[np.float64]:
    """(*array* − mean) / std along the last dimension, as float64 of the same shape.

    Raises `InputRefused` if there are not as many columns as numbers, and for complex numbers.
    """
    columns = array.shape[-1] if array.ndim else 1
    for field, numbers in (("mean", preparation.mean), ("std", preparation.std)):
        if numbers is not None and len(numbers) not in (1, columns):
            raise InputRefused(
                f"{name} has {columns} columns (shape {array.shape}), and {field} {len(numbers)} numbers.",
                f"{field} holds one number a column, the last dimension, or one for all.",
                f"Give {len(numbers)} columns, as in training",
            )
    if array.dtype.kind == "c":
        raise InputRefused(f"{name} is complex.", "Columns are scaled as real numbers.", "x.real")
    scaled = array.astype(np.float64)
    if preparation.mean is not None:
        scaled = scaled - np.array(preparation.mean)
    return scaled if preparation.std is None else scaled / np.array(preparation.std)
