"""Eager torch: the network itself, built again from its own source and arguments, with the weights of the bundle."""

import json
from collections.abc import Sequence
from typing import Any, Final

import torch
from safetensors import safe_open
from torch import Tensor, nn

from pthway.architecture.build import build
from pthway.architecture.match import Architecture
from pthway.architecture.resolve import importable, named, resolve
from pthway.architecture.source_only import source_only
from pthway.bundle import values
from pthway.bundle.folder import SOURCE, WEIGHTS, Bundle
from pthway.bundle.manifest import Program
from pthway.errors import ArchitectureNotFound, BundleRefused
from pthway.forward import called, named_outputs
from pthway.runtime.runner import Array, Runner, Settings

SHARED: Final = "pthway.shared"
"""In the metadata of the weights: names whose tensor is stored under another name, as JSON."""


def start(bundle: Bundle, program: Program, settings: Settings) -> Runner:  # every runtime is started alike
    """The runner of the network itself. Importing its source runs it."""
    module = rebuilt(bundle).to(settings.device)
    torch.set_num_threads(settings.threads)
    names = [each.name for each in bundle.manifest.signature.inputs]
    outputs = [each.name for each in bundle.manifest.signature.outputs]

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        given = [torch.from_numpy(array).to(settings.device, copy=True) for array in inputs]
        with torch.inference_mode():
            answers = named_outputs(called(module, given, names))
        return [answers[name].cpu().numpy() for name in outputs]

    return run


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
    tensors, shared = read_weights(bundle)
    tensors |= {name: tensors[kept] for name, kept in shared.items()}
    module.load_state_dict(tensors, strict=True, assign=True)


def read_weights(bundle: Bundle) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The weights, mapped from the file, and the names whose tensor is stored under another one."""
    with safe_open(bundle.file(WEIGHTS), framework="pt") as file:
        shared: Any = json.loads((file.metadata() or {}).get(SHARED, "{}"))
        return {name: file.get_tensor(name) for name in file.keys()}, shared  # noqa: SIM118  # no mapping
