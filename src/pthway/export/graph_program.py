"""The exported program: torch's own graph as text, in an archive of torch.export that holds neither weights nor examples."""

import copy
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch._export.serde.serialize import serialize
from torch.export import ExportedProgram
from torch.export.pt2_archive import PT2ArchiveWriter

from pthway.bundle.folder import CONSTANTS
from pthway.errors import NotExportable
from pthway.export.exported import Graph, first_line
from pthway.runtime.exported import MODEL

FILE: Final = "model.pt2"


def write(graph: Graph, folder: Path) -> None:
    """Write ``model.pt2`` to *folder*, and what the graph holds beside the weights. Raises `NotExportable`."""
    write_constants(graph.program, folder)
    try:
        text = serialize(_weightless(graph.program), serialize_state_dict=False, serialize_constants=False).exported_program
    except Exception as cause:
        raise NotExportable(
            f"torch cannot write the exported graph: {first_line(cause)}", "It holds what has no text.", "Use another program of the bundle"
        ) from cause
    with PT2ArchiveWriter(str(folder / FILE)) as archive:
        archive.write_bytes(MODEL, text)


def _weightless(program: ExportedProgram) -> ExportedProgram:
    """*program* without what a bundle has elsewhere or must not tell: weights, examples, lines of the user's source, Python code."""
    bare = copy.copy(program)
    bare._state_dict = {name: _stand_in(tensor) for name, tensor in program.state_dict.items()}
    bare._example_inputs = None
    bare._guards_code = []
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                for told in ("stack_trace", "torch_fn", "source_fn_stack", "from_node"):
                    node.meta.pop(told, None)
    return bare


def _stand_in(tensor: Tensor) -> Tensor:
    """A tensor of the same type and shape, one number in memory: torch asks that each weight be there when it writes the graph."""
    number = torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
    return nn.Parameter(number, requires_grad=False) if isinstance(tensor, nn.Parameter) else number


def write_constants(program: ExportedProgram, folder: Path) -> None:
    """Write the tensors of *program* that are in no state dict, if there are any. Raises `NotExportable` for other constants."""
    held = program.constants
    other = next((name for name, value in held.items() if type(value) is not Tensor), None)
    if other is not None:
        raise NotExportable(
            f"The graph holds {other}, a {type(held[other]).__name__}.", "A bundle holds tensors.", "Use another program of the bundle"
        )
    if held and not (folder / CONSTANTS).exists():
        save_file({name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in held.items()}, folder / CONSTANTS)
