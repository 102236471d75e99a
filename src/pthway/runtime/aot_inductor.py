"""AOTInductor: the graph compiled to machine code ahead of time, in ``model.aoti.pt2``; the weights are those of the bundle."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch._inductor import aoti_load_package

from pthway.bundle.environment import environment
from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program
from pthway.errors import BundleRefused
from pthway.runtime.exported import require_cpu
from pthway.runtime.runner import Array, Runner, Settings
from pthway.runtime.weights import graph_tensors
from pthway.signature import Input

FOREIGN: Final = "It is machine code for the processor, the system and the torch that it was made with."
OTHER: Final = "Pack the model again here; or another runtime of the bundle: open_session(…, runtime=…)"


def start(bundle: Bundle, program: Program, settings: Settings) -> Runner:
    """The runner of compiled code, which is run. Raises `BundleRefused` on a machine that it was not made for."""
    require_cpu(program, settings)
    _require_instructions(bundle, program)
    model = _loaded(bundle, program)
    torch.set_num_threads(settings.threads)
    wanted = bundle.manifest.signature.inputs

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        _require_fit(wanted, inputs)
        with torch.inference_mode():
            answers = model(*(torch.tensor(array) for array in inputs))
        return [answer.contiguous().numpy() for answer in answers]

    return run


def _require_instructions(bundle: Bundle, program: Program) -> None:
    made, here = bundle.manifest.provenance.environment, environment()
    lacking = [name for name in made.instructions if name not in here.instructions]
    if lacking or made.platform != here.platform:
        raise BundleRefused(
            f"{program.file} was made for {made.platform} with {' '.join(made.instructions) or 'no vectors'}; "
            f"here is {here.platform} without {' '.join(lacking) or 'what it needs'}.",
            FOREIGN,
            OTHER,
        )


def _loaded(bundle: Bundle, program: Program) -> Any:
    path = bundle.file(program.file or "")
    try:
        model: Any = aoti_load_package(str(path))
        weights, constants = graph_tensors(bundle)
        held = weights | constants
        model.load_constants({name: held[name] for name in model.get_constant_fqns()}, check_full_update=True, user_managed=True)
    except Exception as cause:
        raise BundleRefused(
            f"torch {torch.__version__} does not load {path.name}: {str(cause).strip().partition(chr(10))[0]}", FOREIGN, OTHER
        ) from cause
    return model


def _require_fit(wanted: Sequence[Input], inputs: Sequence[Array]) -> None:
    """Raise `ValueError` unless types and sizes are those of the signature: compiled code does not look, and reads beside the array."""
    sizes: dict[str, int] = {}
    for each, array in zip(wanted, inputs, strict=True):
        if array.dtype != np.dtype(each.dtype or "float32") or not each.takes(array.shape):
            raise ValueError(f"{each.name} is not as the signature says")
        _agree(sizes, each, array.shape)


def _agree(sizes: dict[str, int], each: Input, shape: Sequence[int]) -> None:
    for side, size in zip(each.shape or (), shape, strict=True):
        if isinstance(side, str) and sizes.setdefault(side, size) != size:
            raise ValueError(f"{side} is {size} in {each.name} and {sizes[side]} before")
