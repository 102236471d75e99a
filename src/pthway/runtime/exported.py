"""Torch's exported program: the graph in ``model.pt2``, which holds no weights; those of the bundle are mapped into it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch._export.serde.serialize import SerializedArtifact, deserialize
from torch.export import ExportedProgram
from torch.export.pt2_archive import PT2ArchiveReader

from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program
from pthway.errors import BundleRefused, UsageError
from pthway.runtime.graph_text import checked
from pthway.runtime.runner import Array, Runner, Settings
from pthway.runtime.weights import graph_tensors

MODEL: Final = "models/model.json"
"""The record of the archive that is the graph; the layout is torch's, of archive version 0."""


def start(bundle: Bundle, program: Program, settings: Settings) -> Runner:
    """The runner of an exported program. Raises `BundleRefused` for one that this torch does not read, or that is more than a graph."""
    require_cpu(program, settings)
    module = loaded(bundle, program).module(check_guards=False)  # the session knows the sizes; guards are code
    torch.set_num_threads(settings.threads)

    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        with torch.inference_mode():
            answers = module(*(torch.tensor(array) for array in inputs))
        return [answer.contiguous().numpy() for answer in answers]

    return run


def require_cpu(program: Program, settings: Settings) -> None:
    """Raise `UsageError` for another device than the one that the graph was traced for."""
    if settings.device != "cpu":
        raise UsageError(
            f"The program for {program.runtime} does not run on {settings.device!r}.",
            "It was made for the processor, and holds it in its graph.",
            "device='cpu', or open_session(…, runtime='eager')",
        )


def loaded(bundle: Bundle, program: Program) -> ExportedProgram:
    """The exported program, with the weights mapped from the bundle. Raises `BundleRefused`."""
    path = bundle.file(program.file or "")
    text = _graph(path)
    parameters = checked(text, path.name)
    weights, constants = graph_tensors(bundle)
    for name in parameters & weights.keys():
        weights[name] = nn.Parameter(weights[name], requires_grad=False)
    try:
        return deserialize(SerializedArtifact(text, weights, constants, b""))  # type: ignore[arg-type]  # torch takes dictionaries too
    except Exception as cause:
        raise BundleRefused(
            f"torch {torch.__version__} does not read {path.name}: {str(cause).strip().partition(chr(10))[0]}",
            "An exported graph is for the torch that made it, and for newer ones as far as these read it.",
            f"pip install {program.made_by}; or another runtime of the bundle: open_session(…, runtime=…)",
        ) from cause


def _graph(path: Path) -> bytes:
    try:
        archive: Any = PT2ArchiveReader(str(path))
        data: bytes = archive.read_bytes(MODEL)
    except RuntimeError as cause:
        raise BundleRefused(
            f"{path.name} is no archive of torch.export: {str(cause).strip().partition(chr(10))[0]}",
            f"Its record {MODEL} is the graph.",
            "Pack the model again",
        ) from cause
    return data
