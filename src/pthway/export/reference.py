"""The reference: the network in eager torch, float32, evaluation mode, on the CPU, and what it answers to golden inputs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pthway.architecture.random_state import random_state_kept
from pthway.bundle.golden import NAN, Array, Record
from pthway.data.intake import batch_shape, cast, numbers_of, require_names, require_one_count
from pthway.errors import BatchLost, NotExportable, UsageError
from pthway.forward import called, named_outputs
from pthway.model import Model
from pthway.model.example import infer_from
from pthway.model.trial import dtype_of, twin
from pthway.signature import BATCH, Input, Limit, Output, Signature

BATCHES: Final = (2, 1, 8)
"""Numbers of samples of the golden records. The first one is what a quick verification runs: one sample could hide a folded batch."""
SIZES: Final = "sizes"
"""The record whose free sizes are others than in the records before."""
SAMPLES: Final = 2
USUAL: Final = (224, 256, 64, 32, 128, 96, 48, 28, 16, 12, 10, 8, 7, 5, 4, 3, 2, 1)
"""Sizes that are tried for a free dimension, in this order."""
SHORT: Final = 12
"""For the length of a sequence, of which nothing is known."""


class Reference(nn.Module):
    """The network with its inputs by position and its outputs as a tuple, both in the order of the signature."""

    def __init__(self, module: nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.training = False

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the signature."""
        answers = named_outputs(called(self.module, given, self.inputs))
        return tuple(answers[name] for name in self.outputs)

    def answer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, as arrays, for a batch."""
        given = [torch.from_numpy(np.array(inputs[name])) for name in self.inputs]
        with torch.inference_mode(), random_state_kept():
            answers = self(*given)
        return {name: np.ascontiguousarray(tensor.detach().cpu().numpy()) for name, tensor in zip(self.outputs, answers, strict=True)}


class Referred(NamedTuple):
    """A model ready to be packed."""

    reference: Reference
    signature: Signature
    """In the types of the reference."""
    notes: tuple[str, ...]


def reference_of(model: Model, example: object = None) -> Referred:
    """The reference of *model*, which is not changed. Raises `NotExportable` if neither its signature nor *example* is known."""
    signature = model.signature if example is None else infer_from(model.module, example)
    notes: list[str] = []
    unknown = [each.name for each in signature.inputs if each.shape is None or each.batch is None or each.dtype is None]
    if unknown or not signature.inputs or not signature.outputs:
        raise NotExportable(
            f"What the network takes is not known: {', '.join(unknown) or 'its inputs and outputs'}.",
            "; ".join(signature.notes) or "Its layers and forward passes do not tell.",
            "Give a batch of inputs: pthway.pack(model, …, example=x), or --example x.npy",
        )
    module = twin(model.module, on_meta=False)
    if dtype_of(module) != torch.float32:
        notes.append(f"the weights are {str(dtype_of(module)).removeprefix('torch.')}; the bundle computes in float32")
        module = module.float()
    module = module.cpu()
    reference = Reference(module, [each.name for each in signature.inputs], [each.name for each in signature.outputs])
    return Referred(reference, _in_float32(signature), tuple(notes))


def _in_float32(signature: Signature) -> Signature:
    inputs = [Input(each.name, each.shape, _dtype(each.dtype), each.limits, each.vocabulary, each.because) for each in signature.inputs]
    outputs = [Output(each.name, each.shape, _dtype(each.dtype)) for each in signature.outputs]
    return Signature(tuple(inputs), tuple(outputs), signature.notes)


def _dtype(name: str | None) -> str:
    return "float32" if name in ("float16", "bfloat16", "float64", None) else name


def records_of(referred: Referred, example: object, seed: int) -> dict[str, Record]:
    """The golden records: what the reference answers to *example*, or to random inputs, for several numbers of samples.

    One record holds other sizes where sizes are free, one a NaN. Raises `InputRefused` for an example that does not fit, `BatchLost`
    if samples are folded together, and `NotExportable` if two calls differ.
    """
    reference, inputs = referred.reference, referred.signature.inputs
    make = _given(example, inputs) if example is not None else _random(inputs, np.random.default_rng(seed))
    made = {str(count): make(count, False) for count in BATCHES}  # noqa: FBT003
    if example is None and any(_free(each) for each in inputs):
        made[SIZES] = make(SAMPLES, True)  # noqa: FBT003
    records = {name: Record(arrays, reference.answer(arrays)) for name, arrays in made.items()}
    _require_sound(referred, records)
    spoiled = _with_nan(records["1"].inputs)  # programs that fix the number of samples are for one
    if spoiled is not None:
        records[NAN] = Record(spoiled, reference.answer(spoiled))
    return records


def _require_sound(referred: Referred, records: Mapping[str, Record]) -> None:
    for name, record in records.items():
        count = next(record.inputs[each.name].shape[each.batch or 0] for each in referred.signature.inputs)
        for output in referred.signature.outputs:
            array = record.outputs[output.name]
            if output.batch is not None and array.shape[output.batch : output.batch + 1] != (count,):
                raise BatchLost(
                    f"The network answers {count} samples with {output.name} of shape {array.shape}.",
                    "There has to be one answer a sample.",
                    "Give inputs of the size that it was trained on: example=x",
                )
        again = referred.reference.answer(record.inputs)
        differing = [
            key for key, array in record.outputs.items() if not np.allclose(array, again[key], rtol=1e-4, atol=1e-5, equal_nan=True)
        ]
        if differing:
            raise NotExportable(
                f"Two runs on the inputs of record {name} give another {differing[0]}.",
                "A network that answers by chance has no answer that a deployment could be held to.",
                "Fix its random numbers; pthway check shows more",
            )


Make = Callable[[int, bool], dict[str, Array]]


def _given(example: object, inputs: Sequence[Input]) -> Make:
    """As many samples as are asked for, out of those that were given."""
    values = (
        example if isinstance(example, Mapping) else dict(zip([each.name for each in inputs], _positional(example, inputs), strict=True))
    )
    require_names([*values], [each.name for each in inputs], "Name the inputs of the example so.")
    arrays: dict[str, Array] = {}
    for wanted in inputs:
        numbers = numbers_of(values[wanted.name], wanted.name)
        shape, _ = batch_shape(numbers.shape, wanted)
        arrays[wanted.name] = np.ascontiguousarray(
            cast(numbers.reshape(shape), np.dtype(wanted.dtype or "float32"), wanted.vocabulary, wanted.name)
        )
    counts = {wanted.name: arrays[wanted.name].shape[wanted.batch or 0] for wanted in inputs}
    require_one_count(counts)
    held = next(iter(counts.values()))

    def make(count: int, other: bool) -> dict[str, Array]:  # noqa: FBT001  # an example has its own sizes
        rows = np.arange(count) % held
        return {wanted.name: np.ascontiguousarray(np.take(arrays[wanted.name], rows, axis=wanted.batch or 0)) for wanted in inputs}

    return make


def _positional(example: object, inputs: Sequence[Input]) -> tuple[object, ...]:
    given = example if isinstance(example, tuple) and len(inputs) > 1 else (example,)
    if len(given) != len(inputs):
        raise UsageError(
            f"The example has {len(given)} inputs.",
            f"The network takes {', '.join(each.name for each in inputs)}.",
            f"example={{{', '.join(f'{each.name!r}: …' for each in inputs)}}}",
        )
    return given


def _random(inputs: Sequence[Input], generator: np.random.Generator) -> Make:
    def make(count: int, other: bool) -> dict[str, Array]:  # noqa: FBT001
        sizes: dict[str, int] = {BATCH: count}
        for wanted in inputs:
            for name, limit in _free(wanted).items():
                first = _size(wanted, limit)
                sizes.setdefault(name, _another(first, limit) if other else first)
        return {wanted.name: _array(wanted, sizes, generator) for wanted in inputs}

    return make


def _free(wanted: Input) -> dict[str, Limit | None]:
    return {side: wanted.limits.get(axis) for axis, side in enumerate(wanted.shape or ()) if isinstance(side, str) and side != BATCH}


def _size(wanted: Input, limit: Limit | None) -> int:
    image = len(wanted.shape or ()) == 4  # noqa: PLR2004  # samples, channels, rows, columns
    usual = (64, *USUAL) if image else (SHORT, *USUAL)
    if limit is None:
        return usual[0]
    at_least = limit.low + (-limit.low) % limit.multiple
    return next((size for size in usual if limit.holds(size)), at_least)


def _another(size: int, limit: Limit | None) -> int:
    step = limit.multiple if limit is not None else 1
    steps = [size + step * count for count in (4, 2, 1, -1)]
    return next((other for other in steps if other > 0 and (limit is None or limit.holds(other))), size)


def _array(wanted: Input, sizes: Mapping[str, int], generator: np.random.Generator) -> Array:
    shape = [sizes[side] if isinstance(side, str) else side for side in wanted.shape or ()]
    if wanted.dtype == "bool":
        return generator.random(shape) < 0.5  # noqa: PLR2004  # a coin
    if wanted.dtype == "int64":
        return generator.integers(0, wanted.vocabulary or 2, shape, dtype=np.int64)
    return generator.standard_normal(shape, dtype=np.float32)


def _with_nan(inputs: Mapping[str, Array]) -> dict[str, Array] | None:
    """*inputs* with one NaN in the first sample of each that holds decimals; None if none does."""
    spoiled: dict[str, Any] = {name: array.copy() for name, array in inputs.items()}
    decimals = [array for array in spoiled.values() if array.dtype.kind == "f"]
    for array in decimals:
        array.flat[array[0].size // 2] = np.nan
    return spoiled if decimals else None
