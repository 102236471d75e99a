"""Eager torch: the network itself, built again from its own source and arguments, with the weights of the bundle."""

from collections.abc import Sequence
from typing import Final

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from pthway.architecture.build import build
from pthway.architecture.match import Architecture
from pthway.architecture.resolve import importable, named, resolve
from pthway.architecture.source_only import source_only
from pthway.bundle import values
from pthway.bundle.folder import SOURCE, Bundle
from pthway.bundle.manifest import Program
from pthway.errors import ArchitectureNotFound, BundleRefused
from pthway.forward import called, named_outputs
from pthway.runtime.runner import Array, Runner, Settings
from pthway.runtime.weights import read_weights

IMAGE_RANK: Final = 4
"""Samples, channels, rows, columns."""


def start(bundle: Bundle, program: Program, settings: Settings) -> Runner:  # every runtime is started alike
    """The runner of the network itself. Importing its source runs it."""
    module = rebuilt(bundle).to(settings.device)
    places = torch.channels_last if settings.variant == "channels-last" else torch.contiguous_format
    if settings.variant == "channels-last":
        module = _channels_last(module)
    torch.set_num_threads(settings.threads)
    names = [each.name for each in bundle.manifest.signature.inputs]
    outputs = [each.name for each in bundle.manifest.signature.outputs]

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        given = [_placed(torch.tensor(array), settings.device, places) for array in inputs]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=settings.variant == "bfloat16"):
            answers = named_outputs(called(module, given, names))
        return [_numbers(answers[name]) for name in outputs]

    return run


def _channels_last(module: nn.Module) -> nn.Module:
    """*module* with the channels of its convolutions' weights innermost."""
    moved: nn.Module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def _placed(tensor: Tensor, device: str, places: torch.memory_format) -> Tensor:
    """*tensor*, a copy of what the caller gave since a network may write to its input, where and as the network has its own."""
    format_of = places if tensor.ndim == IMAGE_RANK else torch.contiguous_format
    return tensor.to(device, memory_format=format_of)


def _numbers(tensor: Tensor) -> Array:
    """A tensor as an array, row by row; numpy has no bfloat16."""
    plain = tensor.float() if tensor.dtype is torch.bfloat16 else tensor
    return plain.contiguous().cpu().numpy()


def rebuilt(bundle: Bundle) -> nn.Module:
    """The network of a bundle, in evaluation mode. Raises `BundleRefused` if it cannot be built from what the bundle says."""
    described = bundle.manifest.architecture
    if described is None:
        raise BundleRefused(
            f"{bundle.path} holds no architecture.",
            "The model was packed from a live module, whose class and arguments are not known.",
            "Use another runtime of the bundle, or pack it from its file and class",
        )
    folder = bundle.file(SOURCE)
    if described.source:
        source_only(folder)
    try:
        with importable([folder] if described.source else []):
            architecture = resolve(_spelling(bundle, described.reference))
            arguments = {
                name: values.decode(value, lambda text: named(_spelling(bundle, text))) for name, value in described.arguments.items()
            }
    except ArchitectureNotFound as cause:
        raise BundleRefused(
            f"The architecture {described.reference} cannot be imported: {cause.what}",
            cause.why,
            f"pip install {' '.join(described.requires)}" if described.requires else cause.fix,
        ) from cause
    module = build(Architecture(described.reference, architecture.factory, None), arguments).module
    _fill(module, bundle)
    return module.eval()


def _spelling(bundle: Bundle, reference: str) -> str:
    where, _, name = reference.rpartition(":")
    return f"{bundle.file(SOURCE) / where}:{name}" if where.endswith(".py") else reference


def _fill(module: nn.Module, bundle: Bundle) -> None:
    try:
        module.load_state_dict(read_weights(bundle), strict=True, assign=True)
    except (RuntimeError, SafetensorError) as cause:
        raise BundleRefused(
            f"The weights of {bundle.path} do not fit its architecture: {' '.join(str(cause).split())[:200]}",
            "The architecture that a bundle names has exactly the tensors in its weights.safetensors.",
            "Use another runtime of the bundle, or pack the model again",
        ) from cause
