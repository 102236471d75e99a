"""A .pt2 that stands alone: the network as torch exports it, with its weights."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from pthway.bundle.folder import Bundle
from pthway.bundle.golden import Array
from pthway.onward.network import TORCH, graph_of
from pthway.onward.target import Written
from pthway.runtime.runner import Runner


def write(bundle: Bundle, out: Path) -> Written:
    """Write one file, and load it again. Raises `NotExportable` if the network cannot be built again or not be exported."""
    graph, _ = graph_of(bundle, "pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(graph.program, out)
        module = torch.export.load(out).module()
    call = "torch.export.load(path).module() takes the inputs by position and returns a tuple of the outputs."
    return Written(_runner(module), TORCH, (call, *graph.notes))


def _runner(module: torch.nn.Module) -> Runner:
    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        with torch.inference_mode():
            answers = module(*(torch.from_numpy(array) for array in inputs))
        return [answer.numpy() for answer in answers]

    return run
