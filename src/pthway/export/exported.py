"""The network as torch exports it: one graph, from which every program is made."""

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from pthway.bundle.golden import Array
from pthway.errors import NotExportable
from pthway.export.recurrent import any_length
from pthway.export.reference import SAMPLES, Referred
from pthway.signature import BATCH

TRACED: int = SAMPLES + 1
"""Samples of the inputs that are traced: with one, torch would fix their number."""


class Graph(NamedTuple):
    """An exported network."""

    program: ExportedProgram
    dynamic: tuple[str, ...]
    """The sizes that stayed free, by their names in the signature."""
    fixed: dict[str, int]
    """Those that did not."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of sizes that are fixed."""
        return tuple(
            f"the graph fixes {'the number of samples' if side == BATCH else side} at {size}: the network computes with it as a number"
            for side, size in self.fixed.items()
        )


def exported(referred: Referred, inputs: Mapping[str, Array]) -> Graph:
    """The graph of the reference, traced on *inputs*, free where the signature is and the network allows. Raises `NotExportable`.

    Running the forward pass on stand-ins fixes what goes through Python as a number, such as ``len(x)``; reading its bytecode
    (``strict``) does not, but reads less of the language. A graph that fixes the number of samples either way is traced on one sample.
    """
    graph = _traced(referred, inputs)
    if graph.fixed:
        graph = _with_fewest_fixed(graph, referred, inputs)
    return graph if BATCH not in graph.fixed else _traced(referred, inputs, samples=1)


def _with_fewest_fixed(graph: Graph, referred: Referred, inputs: Mapping[str, Array]) -> Graph:
    try:
        return min(graph, _traced(referred, inputs, strict=True), key=lambda each: len(each.fixed))
    except NotExportable:
        return graph


def _traced(referred: Referred, inputs: Mapping[str, Array], *, samples: int = TRACED, strict: bool = False) -> Graph:
    example = tuple(_repeated(inputs[each.name], each.batch or 0, samples) for each in referred.signature.inputs)
    shapes = tuple(
        {axis: Dim.AUTO for axis, side in enumerate(each.shape or ()) if isinstance(side, str) and (side != BATCH or samples > 1)}
        for each in referred.signature.inputs
    )
    try:
        with warnings.catch_warnings(), any_length():
            warnings.simplefilter("ignore")
            program = torch.export.export(referred.reference, example, dynamic_shapes={"given": shapes}, strict=strict)
    except Exception as cause:
        raise NotExportable(
            f"torch cannot export the network: {type(cause).__name__}: {first_line(cause)}",
            "Its forward pass decides by the values of tensors, or calls what is no graph.",
            "The bundle still runs it as it is, in eager torch",
        ) from cause
    return Graph(program, *_sides(referred, program))


def first_line(cause: BaseException) -> str:
    """The first line of what an exception says that says something."""
    return next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)[:300]


def _repeated(array: Array, axis: int, samples: int) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    rows = torch.arange(samples) % tensor.shape[axis]
    return tensor.index_select(axis, rows).contiguous()


def _sides(referred: Referred, program: ExportedProgram) -> tuple[tuple[str, ...], dict[str, int]]:
    """Which sizes the graph leaves free, and at which numbers it fixed others although the signature does not."""
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    free: dict[str, None] = {}
    fixed: dict[str, int] = {}
    for name, wanted in zip(program.graph_signature.user_inputs, referred.signature.inputs, strict=True):
        for side, size in zip(wanted.shape or (), values[str(name)].shape, strict=True):
            if isinstance(side, str):
                free[side] = None
                if is_concrete_int(size):
                    fixed[side] = int(size)
    return tuple(side for side in free if side not in fixed), fixed
