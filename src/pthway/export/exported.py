"""The network as torch exports it: one graph, from which every program is made."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch.export import Dim, ExportedProgram

from pthway.bundle.golden import Array
from pthway.errors import NotExportable
from pthway.export.reference import SAMPLES, Referred
from pthway.signature import BATCH

TRACED: int = SAMPLES + 1
"""Samples of the inputs that are traced: with one, torch would fix their number."""


class Graph(NamedTuple):
    """An exported network."""

    program: ExportedProgram
    example: tuple[torch.Tensor, ...]
    shapes: tuple[dict[int, Any], ...]
    """For each input, its free dimensions, as `torch.export.export` takes them."""
    dynamic: tuple[str, ...]
    """The sizes that stayed free, by their names in the signature."""
    notes: tuple[str, ...]


def exported(referred: Referred, inputs: Mapping[str, Array]) -> Graph:
    """The graph of the reference, traced on *inputs*, free where the signature is and the network allows. Raises `NotExportable`."""
    example = tuple(_repeated(inputs[each.name], each.batch or 0) for each in referred.signature.inputs)
    shapes = tuple(
        {axis: Dim.AUTO for axis, side in enumerate(each.shape or ()) if isinstance(side, str)} for each in referred.signature.inputs
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(referred.reference, example, dynamic_shapes={"given": shapes}, strict=False)
    except Exception as cause:
        raise NotExportable(
            f"torch cannot export the network: {type(cause).__name__}: {first_line(cause)}",
            "Its forward pass decides by the values of tensors, or calls what is no graph.",
            "The bundle still runs it as it is, in eager torch",
        ) from cause
    dynamic, notes = _free(referred, program)
    return Graph(program, example, shapes, dynamic, notes)


def first_line(cause: BaseException) -> str:
    """The first line of what an exception says that says something."""
    return next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)[:300]


def _repeated(array: Array, axis: int) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    rows = torch.arange(TRACED) % tensor.shape[axis]
    return tensor.index_select(axis, rows).contiguous()


def _free(referred: Referred, program: ExportedProgram) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which sizes the graph leaves free, and a note on each that it fixed although the signature does not."""
    names = program.graph_signature.user_inputs
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    free: dict[str, bool] = {}
    for name, wanted in zip(names, referred.signature.inputs, strict=True):
        for axis, side in enumerate(wanted.shape or ()):
            if isinstance(side, str):
                symbolic = not isinstance(values[str(name)].shape[axis], int)
                free[side] = free.get(side, True) and symbolic
    fixed = [side for side, symbolic in free.items() if not symbolic]
    notes = tuple(
        f"the graph fixes the number of samples at {TRACED}"
        if side == BATCH
        else f"the graph fixes {side}: the network computes with it as a number"
        for side in fixed
    )
    return tuple(side for side, symbolic in free.items() if symbolic), notes
