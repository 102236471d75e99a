"""A live module with weights, that says what it takes and answers."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from html import escape
from threading import RLock
from types import MappingProxyType
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from pthway.architecture.match import Architecture, Argument
from pthway.architecture.random_state import random_state_kept
from pthway.data.preparation import PLAIN_PREPARATION, ColumnPreparation, Preparation
from pthway.data.present import Answer
from pthway.errors import UsageError
from pthway.model.check import BATCH_SIZES, CheckReport, check
from pthway.model.evaluation import Evaluation
from pthway.model.example import infer_from
from pthway.model.infer import infer
from pthway.model.intake import to_tensor
from pthway.model.prediction import Plan, answer, plan_for, quick_answer, take
from pthway.model.trial import device_of, dtype_of, twin
from pthway.signature import Signature

NO_ARGUMENTS: Final[Mapping[str, Argument]] = MappingProxyType({})


@final
class Model:
    """A module with weights and a signature. `pthway.load` makes one from a file, `pthway.wrap` from a module."""

    def __init__(  # pthway.load and pthway.wrap are the doors
        self,
        module: nn.Module,
        *,
        arguments: Mapping[str, Argument] = NO_ARGUMENTS,
        labels: Sequence[str] | None = None,
        report: object = None,
        example: object = None,
        architecture: Architecture | None = None,
    ) -> None:
        self.module = module
        """The plain module; ``train()`` and everything else work as ever."""
        self.arguments = arguments
        """The constructor arguments, each with where its value came from; empty for a module that was wrapped."""
        if isinstance(labels, str):
            raise UsageError(f"labels is the text {labels!r}.", "Labels are a list with a name for each class.", 'labels=["cat", "dog"]')
        self.labels = tuple(labels) if labels is not None else None
        """The names of the classes, in order."""
        self.report = report
        """What loading did with every key; None for a module that was wrapped."""
        self.architecture = architecture
        """What built the module; None for a module that was wrapped."""
        self._example = example
        self._evaluation = Evaluation(module)
        self._lock = RLock()
        self._signature: Signature | None = None
        self._plan: Plan | None = None

    @property
    def signature(self) -> Signature:
        """What the network takes and gives, found on first use by running a copy of it that shares no state."""
        with self._lock:
            if self._signature is None:
                self._signature = infer(self.module) if self._example is None else infer_from(self.module, self._example)
            return self._signature

    def __call__(self, *inputs: object, **named: object) -> Any:
        """The raw outputs, shaped as the module gives them: in evaluation mode, without gradients, nothing checked.

        Tensors are passed as they are; arrays and nested lists become tensors on the module's device, decimals in its type.
        """
        device, floating = device_of(self.module), dtype_of(self.module)
        positional = [_raw(value, device, floating) for value in inputs]
        keywords = {name: _raw(value, device, floating) for name, value in named.items()}
        with torch.inference_mode(), self._evaluation:
            return self.module(*positional, **keywords)

    def predict(self, x: Any, *, preparation: Preparation = PLAIN_PREPARATION) -> Answer:
        """The answers of the network to *x*, one a sample.

        *x* is an array, a tensor, nested lists or a number, one sample or a batch (the number of dimensions decides, and
        ``answer.single`` tells); a dictionary of these for a network with several inputs; a PIL image; or the path of an
        image, a .npy, .npz, .csv or .json file. *preparation* says how images become numbers, or how columns are scaled. Any
        numeric type is converted; *x* is not changed. Runs in evaluation mode without gradients and restores the training flags.

        Raises `InputRefused` for what does not fit the signature, naming expected and given, and `BatchLost` if the network
        does not give one answer a sample.
        """
        plan = self._plan
        if plan is None or not plan.holds:
            plan = self._renewed(plan)
        scaled = type(preparation) is ColumnPreparation  # which changes arrays too
        found = None if scaled else quick_answer(self.module, self._evaluation, plan, x, self.labels)
        return found if found is not None else answer(self.module, self._evaluation, plan, take(x, plan, preparation), self.labels)

    def check(self, x: Any = None, *, batch_sizes: Sequence[int] = BATCH_SIZES) -> CheckReport:
        """What tests of the model show: finite weights and outputs, the same twice, the same alone as in a batch, and more.

        *x* is a batch of inputs; without it, random ones are made by the signature. *batch_sizes* are those that will be used.
        Nothing of the module changes. Raises `UsageError` if the signature is not known.
        """

        def predict(batch: Any) -> Mapping[str, Any]:
            return self.predict(batch).arrays

        def training(batch: Any) -> Mapping[str, Any]:
            plan, copied = self._plan or self._renewed(None), twin(self.module, on_meta=False)
            for each in copied.modules():
                each.training = True
            with random_state_kept():
                return answer(copied, nullcontext(), plan, take(batch, plan, PLAIN_PREPARATION), None).arrays

        return check(self.module, self.signature, predict, training, x, batch_sizes)

    def _renewed(self, old: Plan | None) -> Plan:
        with self._lock:
            if old is not None:
                self._signature = None  # the module was moved or changed its type
            self._plan = plan_for(self.module, self.signature)
            return self._plan

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={argument.value!r}" for name, argument in self.arguments.items())
        count = sum(parameter.numel() for parameter in self.module.parameters())
        return (
            f"<Model {type(self.module).__name__}({arguments}), {count:,} parameters, {dtype_of(self.module)} on {device_of(self.module)}>"
        )

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code><br><code>{escape(str(self.signature))}</code>"


def wrap(module: nn.Module, *, labels: Sequence[str] | None = None, example: object = None) -> Model:
    """The model of a module that is at hand; the module is not changed, not even its training flags.

    *labels* names the classes of the output. *example* is a batch of inputs (an array; a tuple of them in the order of
    ``forward``; or a dictionary by name) for networks whose shapes cannot be found by trying, such as those of several inputs.
    Raises `UsageError` if *module* is no ``nn.Module``.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"{type(module).__name__} is no torch.nn.Module.",
            "A model is a module that is at hand; a file is loaded with its architecture.",
            "pthway.wrap(MyNetwork()), or pthway.load(path, MyNetwork)",
        )
    return Model(module, labels=labels, example=example)


def _raw(value: object, device: torch.device, floating: torch.dtype) -> object:
    if isinstance(value, Tensor):
        return value.to(device)
    tensor = to_tensor(value, "input")
    return tensor.to(device, floating if tensor.is_floating_point() else tensor.dtype)
