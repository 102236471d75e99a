"""Which layer of a program is the first to give other numbers than the network's own graph."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Interpreter, Node

from pthway import _lazy
from pthway.bundle.environment import available_cores
from pthway.bundle.folder import Bundle
from pthway.bundle.golden import NAN, Array, compare, tolerance_for
from pthway.bundle.manifest import Program, replaced
from pthway.errors import PthwayError
from pthway.export.programs import Work
from pthway.runtime.exported import loaded
from pthway.runtime.runner import Settings, start
from pthway.runtime.sizes import misfit
from pthway.runtime.weights import INNER

TOGETHER: Final = 64
"""Values that are compared in one run of both: all of a large network would not fit into memory."""
PROBE: Final = "drift.onnx"

Values = Mapping[str, Array]


def drifting(work: Work, bundle: Bundle, program: Program) -> str:
    """The first layer, in the order of the graph, that differs by more than rounding; or why none is named. In words."""
    wanted = work.referred.signature.inputs
    records = {name: [record.inputs[each.name] for each in wanted] for name, record in work.records.items() if name != NAN}
    inputs = next((arrays for arrays in records.values() if misfit(program, wanted, arrays) is None), None)
    if inputs is None or program.runtime not in ("onnxruntime", "openvino", "exported"):
        return "which layer drifts first is not seen from outside of it"
    graph = work.onnx() if program.runtime != "exported" else work.graph.program
    nodes = [node for node in graph.graph.nodes if node.op == "call_function"]
    try:
        for some in _together(nodes, TOGETHER):
            expected = graph_values(graph, inputs, {node.name for node in some})
            got = _program_values(bundle, program, inputs, [*expected], _outputs(graph))
            found = next((node for node in some if node.name in got and _differs(expected[node.name], got[node.name])), None)
            if found is not None:
                return f"the first layer that drifts is {_layer(found)}"
    except (PthwayError, RuntimeError, ValueError, KeyError) as cause:
        return f"which layer drifts first was not found: {str(cause).strip().partition(chr(10))[0]}"
    return "no single layer drifts: it is their combination"


def graph_values(graph: ExportedProgram, inputs: Sequence[Array], names: set[str]) -> Values:
    """What the nodes called *names* give for *inputs* when the graph is run node by node; only tensors."""
    recorder = _Recorder(graph.module(check_guards=False), names)
    with torch.inference_mode():
        recorder.run(*(torch.tensor(array) for array in inputs))
    return recorder.values


class _Recorder(Interpreter):
    def __init__(self, module: torch.fx.GraphModule, names: set[str]) -> None:
        super().__init__(module)
        self.names = names
        self.values: dict[str, Array] = {}

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n.name in self.names and isinstance(value, Tensor):
            self.values[n.name] = value.numpy().copy()
        return value


def _outputs(graph: ExportedProgram) -> list[str]:
    """The nodes that a graph returns; an ONNX program has the signature's names for these."""
    return [each.name for each in graph.graph.output_node().args[0] if isinstance(each, Node)]


def _program_values(bundle: Bundle, program: Program, inputs: Sequence[Array], names: Sequence[str], outputs: Sequence[str]) -> Values:
    if program.runtime == "exported":
        return graph_values(loaded(bundle, program), inputs, set(names))
    probe, further = _probe(bundle.file(program.file or ""), [name for name in names if name not in outputs])
    try:
        answers = start(bundle, replaced(program, file=probe.name), Settings(available_cores()))(inputs)
    finally:
        probe.unlink()
    return dict(zip([*outputs, *further], answers, strict=True))


def _probe(path: Path, names: Sequence[str]) -> tuple[Path, list[str]]:
    """A copy, beside the ONNX program, of which *names* are outputs too, those that it has; and which these are."""
    onnx = _lazy.load("onnx")
    model = onnx.load(path, load_external_data=False)
    made = {name for node in model.graph.node for name in node.output}
    further = [name for name in names if name in made]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in further)
    probe = path.with_name(PROBE)
    onnx.save(model, probe)
    return probe, further


def _differs(expected: Array, got: Array) -> bool:
    return compare({"": expected}, {"": got}, tolerance_for({"": [expected]})).deviation is not None


def _layer(node: Node) -> str:
    """The module that *node* belongs to, and which of its steps it is."""
    stack = [*node.meta.get("nn_module_stack", {}).values()]
    step = f"step {node.name}"
    if not stack:
        return step
    path, kind = stack[-1]
    name = kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
    return f"{path.removeprefix(INNER) or 'the network itself'} ({name}), {step}"


def _together(nodes: Sequence[Node], size: int) -> Iterator[Sequence[Node]]:
    return (nodes[start : start + size] for start in range(0, len(nodes), size))
