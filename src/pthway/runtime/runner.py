"""What every runtime offers: one call, from the arrays of the inputs to those of the outputs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy.typing as npt

from pthway import _lazy
from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program, RuntimeName
from pthway.runtime.sizes import require_sizes

Array = npt.NDArray[Any]
Variant = Literal["plain", "channels-last", "bfloat16", "int8"]
"""How the numbers of a network lie in memory, or in which type it computes."""


class Runner(Protocol):
    """A program, loaded by its runtime. May be called by several threads at once."""

    def __call__(self, inputs: Sequence[Array], /) -> Sequence[Array]:
        """The outputs of the signature in its order, for its inputs in their order: contiguous, of their types, not written to."""


class Settings(NamedTuple):
    """How a runtime is to work."""

    threads: int
    """Processors that one call may use."""
    device: str = "cpu"
    """``cpu``, ``cuda`` or ``mps``."""
    variant: Variant = "plain"
    """Of eager torch; the int8 variant of ONNX Runtime is a program of its own."""


Start = Callable[[Bundle, Program, Settings], Runner]
"""Loads a program of a bundle. Raises `MissingDependency` if the runtime is not installed."""

HOMES: Final[Mapping[RuntimeName, tuple[str, str]]] = {
    "onnxruntime": ("pthway.runtime.onnx_runtime:start", "onnx"),
    "openvino": ("pthway.runtime.open_vino:start", "openvino"),
    "exported": ("pthway.runtime.exported:start", "torch"),
    "aotinductor": ("pthway.runtime.aot_inductor:start", "torch"),
    "compiled": ("pthway.runtime.compiled:start", "torch"),
    "eager": ("pthway.runtime.eager:start", "torch"),
}
"""Where each runtime is started, and pthway's extra that brings it. Each is imported when it is first used."""


def start(bundle: Bundle, program: Program, settings: Settings) -> Runner:
    """The runner of a program; it refuses sizes that the program does not run with. Raises `MissingDependency` if its runtime is absent."""
    home, extra = HOMES[program.runtime]
    begin: Start = _lazy.load(home, extra=extra)
    runner = begin(bundle, program, settings)
    if not program.fixed:
        return runner
    wanted = bundle.manifest.signature.inputs

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        require_sizes(program, wanted, inputs)
        return runner(inputs)

    return run
