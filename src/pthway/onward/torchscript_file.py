"""TorchScript, which torch has deprecated and old C++ programs and TorchServe still take: a trace of the network."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pthway.bundle.folder import Bundle
from pthway.bundle.golden import Array
from pthway.errors import NotExportable
from pthway.export.exported import first_line
from pthway.export.reference import Reference
from pthway.onward.network import TORCH, example_of, referred_of
from pthway.onward.target import Written
from pthway.runtime.runner import Runner


class _Traced(nn.Module):
    """The reference, with its only output as a tensor."""

    def __init__(self, reference: Reference) -> None:
        super().__init__()
        self.reference = reference

    def forward(self, *given: Tensor) -> Tensor | tuple[Tensor, ...]:
        """One tensor, or a tuple of several in the order of the signature."""
        answers: tuple[Tensor, ...] = self.reference(*given)
        return answers[0] if len(answers) == 1 else answers


def write(bundle: Bundle, out: Path) -> Written:
    """Write one file, and load it again. Raises `NotExportable` if the network cannot be built again or not be traced."""
    referred, inputs = referred_of(bundle, "torchscript"), example_of(bundle)
    example = tuple(torch.from_numpy(inputs[each.name]) for each in bundle.manifest.signature.inputs)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            jit: Any = torch.jit  # without types
            jit.save(jit.trace(_Traced(referred.reference).eval(), example, check_trace=False), str(out))
            module = jit.load(str(out))
    except (RuntimeError, ValueError, TypeError) as cause:
        raise NotExportable(
            f"torch cannot trace the network: {first_line(cause)}", "TorchScript is deprecated and no longer mended.", "--to pt2 or onnx"
        ) from cause
    return Written(_runner(module), TORCH, ("torch has deprecated TorchScript; .pt2 (torch.export) takes its place.",))


def _runner(module: nn.Module) -> Runner:
    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        with torch.inference_mode():
            answers = module(*(torch.from_numpy(array) for array in inputs))
        return [answer.numpy() for answer in ([answers] if isinstance(answers, Tensor) else answers)]

    return run
