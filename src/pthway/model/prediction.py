"""From what a caller gives to an answer: the input taken in, the forward pass, and the count of its answers."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pthway.data.given import named
from pthway.data.intake import require_one_count
from pthway.data.preparation import Preparation
from pthway.data.present import Answer
from pthway.errors import BatchLost, InputRefused
from pthway.forward import ONLY, called, named_outputs
from pthway.model.evaluation import Evaluation
from pthway.model.intake import as_batch, cast, to_tensor
from pthway.model.trial import device_of, dtype_of
from pthway.signature import Dim, Input, Output, Signature, written

FAILURES: Final = (RuntimeError, ValueError, IndexError, AssertionError, TypeError, NotImplementedError)
"""What layers raise for an input that does not suit them."""
NUMPY: Final[Mapping[torch.dtype, np.dtype[Any]]] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}
"""Types whose arrays need neither casting nor checking of values."""

ANY_RANK: Final = range(1, 65)
"""Torch has at most 64 dimensions."""

INTEGRAL: Final = {"int64": torch.int64, "bool": torch.bool}
"""Types of a signature that do not follow the module's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What predicting needs to know of a module, worked out once."""

    inputs: tuple[Input, ...]
    outputs: Mapping[str, Output]
    """The outputs by name; empty where the signature does not know them."""
    device: torch.device
    floating: torch.dtype
    anchor: tuple[dict[str, nn.Parameter | None], str] | None
    """Where the first parameter is kept, by which a later move or change of type is noticed."""
    quick: np.dtype[Any] | None
    """The numpy type of the only input, if arrays of it need no conversion, the module is on the CPU, and it has one output."""
    sides: tuple[Dim, ...] | None
    """The shape of one sample of the first input."""
    certain: bool
    """Whether what fits the signature is known to run."""
    names: tuple[str, ...]
    """The inputs' names."""
    ranks: Collection[int]
    """How many dimensions an output that is one tensor may have."""

    @property
    def holds(self) -> bool:
        """Whether the module still is where, and of the type, that it was."""
        if self.anchor is None:
            return True
        parameter = self.anchor[0].get(self.anchor[1])
        return parameter is not None and parameter.device == self.device and parameter.dtype is self.floating


class Taken(NamedTuple):
    """An input, ready for the forward pass."""

    tensors: tuple[Tensor, ...]
    single: bool = False
    """Whether it was one sample."""
    steps: tuple[str, ...] = ()
    """How it was read, in words."""


def plan_for(module: nn.Module, signature: Signature) -> Plan:
    """What there is to know of *module* before any input comes."""
    inputs, floating, device = signature.inputs, dtype_of(module), device_of(module)
    only = inputs[0] if len(inputs) == 1 else None
    plain = only is not None and only.shape is not None and only.batch == 0 and only.dtype == _short(floating)
    simple = plain and device.type == "cpu" and [output.batch for output in signature.outputs] == [0]
    certain = all(each.shape is not None and not any(isinstance(side, str) for side in each.sample or ("?",)) for each in inputs)
    return Plan(
        inputs=inputs,
        outputs={output.name: output for output in signature.outputs},
        device=device,
        floating=floating,
        anchor=_anchor(module),
        quick=NUMPY.get(floating) if simple else None,
        sides=inputs[0].sample if inputs else None,
        certain=certain,
        names=tuple(each.name for each in inputs),
        ranks={len(output.shape) for output in signature.outputs} or ANY_RANK,
    )


def _anchor(module: nn.Module) -> tuple[dict[str, nn.Parameter | None], str] | None:
    for owner in module.modules():
        for name, parameter in owner._parameters.items():
            if parameter is not None and parameter.is_floating_point():
                return owner._parameters, name
    return None


def quick_answer(module: nn.Module, evaluation: Evaluation, plan: Plan, x: object, labels: Sequence[str] | None) -> Answer | None:
    """The answer in the common case, within microseconds of the forward pass; None in every other, which `answer` then takes.

    The common case is a batch in the network's own type and shape on the CPU, a module at rest in evaluation mode, and one output.
    The copy keeps the caller's array its own.
    """
    if type(x) is np.ndarray:
        if x.dtype != plan.quick or x.shape[1:] != plan.sides or not x.flags.carray or evaluation.needed:
            return None
        given = torch.from_numpy(x)
    elif type(x) is Tensor:
        suits = plan.quick is not None and x.dtype is plan.floating and x.shape[1:] == plan.sides
        if not suits or not x.is_cpu or x.layout is not torch.strided or evaluation.needed:
            return None
        given = x.detach()
    else:
        return None
    try:
        with torch.inference_mode():
            # torch's own memory is aligned; a copy that numpy makes is not, and slows small layers down by a tenth.
            output = module(given.clone(memory_format=torch.contiguous_format))
    except FAILURES:
        return None
    if type(output) is not Tensor or output.ndim not in plan.ranks or output.size(0) != given.size(0):
        return None
    return Answer({ONLY: partial(_to_numpy, output, 0)}, labels=labels)


def take(x: Any, plan: Plan, preparation: Preparation) -> Taken:
    """*x* as tensors of the types and shapes that the network takes. Raises `InputRefused` for what does not fit."""
    given, steps = named(x, plan.inputs, preparation)
    tensors: list[Tensor] = []
    singles: dict[str, bool] = {}
    for wanted in plan.inputs:
        numbers = to_tensor(given[wanted.name], wanted.name)
        batch, singles[wanted.name] = as_batch(numbers, wanted)
        tensors.append(cast(batch, _dtype(wanted, numbers, plan), wanted.vocabulary, wanted.name).to(plan.device))
    counts = {wanted.name: tensor.shape[wanted.batch or 0] for wanted, tensor in zip(plan.inputs, tensors, strict=True)}
    require_one_count(counts)
    return Taken(tuple(tensors), all(singles.values()), steps)


def _dtype(wanted: Input, numbers: Tensor, plan: Plan) -> torch.dtype:
    if wanted.dtype is not None:
        return INTEGRAL.get(wanted.dtype, plan.floating)
    if numbers.is_floating_point() or numbers.is_complex():
        return plan.floating
    return numbers.dtype if numbers.dtype == torch.bool else torch.int64


def answer(module: nn.Module, evaluation: AbstractContextManager[None], plan: Plan, taken: Taken, labels: Sequence[str] | None) -> Answer:
    """The answer of *module* to an input. Raises `BatchLost` unless there is one answer a sample."""
    try:
        with torch.inference_mode(), evaluation:
            output = called(module, taken.tensors, plan.names)
    except FAILURES as cause:
        count = taken.tensors[0].shape[plan.inputs[0].batch or 0] if taken.tensors else 0
        if plan.certain and count:
            raise  # the signature promised that this runs: a fault of the network's code
        raise _did_not_run(plan, taken, cause) from cause
    outputs = _unsqueezed(plan, taken, named_outputs(output))
    arrays = {name: partial(_to_numpy, outputs[name], axis) for name, axis in _counted(plan, taken, outputs).items()}
    return Answer(arrays, labels=labels, single=taken.single, steps=taken.steps)


def _unsqueezed(plan: Plan, taken: Taken, outputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """*outputs* with the batch dimension that ``squeeze`` takes from the answer to one sample, and to one sample only."""
    if not taken.tensors or taken.tensors[0].shape[plan.inputs[0].batch or 0] != 1 or plan.outputs.keys() != outputs.keys():
        return outputs
    lacking = {
        name: output.batch
        for name, output in plan.outputs.items()
        if output.batch is not None and outputs[name].ndim == len(output.shape) - 1
    }
    return {name: tensor.unsqueeze(lacking[name]) if name in lacking else tensor for name, tensor in outputs.items()}


def _counted(plan: Plan, taken: Taken, outputs: Mapping[str, Tensor]) -> dict[str, int]:
    """The batch dimension of each output that has one, its length checked."""
    if not taken.tensors:
        return dict.fromkeys(outputs, 0)
    count = taken.tensors[0].shape[plan.inputs[0].batch or 0]
    known = plan.outputs if plan.outputs.keys() == outputs.keys() else {}
    axes = {name: known[name].batch if known else 0 for name in outputs}
    batches = {name: axis for name, axis in axes.items() if axis is not None}
    for name, axis in batches.items():
        shape = outputs[name].shape
        if axis >= len(shape) or shape[axis] != count:
            raise _batch_lost(plan, taken, name, tuple(shape), count)
    if not batches:
        raise _batch_lost(plan, taken, next(iter(outputs)), tuple(next(iter(outputs.values())).shape), count)
    return batches


def _batch_lost(plan: Plan, taken: Taken, name: str, shape: tuple[int, ...], count: int) -> BatchLost:
    given = ", ".join(f"{wanted.name} {written(tuple(each.shape))}" for wanted, each in zip(plan.inputs, taken.tensors, strict=True))
    return BatchLost(
        f"The network answers {count} samples with {name} of shape {written(shape)}.",
        f"There has to be one answer a sample; for {given} its forward pass folds samples together or apart, as view(-1, n) does.",
        "Give inputs of the size that it was trained on; what the module itself returns: model(x)",
    )


def _did_not_run(plan: Plan, taken: Taken, cause: Exception) -> InputRefused:
    given = ", ".join(f"{wanted.name} {written(tuple(each.shape))}" for wanted, each in zip(plan.inputs, taken.tensors, strict=True))
    reason = str(cause).strip().partition("\n")[0]
    return InputRefused(
        f"The network does not run with {given}.",
        f"Its forward pass raises {type(cause).__name__}: {reason}",
        "Give inputs of the shape that it was trained on; print(model.signature) says what is known of it",
    )


def _to_numpy(tensor: Tensor, batch: int) -> npt.NDArray[Any]:
    """The tensor as an array, batch first. numpy has no bfloat16 and no 8-bit floats: they become float32, which holds all of them."""
    if tensor.dtype.is_floating_point and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.detach().resolve_conj().resolve_neg().cpu().numpy()
    return np.moveaxis(array, batch, 0) if batch else array


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
