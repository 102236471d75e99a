"""The packer's own functions, and the example, on their way into a bundle."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from pthway.architecture.resolve import resolve
from pthway.bundle.golden import Array, Record
from pthway.data.given import is_image, read_given
from pthway.data.intake import batch_shape, numbers_of, require_names
from pthway.data.preparation import PLAIN_PREPARATION, ColumnPreparation, Preparation
from pthway.errors import ArchitectureNotFound, InputRefused, NotExportable, UsageError
from pthway.export.reference import BATCHES, Referred
from pthway.export.source import reference_to
from pthway.model import Model
from pthway.runtime.functions import Function, Role

Named = str | Callable[..., Any]
IMAGE_RANK: Final = 3
"""Channels, height, width: one image without its batch."""


def functions_of(before: Named | None, after: Named | None) -> dict[Role, Function]:
    """Those that are given, imported. Raises `UsageError` for what names no function."""
    given: list[tuple[Role, Named | None]] = [("before", before), ("after", after)]
    return {role: Function(role, _shown(named), _imported(named)) for role, named in given if named is not None}


def _shown(named: Named) -> str:
    return named if isinstance(named, str) else getattr(named, "__qualname__", repr(named))


def _imported(named: Named) -> Callable[..., Any]:
    try:
        return resolve(named).factory
    except ArchitectureNotFound as cause:
        raise UsageError(f"The function {_shown(named)} cannot be had: {cause.what}", cause.why, "--before prep.py:normalise") from cause


def written(functions: Mapping[Role, Function], folder: Path) -> dict[Role, str]:
    """How each is named in a bundle; their files are copied to *folder*. Raises `NotExportable` for what cannot be imported again."""
    copied: set[Path] = set()
    return {role: reference_to(function.code, folder=folder, copied=copied) for role, function in functions.items()}


def example_of(example: object, model: Model, preparation: Preparation | None) -> object:
    """*example* as arrays: files read, images prepared and given a batch, columns scaled; None if there is none."""
    read = isinstance(example, str | os.PathLike) or is_image(example) or isinstance(preparation, ColumnPreparation)
    if example is None or not read:
        return example
    given, steps = read_given(example, model.signature.inputs, preparation or PLAIN_PREPARATION)
    pictured = any("pixels" in step for step in steps)
    arrays = {name: numbers_of(value, name) for name, value in given.items()}
    arrays = {name: array[None] if pictured and array.ndim in (1, IMAGE_RANK) else array for name, array in arrays.items()}
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def taken_by(function: Function, example: object, model: Model) -> tuple[dict[str, Array], object]:
    """The arrays that ``before`` is given for *example*, by name, and what it makes of them for the network."""
    names = [each.name for each in model.signature.inputs]
    given = example if isinstance(example, Mapping) else dict(zip(names, [example], strict=False))
    arrays = {name: np.ascontiguousarray(numbers_of(value, name)) for name, value in given.items()}
    made = function(arrays)
    return arrays, (next(iter(made.values())) if len(names) == 1 == len(made) else made)


def function_records(
    functions: Mapping[Role, Function], referred: Referred, records: Mapping[str, Record], given: Mapping[str, Array] | None
) -> dict[str, Record]:
    """What each function gives, for *given* or the recorded inputs, and for the recorded outputs.

    Raises `NotExportable` if what ``before`` returns is nothing that the network takes, or ``after`` not one answer a sample.
    """
    recorded = records[str(BATCHES[0])]
    found: dict[str, Record] = {}
    if "before" in functions:
        taken = given or recorded.inputs
        found["before"] = Record(taken, functions["before"](taken))
        _require_taken(functions["before"], found["before"].outputs, referred)
    if "after" in functions:
        counted = [each for each in referred.signature.outputs if each.batch is not None]
        outputs = {each.name: np.moveaxis(recorded.outputs[each.name], each.batch or 0, 0) for each in counted}
        found["after"] = Record(outputs, functions["after"](outputs))
        require_one_answer(functions["after"], found["after"].outputs, BATCHES[0])
    return {role: Record(_contiguous(record.inputs), _contiguous(record.outputs)) for role, record in found.items()}


def _contiguous(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _require_taken(function: Function, made: Mapping[str, Array], referred: Referred) -> None:
    inputs = referred.signature.inputs
    try:
        require_names([*made], [each.name for each in inputs], "Return the inputs by these names.")
        for each in inputs:
            batch_shape(made[each.name].shape, each)
    except InputRefused as refusal:
        raise NotExportable(
            f"The function {function.reference} returns what the network does not take: {refusal.what}",
            refusal.why,
            "Give a batch of what the function takes: --example x.npy",
        ) from refusal


def require_one_answer(function: Function, got: Mapping[str, Array], count: int) -> None:
    """Raise `NotExportable` unless each array has as many rows as there are samples."""
    wrong = next((name for name, array in got.items() if array.shape[:1] != (count,)), None)
    if wrong is not None:
        raise NotExportable(
            f"The function {function.reference} returns {wrong} of shape {got[wrong].shape} for {count} samples.",
            "There has to be one answer a sample, along the first dimension.",
            "Return arrays with a row a sample",
        )
