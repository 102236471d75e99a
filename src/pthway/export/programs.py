"""Which programs can be made of a network, and how each is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from pthway import _lazy
from pthway.bundle.golden import Record
from pthway.bundle.manifest import Difference, Manifest, Program, RuntimeName
from pthway.errors import NotExportable
from pthway.export.exported import Graph, exported
from pthway.export.reference import BATCHES, Referred

UNKNOWN: Final = Difference(absolute=0.0, relative=0.0)
"""Until it is measured."""


@dataclass
class Work:
    """What programs are made from, and the folder that they go to."""

    referred: Referred
    records: Mapping[str, Record]
    folder: Path

    @cached_property
    def graph(self) -> Graph:
        """The exported network; made once, for the first program that wants it."""
        return exported(self.referred, self.records[str(BATCHES[0])].inputs)


class Maker(NamedTuple):
    """How the program of one runtime is made."""

    make: Callable[[Work, Manifest], Program]
    by_default: Callable[[Manifest], bool]
    """Whether it is made when nobody asked."""
    files: tuple[str, ...] = ()

    def discard(self, folder: Path) -> None:
        """Remove what was written of a program that is not kept."""
        for name in self.files:
            (folder / name).unlink(missing_ok=True)


def _eager(work: Work, stub: Manifest) -> Program:
    if stub.architecture is None:
        raise NotExportable("The network cannot be built again.", "; ".join(stub.notes), "Use another program of the bundle")
    free = dict.fromkeys(side for each in work.referred.signature.inputs for side in each.shape or () if isinstance(side, str))
    return _program("eager", None, tuple(free), "torch")


def _onnx(work: Work, _: Manifest) -> Program:
    write = _lazy.load("pthway.export.onnx_program:write", extra="onnx")
    graph = work.graph
    write(graph, work.referred, work.folder)
    return _program("onnxruntime", "model.onnx", graph.dynamic, "torch", graph.notes)


def _program(runtime: RuntimeName, file: str | None, dynamic: tuple[str, ...], made_by: str, notes: tuple[str, ...] = ()) -> Program:
    return Program(
        runtime=runtime,
        file=file,
        difference=UNKNOWN,
        milliseconds={},
        dynamic=dynamic,
        made_by=f"{made_by}=={version(made_by).partition('+')[0]}",
        notes=notes,
    )


def _installed(*names: str) -> bool:
    return all(find_spec(name) is not None for name in names)


MAKERS: Final[Mapping[RuntimeName, Maker]] = {
    "onnxruntime": Maker(_onnx, lambda _: _installed("onnx", "onnxscript", "onnxruntime"), ("model.onnx",)),
    "eager": Maker(_eager, lambda stub: stub.architecture is not None),
}
