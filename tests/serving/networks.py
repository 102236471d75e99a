"""Bundles of networks whose right answers are known without running them: written by hand as ONNX, recorded by numpy."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from pthway.bundle import manifest
from pthway.bundle.environment import environment
from pthway.bundle.folder import GOLDEN, WEIGHTS
from pthway.bundle.golden import Record, tolerance_for, write_records
from pthway.bundle.manifest import Difference, Golden, Manifest, Program, Provenance
from pthway.bundle.write import drafted, finish
from pthway.data.reading import AUTO
from pthway.signature import Input, Output, Signature

Arrays = Mapping[str, np.ndarray]
TYPES = {
    "BOOL": np.bool_,
    **{f"UINT{bits}": np.dtype(f"u{bits // 8}").type for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"i{bits // 8}").type for bits in (8, 16, 32, 64)},
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
"""Every type of the protocol that ONNX Runtime takes from numpy, with numpy's."""
WORK = 512
"""Numbers of a sample of `slow`."""


class Network(NamedTuple):
    """A network as ONNX, what it takes and gives, and its answers by numpy."""

    nodes: Sequence[onnx.NodeProto]
    constants: Arrays
    inputs: Sequence[Input]
    outputs: Sequence[Output]
    answer: Callable[[Arrays], Arrays]
    sample: Callable[[np.random.Generator, int], Arrays]
    """That many samples."""


def write(folder: Path, network: Network, *, name: str, version: str = "1", keeps_nan: bool = True, large: bool = False) -> Path:
    """The bundle of *network* in *folder*; its constants lie beside the program if they are *large*."""
    target = folder / f"{name}-{version}.bundle"
    generator = np.random.default_rng(0)
    records = {}
    for count in (2, 1, 8):
        given = network.sample(generator, count)
        records[str(count)] = Record(given, network.answer(given))
    outputs = {each.name: [record.outputs[each.name] for record in records.values()] for each in network.outputs}
    with drafted(target, force=True) as draft:
        save_file(dict(network.constants) if large else {}, draft / WEIGHTS)
        write_records(draft / GOLDEN, records)
        (draft / "model.onnx").write_bytes(_program(network, draft / WEIGHTS if large else None))
        (draft / "README.md").write_text("by hand\n", "utf-8")
        described = Manifest(
            format=manifest.FORMAT,
            name=name,
            version=version,
            description="",
            licence="",
            signature=Signature(tuple(network.inputs), tuple(network.outputs)),
            preparation=None,
            reading=AUTO,
            labels=None,
            functions={},
            architecture=None,
            programs=(
                Program(
                    runtime="onnxruntime",
                    file="model.onnx",
                    difference=Difference(absolute=0.0, relative=0.0),
                    milliseconds={1: 1.0},
                    dynamic=tuple({side for each in network.inputs for side in each.shape or () if isinstance(side, str)}),
                    made_by="hand==1",
                    keeps_nan=keeps_nan,
                ),
            ),
            golden=Golden(records=tuple(records), given=True, seed=None, tolerances=tolerance_for(outputs)),
            provenance=Provenance(file=None, sha256=None, packed="2026-01-01T00:00:00+00:00", pthway="0", environment=environment()),
            files={},
            notes=(),
        )
        finish(draft, target, described, force=True)
    return target


def _program(network: Network, weights: Path | None) -> bytes:
    def value(each: Any) -> onnx.ValueInfoProto:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(each.dtype))
        return helper.make_tensor_value_info(each.name, kind, list(each.shape))

    graph = helper.make_graph(
        list(network.nodes),
        "graph",
        [value(each) for each in network.inputs],
        [value(each) for each in network.outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in network.constants.items()],
    )
    if weights is not None:
        data = weights.read_bytes()
        for tensor in graph.initializer:
            offset = data.index(tensor.raw_data[:64])
            entries = {"location": weights.name, "offset": offset, "length": len(tensor.raw_data)}
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, entry in entries.items():
                tensor.external_data.add(key=key, value=str(entry))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def _normal(shape: Sequence[int]) -> Callable[[np.random.Generator, int], Arrays]:
    return lambda generator, count: {"x": generator.normal(size=(count, *shape)).astype(np.float32)}


def echo() -> Network:
    """Twice its input, and the sum of each sample: which answer belongs to whom can be seen."""
    return Network(
        [helper.make_node("Mul", ["x", "two"], ["double"]), helper.make_node("ReduceSum", ["x", "axis"], ["total"], keepdims=0)],
        {"two": np.array(2, np.float32), "axis": np.array([1], np.int64)},
        [Input("x", ("batch", "size"), "float32")],
        [Output("double", ("batch", "size"), "float32"), Output("total", ("batch",), "float32")],
        lambda given: {"double": given["x"] * 2, "total": given["x"].sum(axis=1)},
        _normal([5]),
    )


def mirror() -> Network:
    """Its inputs, one of every type, as they are."""
    return Network(
        [helper.make_node("Identity", [name.lower()], [f"same_{name.lower()}"]) for name in TYPES],
        {},
        [Input(name.lower(), ("batch", "size"), np.dtype(kind).name) for name, kind in TYPES.items()],
        [Output(f"same_{name.lower()}", ("batch", "size"), np.dtype(kind).name) for name, kind in TYPES.items()],
        lambda given: {f"same_{name}": array for name, array in given.items()},
        lambda generator, count: {name.lower(): generator.integers(0, 2, (count, 3)).astype(kind) for name, kind in TYPES.items()},
    )


def slow(rounds: int = 300) -> Network:
    """Its input, and the outcome of *rounds* products of matrices: some milliseconds of work."""
    matrix = (np.random.default_rng(1).normal(size=(WORK, WORK)) * 0.01).astype(np.float32)
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "matrix"], ["product"]),
            helper.make_node("Tanh", ["product"], ["next"]),
            helper.make_node("Identity", ["go"], ["still"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["batch", WORK]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["batch", WORK]),
        ],
    )

    def answer(given: Arrays) -> Arrays:
        state = given["x"]
        for _ in range(rounds):
            state = np.tanh(state @ matrix)
        return {"same": given["x"], "work": state}

    return Network(
        [helper.make_node("Loop", ["rounds", "go_on", "x"], ["work"], body=body), helper.make_node("Identity", ["x"], ["same"])],
        {"matrix": matrix, "rounds": np.array(rounds, np.int64), "go_on": np.array(True)},
        [Input("x", ("batch", WORK), "float32")],
        [Output("same", ("batch", WORK), "float32"), Output("work", ("batch", WORK), "float32")],
        answer,
        _normal([WORK]),
    )


def table() -> Network:
    """Row x of a table of ten, squared; the runtime fails, with the whole batch, where there is no such row."""
    rows = np.arange(10, dtype=np.float32) ** 2
    return Network(
        [helper.make_node("Gather", ["rows", "x"], ["y"])],
        {"rows": rows},
        [Input("x", ("batch", 1), "int64")],
        [Output("y", ("batch", 1), "float32")],
        lambda given: {"y": rows[given["x"]]},
        lambda generator, count: {"x": generator.integers(0, 10, (count, 1))},
    )


def relative() -> Network:
    """Each sample less the mean of all: what it answers depends on who asks beside."""
    return Network(
        [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1), helper.make_node("Sub", ["x", "mean"], ["y"])],
        {},
        [Input("x", ("batch", 3), "float32")],
        [Output("y", ("batch", 3), "float32")],
        lambda given: {"y": given["x"] - given["x"].mean(axis=0, keepdims=True)},
        _normal([3]),
    )


def folding() -> Network:
    """As many answers as numbers: for samples of more than one number, not one a sample."""
    return Network(
        [helper.make_node("Reshape", ["x", "flat"], ["y"])],
        {"flat": np.array([-1], np.int64)},
        [Input("x", ("batch", "size"), "float32")],
        [Output("y", ("batch",), "float32")],
        lambda given: {"y": given["x"].reshape(-1)},
        _normal([1]),
    )


def picture() -> Network:
    """The mean of each channel of an image of any size."""
    return Network(
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)],
        {},
        [Input("x", ("batch", 3, "height", "width"), "float32")],
        [Output("y", ("batch", 3), "float32")],
        lambda given: {"y": given["x"].mean(axis=(2, 3))},
        _normal([3, 8, 8]),
    )
