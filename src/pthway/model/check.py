"""Whether a live model answers finitely, the same twice, and for a sample the same alone as among others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from pthway.errors import UsageError
from pthway.model.trial import dtype_of
from pthway.signature import BATCH, Input, Signature

BATCH_SIZES: Final = (2, 8)
"""What is tried unless the caller says which sizes will be used."""
MAX_BATCH: Final = 1024
"""Batches are made of at most so many samples."""
FREE_SIZE: Final = 32
"""For sizes that a network leaves open, where it takes them."""
RELATIVE: Final = 1e-4
"""Differences between batch sizes in parts of the largest output: float32 sums in another order stay below 1e-5."""
HALF_RELATIVE: Final = 2e-2
"""The same in half precision."""
DEAD: Final = 1e-6
"""Outputs that differ by less between inputs, in parts of the largest output, do not depend on them."""
PIXELS: Final = 255.0
"""The largest value of a pixel as files hold it."""

Array = npt.NDArray[Any]
Predict = Callable[[Any], Mapping[str, Array]]
"""A batch of inputs → the outputs by name, batch first."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was tested, on which inputs, and what came out."""

    given: bool
    """Whether the model was tried on inputs of the caller's; else on random ones."""
    weights_not_finite: tuple[str, ...]
    """Parameters and buffers that hold NaN or infinity."""
    outputs_finite: bool
    deterministic: bool
    """Whether two runs agree to the last bit."""
    batch_differences: Mapping[int, float]
    """Batch size → the largest difference between a sample's answer alone and in such a batch, in parts of the largest output."""
    batch_tolerance: float
    """What rounding may explain."""
    dead_outputs: tuple[str, ...]
    """Outputs of decimals that are the same for inputs that differ."""
    train_difference: float | None
    """How much the answers change in training mode, in parts of the largest output; None without dropout and batch norm."""
    scale_difference: float | None
    """How much they change when pixels go from 0 to 255 instead of 0 to 1; None for a network that takes no images."""

    @property
    def batch_difference(self) -> float:
        """The largest of `batch_differences`."""
        return max(self.batch_differences.values(), default=0.0)

    @property
    def batch_invariant(self) -> bool:
        """Whether a sample's answer does not depend on the others, but for rounding."""
        return self.batch_difference <= self.batch_tolerance

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        finite = not self.weights_not_finite and self.outputs_finite
        return finite and self.deterministic and self.batch_invariant and not (self.dead_outputs and self.given)

    def __bool__(self) -> bool:
        return self.ok

    def findings(self) -> tuple[tuple[bool | None, str], ...]:
        """Each test in words, and whether it passed; None for what only the user can judge."""
        sizes = ", ".join(map(str, self.batch_differences))
        difference = f"{self.batch_difference:.1e} of the largest output (batches of {sizes})"
        shown, dead = ", ".join(self.weights_not_finite[:3]), ", ".join(self.dead_outputs)
        tests = [
            (not self.weights_not_finite, "weights finite", f"NaN or infinity in {len(self.weights_not_finite)} tensors: {shown}"),
            (self.outputs_finite, "outputs finite", "outputs hold NaN or infinity"),
            (self.deterministic, "deterministic: two runs agree to the last bit", "two runs on one input differ"),
            (
                self.batch_invariant,
                f"batch-invariant: alone and in a batch differ by at most {difference}",
                f"a sample's answer depends on the others in its batch: by {difference}",
            ),
        ]
        if self.given or not self.dead_outputs:
            tests.append((not self.dead_outputs, "outputs depend on the input", f"the same for every input: {dead}"))
        return (*((passed, good if passed else bad) for passed, good, bad in tests), *((None, hint) for hint in self._hints()))

    def _hints(self) -> list[str]:
        hints = []
        if self.dead_outputs and not self.given:
            hints.append(f"the same for every random input: {', '.join(self.dead_outputs)}; see with your own: model.check(x)")
        if self.train_difference is not None:
            same = self.train_difference <= self.batch_tolerance
            hints.append(
                "training mode gives the same answers, though there are layers of dropout or batch norm"
                if same
                else f"training mode changes the answers by {self.train_difference:.1e} of the largest: predict never uses it"
            )
        if self.scale_difference is not None:
            matters = "give pixels as in training" if self.scale_difference > self.batch_tolerance else "the scale does not matter"
            change = f"pixels from 0 to 255 instead of 0 to 1 change the answers by {self.scale_difference:.1e} of the largest"
            hints.append(f"{change}: {matters}")
        return hints

    def __str__(self) -> str:
        marks = {True: "ok ", False: "NO ", None: "–  "}
        tests = [f"{marks[passed]} {words}" for passed, words in self.findings()]
        return "\n".join([*tests, f"(tried on {'the given' if self.given else 'random'} inputs)"])


def check(
    module: nn.Module, signature: Signature, predict: Predict, training: Predict, x: Any, batch_sizes: Sequence[int] = BATCH_SIZES
) -> CheckReport:
    """The report on *module*, tried on the batch *x*, or on random inputs of the signature's shapes if that is None.

    *predict* answers as the model does, *training* as it would in training mode, without changing it. Raises `UsageError` for
    batch sizes that are none, or if the shapes are not known.
    """
    _check_sizes(batch_sizes)
    batch = _random_inputs(signature, max(batch_sizes)) if x is None else _batched(x, signature)
    outputs = predict(batch)
    count = len(next(iter(outputs.values())))
    rows = [_rows(batch, signature, [index]) for index in range(min(count, max(batch_sizes)))]
    alone = [predict(row) for row in rows]
    reference = {name: np.concatenate([answer[name] for answer in alone]) for name in outputs}
    differences = {}
    for size in batch_sizes:
        order = [index % len(rows) for index in range(size)]
        among = predict(_rows(batch, signature, order))
        differences[size] = _largest({name: (among[name], array[order]) for name, array in reference.items()})
    again = predict(batch)
    half = dtype_of(module).itemsize < torch.float32.itemsize
    return CheckReport(
        given=x is not None,
        weights_not_finite=_not_finite(module),
        outputs_finite=all(bool(np.isfinite(array).all()) for array in outputs.values()),
        deterministic=all(np.array_equal(array, again[name], equal_nan=array.dtype.kind in "fc") for name, array in outputs.items()),
        batch_differences=differences,
        batch_tolerance=HALF_RELATIVE if half else RELATIVE,
        dead_outputs=_dead(reference) if any(not _same(rows[0], row) for row in rows) else (),
        train_difference=_difference_of(outputs, training(batch)) if _trains(module) else None,
        scale_difference=_scale_difference(predict, signature),
    )


def _check_sizes(sizes: Sequence[int]) -> None:
    if not sizes or not all(isinstance(size, int) and 1 <= size <= MAX_BATCH for size in sizes):
        raise UsageError(
            f"batch_sizes is {list(sizes)!r}.", f"Sizes are whole numbers from 1 to {MAX_BATCH:,}.", "model.check(batch_sizes=(1, 8, 32))"
        )


def _trains(module: nn.Module) -> bool:
    """Whether there are layers that work differently in training."""
    always = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)
    between = (nn.RNNBase, nn.MultiheadAttention)  # these drop out inside themselves, if told to
    return any(isinstance(each, always) or (isinstance(each, between) and each.dropout) for each in module.modules())


def _scale_difference(predict: Predict, signature: Signature) -> float | None:
    wanted = signature.inputs[0] if len(signature.inputs) == 1 else None
    sample = wanted.sample if wanted is not None else None
    if wanted is None or wanted.dtype == "int64" or sample is None or len(sample) != 3 or sample[0] not in (1, 3, 4):  # noqa: PLR2004  # channels, rows, columns
        return None
    pixels = np.random.default_rng(0).random(_shape(wanted, {BATCH: min(BATCH_SIZES)})).astype(np.float32)
    return _difference_of(predict({wanted.name: pixels}), predict({wanted.name: pixels * np.float32(PIXELS)}))


def _difference_of(first: Mapping[str, Array], second: Mapping[str, Array]) -> float:
    return _largest({name: (array, second[name]) for name, array in first.items()})


def _largest(pairs: Mapping[str, tuple[Array, Array]]) -> float:
    return max((_difference(one, other) for one, other in pairs.values() if len(one)), default=0.0)


def _difference(one: Array, other: Array) -> float:
    """The largest difference in parts of the largest number of the first; infinite where shapes or what is finite differ."""
    if one.shape != other.shape:
        return float("inf")
    a, b = (array.astype(np.complex128 if array.dtype.kind == "c" else np.float64) for array in (one, other))
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    sound = np.isfinite(a)
    if not sound.any():
        return 0.0
    scale = float(np.abs(a[sound]).max()) or 1.0
    return float(np.abs(a[sound] - b[sound]).max()) / scale


def _dead(outputs: Mapping[str, Array]) -> tuple[str, ...]:
    """The outputs whose samples all are the first. Whole numbers, such as a class, may well agree."""
    decimals = {name: array for name, array in outputs.items() if array.dtype.kind in "fc"}
    return tuple(name for name, array in decimals.items() if _difference(array, np.broadcast_to(array[:1], array.shape)) <= DEAD)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(
        torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else np.array_equal(value, other[name])
        for name, value in one.items()
    )


def _not_finite(module: nn.Module) -> tuple[str, ...]:
    named = [*module.named_parameters(), *module.named_buffers()]
    floats = [(name, tensor) for name, tensor in named if tensor.is_floating_point() or tensor.is_complex()]
    return tuple(
        name
        for name, tensor in floats
        if not bool(torch.isfinite(tensor.detach().float() if tensor.itemsize == 1 else tensor.detach()).all())
    )


def _random_inputs(signature: Signature, samples: int) -> dict[str, Array]:
    unknown = next((each for each in signature.inputs if each.shape is None), None)
    if unknown is not None or not signature.inputs:
        raise UsageError(
            "The shapes that the network takes are not known.",
            "; ".join(signature.notes) or "Its signature has no inputs.",
            "model.check(x) with a batch of your own inputs",
        )
    generator = np.random.default_rng(0)
    sizes: dict[str, int] = {BATCH: samples}
    return {each.name: _random(each, generator, sizes) for each in signature.inputs}


def _random(wanted: Input, generator: np.random.Generator, sizes: dict[str, int]) -> Array:
    shape = _shape(wanted, sizes)
    if wanted.dtype == "int64":
        return generator.integers(0, wanted.vocabulary or 2, shape)
    return generator.standard_normal(shape).astype(np.float32)


def _shape(wanted: Input, sizes: dict[str, int]) -> list[int]:
    """A shape that the network takes; *sizes* are those of the named dimensions so far, and it is added to."""
    shape: list[int] = []
    for axis, side in enumerate(wanted.shape or ()):
        limit = wanted.limits.get(axis)
        if isinstance(side, int):
            shape.append(side)
            continue
        size = FREE_SIZE if limit is None else max(limit.low, -(-FREE_SIZE // limit.multiple) * limit.multiple)
        shape.append(sizes.setdefault(side, size if limit is None or limit.high is None else min(size, limit.high)))
    return shape


def _batched(x: Any, signature: Signature) -> dict[str, Any]:
    """*x* by the names of the inputs, one sample as a batch of one."""
    named = x if isinstance(x, Mapping) else {signature.inputs[0].name: x}
    dimensions = {each.name: (len(each.shape), each.batch or 0) for each in signature.inputs if each.shape is not None}
    return {str(name): _as_batch(value, *dimensions.get(str(name), (0, 0))) for name, value in named.items()}


def _as_batch(value: Any, dimensions: int, axis: int) -> Any:
    if isinstance(value, torch.Tensor):
        return value.unsqueeze(axis) if value.ndim == dimensions - 1 else value
    array = np.asarray(value)
    return np.expand_dims(array, axis) if array.ndim == dimensions - 1 else array


def _rows(batch: Mapping[str, Any], signature: Signature, indices: Sequence[int]) -> dict[str, Any]:
    """The samples of *batch* at *indices*, as a batch."""
    axes = {each.name: each.batch or 0 for each in signature.inputs}
    return {name: _taken(value, axes.get(name, 0), indices) for name, value in batch.items()}


def _taken(values: Any, axis: int, indices: Sequence[int]) -> Any:
    if isinstance(values, torch.Tensor):
        return values.index_select(axis, torch.tensor(indices, device=values.device))
    return np.take(np.asarray(values), indices, axis=axis)
