"""torch.compile: the network itself, compiled when it is first called; with the compiler's minutes, and eager torch's own source."""

from collections.abc import Sequence
from typing import Any

import torch

from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program
from pthway.forward import called, named_outputs
from pthway.runtime.compiler import require_compiler
from pthway.runtime.eager import rebuilt
from pthway.runtime.runner import Array, Runner, Settings


def start(bundle: Bundle, program: Program, settings: Settings) -> Runner:
    """The runner of the compiled network, which compiles at its first call. Importing its source runs it.

    Raises `MissingDependency` where no C++ compiler is.
    """
    if settings.device == "cpu":
        require_compiler()
    module: Any = torch.compile(rebuilt(bundle).to(settings.device), dynamic=True)
    torch.set_num_threads(settings.threads)
    names = [each.name for each in bundle.manifest.signature.inputs]
    outputs = [each.name for each in bundle.manifest.signature.outputs]

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        given = [torch.tensor(array, device=settings.device) for array in inputs]
        with torch.inference_mode():
            answers = named_outputs(called(module, given, names))
        return [answers[name].contiguous().cpu().numpy() for name in outputs]

    return run
