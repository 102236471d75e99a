"""Which programs can be made of a network, and how each is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from torch.export import ExportedProgram

from pthway import _lazy
from pthway.bundle import manifest
from pthway.bundle.folder import CONSTANTS
from pthway.bundle.golden import Record
from pthway.bundle.manifest import Difference, Manifest, Program, RuntimeName
from pthway.errors import MissingDependency, NotExportable, PthwayError
from pthway.export.exported import Graph, exported
from pthway.export.reference import BATCHES, Referred
from pthway.runtime.compiler import require_compiler

UNKNOWN: Final = Difference(absolute=0.0, relative=0.0)
"""Until it is measured."""


@dataclass
class Work:
    """What programs are made from, and the folder that they go to. What several of them want is made once, or refused once."""

    referred: Referred
    records: Mapping[str, Record]
    folder: Path
    _kept: dict[str, Any] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """The exported network. Raises `NotExportable`."""
        graph: Graph = self._once("graph", lambda: exported(self.referred, self.records[str(BATCHES[0])].inputs))
        return graph

    def onnx(self) -> ExportedProgram:
        """Write ``model.onnx``, and return the graph that its values are named after. Raises `NotExportable`."""
        write = _lazy.load("pthway.export.onnx_program:write", extra="onnx")
        graph: ExportedProgram = self._once("onnx", lambda: write(self.graph, self.referred, self.folder))
        return graph

    def _once(self, name: str, make: Callable[[], object]) -> Any:
        if name not in self._kept:
            try:
                self._kept[name] = make()
            except PthwayError as refusal:
                self._kept[name] = refusal
        kept = self._kept[name]
        if isinstance(kept, PthwayError):
            raise kept
        return kept


class Maker(NamedTuple):
    """How the program of one runtime is made."""

    make: Callable[[Work, Manifest], Program]
    by_default: Callable[[Manifest], bool]
    """Whether it is made when nobody asked."""


def _eager(work: Work, stub: Manifest) -> Program:
    if stub.architecture is None:
        raise NotExportable("The network cannot be built again.", "; ".join(stub.notes), "Use another program of the bundle")
    free = dict.fromkeys(side for each in work.referred.signature.inputs for side in each.shape or () if isinstance(side, str))
    return _program("eager", None, "torch", None, tuple(free))


def _compiled(work: Work, stub: Manifest) -> Program:
    try:
        require_compiler()
    except MissingDependency as missing:
        raise NotExportable(missing.what, missing.why, missing.fix) from missing
    return manifest.replaced(_eager(work, stub), runtime="compiled", notes=("compiles when a session is opened: a minute or more",))


def _onnx(work: Work, _: Manifest) -> Program:
    work.onnx()
    return _program("onnxruntime", "model.onnx", "torch", work.graph)


def _openvino(work: Work, _: Manifest) -> Program:
    work.onnx()
    return _program("openvino", "model.onnx", "torch", work.graph)


def _exported(work: Work, _: Manifest) -> Program:
    _lazy.load("pthway.export.graph_program:write")(work.graph, work.folder)
    return _program("exported", "model.pt2", "torch", work.graph)


def _aotinductor(work: Work, _: Manifest) -> Program:
    _lazy.load("pthway.export.machine_program:write")(work.graph, work.folder)
    return _program("aotinductor", "model.aoti.pt2", "torch", work.graph)


def _program(runtime: RuntimeName, file: str | None, made_by: str, graph: Graph | None, dynamic: tuple[str, ...] = ()) -> Program:
    return Program(
        runtime=runtime,
        file=file,
        difference=UNKNOWN,
        milliseconds={},
        dynamic=dynamic if graph is None else graph.dynamic,
        fixed={} if graph is None else graph.fixed,
        made_by=f"{made_by}=={version(made_by).partition('+')[0]}",
        notes=() if graph is None else graph.notes,
    )


def _installed(*names: str) -> bool:
    return all(find_spec(name) is not None for name in names)


ONNX_TOOLS: Final = ("onnx", "onnxscript")
"""What torch's exporter of ONNX needs."""

MAKERS: Final[Mapping[RuntimeName, Maker]] = {
    "exported": Maker(_exported, lambda _: True),
    "onnxruntime": Maker(_onnx, lambda _: _installed(*ONNX_TOOLS, "onnxruntime")),
    "openvino": Maker(_openvino, lambda _: _installed(*ONNX_TOOLS, "openvino")),
    "eager": Maker(_eager, lambda stub: stub.architecture is not None),
    "aotinductor": Maker(_aotinductor, lambda _: False),
    "compiled": Maker(_compiled, lambda _: False),
}
"""In the order in which they are made: the exporter of ONNX fixes the sizes of the graph that it is given.

The last two take minutes, and are made for whoever asks for them.
"""

FILES: Final = ("model.onnx", "model.pt2", "model.aoti.pt2", CONSTANTS)
"""What programs are written to; several may share one."""


def discard(folder: Path, kept: Sequence[Program]) -> None:
    """Remove the files that none of the programs that are *kept* uses."""
    used = {each.file for each in kept}
    if any(each.runtime in ("exported", "aotinductor") for each in kept):
        used.add(CONSTANTS)
    for name in FILES:
        if name not in used:
            (folder / name).unlink(missing_ok=True)
