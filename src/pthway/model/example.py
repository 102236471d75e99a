"""The signature of a module by an example of its inputs: which sizes are free is found by changing them."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from pthway.errors import InputRefused, UsageError
from pthway.model.batch_axis import batch_by_influence, batch_by_shape
from pthway.model.infer import OTHER_SAMPLES, SAMPLES, STEPS, infer, parameter_names, symbolic_outputs
from pthway.model.intake import to_tensor
from pthway.model.trial import Exhausted, Trial, dtype_of, one_thread
from pthway.signature import BATCH, Dim, Input, Signature, written

SIDES: Final = {3: ("height", "width"), 2: ("length",)}
"""Names of free sizes, by how many dimensions follow the batch; the last ones of the shape bear them."""


@dataclass(frozen=True, slots=True)
class _Example:
    """Inputs of ``forward``, in its order."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype, ...]
    bounds: tuple[int, ...]
    """Above every id of an integer input."""

    def resized(self, changes: Mapping[tuple[int, int], int]) -> list[tuple[int, ...]]:
        """The shapes with other sizes at some (input, dimension)."""
        return [tuple(changes.get((which, axis), size) for axis, size in enumerate(shape)) for which, shape in enumerate(self.shapes)]

    def everywhere(self, axis: int, size: int) -> dict[tuple[int, int], int]:
        """The change of one dimension of all inputs."""
        return {(which, axis): size for which in range(len(self.shapes))}


@one_thread()
def infer_from(module: nn.Module, example: object) -> Signature:
    """The signature of *module*, found by trying, or else with the names, types and shapes of *example*: a batch of inputs.

    Raises `UsageError` if the example does not go with ``forward`` and `InputRefused` if it does not run.
    """
    given = _read(module, example)
    found = infer(module)
    fits = len(found.inputs) == len(given.names) and all(map(Input.takes, found.inputs, given.shapes))
    if found.outputs and fits:
        return found
    trial = Trial(module, given.names)
    result = trial.run(given.shapes, given.dtypes)
    if result.outputs is None:
        raise InputRefused(
            f"The example {', '.join(map(written, given.shapes))} does not run.",
            f"The forward pass raises {result.reason}",
            "Give a batch of inputs as the network takes them.",
        )
    try:
        return _by_changing(trial, module, given)
    except Exhausted as cause:
        raise InputRefused(
            "The example takes too long to try.", "Some 240 forward passes or 8 seconds are made.", "Give a smaller example."
        ) from cause


def _read(module: nn.Module, example: object) -> _Example:
    names, _ = parameter_names(module)
    if isinstance(example, Mapping):
        values = _in_order(module, example)
        missing = [name for name in names if name not in values]
        if missing:
            raise UsageError(
                f"The example has no {missing[0]}.", f"The network takes {', '.join(names)}.", f"example={{{missing[0]!r}: …, …}}"
            )
    elif isinstance(example, tuple) and len(example) == len(names):
        values = dict(zip(names, example, strict=True))
    elif len(names) == 1:
        values = {names[0]: example}
    else:
        raise UsageError(
            f"The example is one {type(example).__name__}; the network takes {len(names)} inputs: {', '.join(names)}.",
            "An example has every input.",
            f"example=({', '.join(names)})",
        )
    return _as_example(values, dtype_of(module))


def _in_order(module: nn.Module, example: Mapping[Any, object]) -> dict[str, object]:
    """The inputs in the order of ``forward``. Raises `UsageError` for names that it does not have."""
    parameters = inspect.signature(module.forward).parameters
    foreign = [name for name in example if name not in parameters]
    if foreign and not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        raise UsageError(
            f"The example has an input {foreign[0]!r} that the network does not.",
            f"Its forward pass takes {', '.join(parameters)}.",
            "Name the inputs of the example as the parameters of forward are named.",
        )
    return {str(name): example[name] for name in [*(each for each in parameters if each in example), *foreign]}


def _as_example(values: Mapping[str, object], floating: torch.dtype) -> _Example:
    tensors = {name: to_tensor(value, name) for name, value in values.items()}
    flat = [name for name, tensor in tensors.items() if not tensor.ndim or not tensor.numel()]
    if flat:
        raise InputRefused(f"The example of {flat[0]} has no samples.", "An example is a batch of at least one sample.", "example=x[None]")
    return _Example(
        names=tuple(tensors),
        shapes=tuple(tuple(tensor.shape) for tensor in tensors.values()),
        dtypes=tuple(_dtype(tensor, floating) for tensor in tensors.values()),
        bounds=tuple(2 if tensor.is_floating_point() else int(tensor.max()) + 1 for tensor in tensors.values()),
    )


def _dtype(tensor: Tensor, floating: torch.dtype) -> torch.dtype:
    if tensor.is_floating_point() or tensor.is_complex():
        return floating
    return torch.bool if tensor.dtype == torch.bool else torch.int64


def _by_changing(trial: Trial, module: nn.Module, given: _Example) -> Signature:
    batch, notes = _batch(trial, module, given)
    base = _Example(given.names, tuple(given.resized(given.everywhere(batch, SAMPLES))), given.dtypes, given.bounds)
    symbols: list[list[Dim]] = [[*shape] for shape in base.shapes]
    for which, shape in enumerate(base.shapes):
        symbols[which][batch] = BATCH
        for axis in range(len(shape)):
            if axis == batch or isinstance(symbols[which][axis], str):
                continue
            places = _free_together(trial, base, which, axis)
            name = _side(base.names[which], len(shape), axis, single=len(base.shapes) == 1)
            for place, other in places:
                symbols[place][other] = name
    shapes = [tuple(each) for each in symbols]
    outputs = symbolic_outputs(trial, shapes, base.shapes, base.dtypes, {})
    inputs = [
        Input(name, shape, str(dtype).removeprefix("torch."), because="given as an example")
        for name, shape, dtype in zip(base.names, shapes, base.dtypes, strict=True)
    ]
    lost = [
        f"{output.name} has no dimension for the samples: answers leave it out, model(x) gives it"
        for output in outputs
        if output.batch is None
    ]
    return Signature(tuple(inputs), outputs, (*notes, *lost))


def _batch(trial: Trial, module: nn.Module, given: _Example) -> tuple[int, tuple[str, ...]]:
    """The dimension that counts the samples in all inputs, the first unless the runs show that it is the second."""
    alike = [
        axis for axis in (0, 1) if all(len(shape) > axis for shape in given.shapes) and len({shape[axis] for shape in given.shapes}) == 1
    ]
    runs = [axis for axis in alike if _runs(trial, given, given.everywhere(axis, OTHER_SAMPLES))]
    if runs != [0, 1]:
        if not runs:
            return 0, ("the example runs with its own number of samples only",)
        return runs[0], ()
    sizes = {**given.everywhere(0, SAMPLES), **given.everywhere(1, STEPS[0])}
    small = given.resized(sizes)
    base = trial.run(small, given.dtypes)
    more = trial.run(given.resized({**sizes, **given.everywhere(0, OTHER_SAMPLES)}), given.dtypes)
    longer = trial.run(given.resized({**sizes, **given.everywhere(1, STEPS[1])}), given.dtypes)
    by_shape = batch_by_shape(base, more, longer)
    if by_shape is not None:
        return by_shape, ()
    found, notes = batch_by_influence(module, small, given.dtypes, given.bounds, given.names)
    return (found, notes) if found is not None else (0, ("samples along the first dimension influence one another",))


def _free_together(trial: Trial, base: _Example, which: int, axis: int) -> Sequence[tuple[int, int]]:
    """The places whose size can change: this one alone, or with all of the same size; none if it is fixed."""
    size = base.shapes[which][axis]
    alike = [
        (other, side) for other, shape in enumerate(base.shapes) for side, length in enumerate(shape) if length == size and side == axis
    ]
    for places in ([(which, axis)], alike):
        if all(_runs(trial, base, dict.fromkeys(places, changed)) for changed in (size + 1, 2 * size)):
            return places
    return ()


def _runs(trial: Trial, example: _Example, changes: Mapping[tuple[int, int], int]) -> bool:
    return trial.run(example.resized(changes), example.dtypes).outputs is not None


def _side(name: str, rank: int, axis: int, *, single: bool) -> str:
    names = SIDES.get(rank - 1, ())
    position = axis - (rank - len(names))
    side = names[position] if position >= 0 else f"size_{axis}"
    return side if single else f"{name}_{side}"
