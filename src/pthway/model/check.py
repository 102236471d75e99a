"""Whether a live model answers finitely, the same twice, and for a sample the same alone as among others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from pthway.data.present import Answer
from pthway.errors import UsageError
from pthway.model.signature import BATCH, Input, Signature
from pthway.model.trial import dtype_of

SAMPLES: Final = 3
FREE_SIZE: Final = 32
"""For sizes that a network leaves open, where it takes them."""
RELATIVE: Final = 1e-4
"""Differences between batch sizes in parts of the largest output: float32 sums in another order stay below 1e-5."""
HALF_RELATIVE: Final = 2e-2
"""The same in half precision."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was tested, on which inputs, and what came out."""

    inputs: str
    """On what the model was tried."""
    weights_not_finite: tuple[str, ...]
    """Parameters and buffers that hold NaN or infinity."""
    outputs_finite: bool
    deterministic: bool
    """Whether two runs agree to the last bit."""
    batch_difference: float
    """The largest difference between a sample's answer alone and among the others, in parts of the largest output."""
    batch_tolerance: float
    """What rounding may explain."""

    @property
    def batch_invariant(self) -> bool:
        """Whether a sample's answer does not depend on the others, but for rounding."""
        return self.batch_difference <= self.batch_tolerance

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.weights_not_finite and self.outputs_finite and self.deterministic and self.batch_invariant

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        shown = ", ".join(self.weights_not_finite[:3])
        lines = [
            (not self.weights_not_finite, "weights finite", f"NaN or infinity in {len(self.weights_not_finite)} tensors: {shown}"),
            (self.outputs_finite, "outputs finite", "outputs hold NaN or infinity"),
            (self.deterministic, "deterministic: two runs agree to the last bit", "two runs on one input differ"),
            (
                self.batch_invariant,
                f"batch-invariant: alone and in a batch differ by at most {self.batch_difference:.1e} of the largest output",
                f"a sample's answer depends on the others in its batch: by {self.batch_difference:.1e} of the largest output",
            ),
        ]
        return "\n".join([*(f"{'ok ' if ok else 'NO '} {good if ok else bad}" for ok, good, bad in lines), f"(tried on {self.inputs})"])


def check(module: nn.Module, signature: Signature, predict: Callable[[Any], Answer], x: Any) -> CheckReport:
    """The report on *module*, tried on the batch *x*, or on random inputs of the signature's shapes if that is None."""
    batch = _random_inputs(signature) if x is None else x
    first, second = _outputs(predict(batch)), _outputs(predict(batch))
    alone = [_outputs(predict(row)) for row in _rows(batch, signature, len(next(iter(first.values()))))]
    difference = max(
        (_difference(array, np.concatenate([row[name] for row in alone])) for name, array in first.items() if len(array)), default=0.0
    )
    half = dtype_of(module).itemsize < torch.float32.itemsize
    return CheckReport(
        inputs="random inputs" if x is None else "the given inputs",
        weights_not_finite=_not_finite(module),
        outputs_finite=all(bool(np.isfinite(array).all()) for array in first.values()),
        deterministic=all(np.array_equal(first[name], second[name], equal_nan=_is_float(first[name])) for name in first),
        batch_difference=difference,
        batch_tolerance=HALF_RELATIVE if half else RELATIVE,
    )


def _outputs(answer: Answer) -> Mapping[str, Array]:
    return answer.arrays


def _is_float(array: Array) -> bool:
    return array.dtype.kind in "fc"


def _difference(among: Array, alone: Array) -> float:
    if among.shape != alone.shape:
        return float("inf")
    a, b = among.astype(np.complex128 if among.dtype.kind == "c" else np.float64), alone.astype(among.dtype)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    sound = np.isfinite(a)
    if not sound.any():
        return 0.0
    scale = float(np.abs(a[sound]).max()) or 1.0
    return float(np.abs(a[sound] - b[sound]).max()) / scale


def _not_finite(module: nn.Module) -> tuple[str, ...]:
    named = [*module.named_parameters(), *module.named_buffers()]
    floats = [(name, tensor) for name, tensor in named if tensor.is_floating_point() or tensor.is_complex()]
    return tuple(
        name
        for name, tensor in floats
        if not bool(torch.isfinite(tensor.detach().float() if tensor.itemsize == 1 else tensor.detach()).all())
    )


def _random_inputs(signature: Signature) -> dict[str, Array]:
    unknown = next((each for each in signature.inputs if each.shape is None), None)
    if unknown is not None or not signature.inputs:
        raise UsageError(
            "The shapes that the network takes are not known.",
            "; ".join(signature.notes) or "Its signature has no inputs.",
            "model.check(x) with a batch of your own inputs",
        )
    generator = np.random.default_rng(0)
    sizes: dict[str, int] = {BATCH: SAMPLES}
    return {each.name: _random(each, generator, sizes) for each in signature.inputs}


def _random(wanted: Input, generator: np.random.Generator, sizes: dict[str, int]) -> Array:
    shape: list[int] = []
    for axis, side in enumerate(wanted.shape or ()):
        limit = wanted.limits.get(axis)
        if isinstance(side, int):
            shape.append(side)
            continue
        size = FREE_SIZE if limit is None else max(limit.low, -(-FREE_SIZE // limit.multiple) * limit.multiple)
        shape.append(sizes.setdefault(side, size if limit is None or limit.high is None else min(size, limit.high)))
    if wanted.dtype == "int64":
        return generator.integers(0, wanted.vocabulary or 2, shape)
    return generator.standard_normal(shape).astype(np.float32)


def _rows(batch: Any, signature: Signature, count: int) -> list[Any]:
    """*batch*, one sample at a time, each still a batch."""
    axes = {each.name: each.batch or 0 for each in signature.inputs}
    if isinstance(batch, Mapping):
        return [{name: _row(value, axes.get(name, 0), index) for name, value in batch.items()} for index in range(count)]
    return [_row(batch, next(iter(axes.values()), 0), index) for index in range(count)]


def _row(values: Any, axis: int, index: int) -> Any:
    if isinstance(values, torch.Tensor):
        return values.narrow(axis, index, 1)
    return np.take(np.asarray(values), [index], axis=axis)
