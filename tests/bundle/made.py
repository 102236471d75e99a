"""Bundles of a network that is written by hand and whose answers numpy computes: no torch, and made in a moment."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from pthway.bundle import manifest
from pthway.bundle.environment import environment
from pthway.bundle.folder import SUMS, sums_text
from pthway.bundle.golden import NAN, Record, tolerance_for, write_records
from pthway.bundle.manifest import Difference, Golden, Manifest, Program, Provenance, Tolerance
from pthway.bundle.write import drafted, finish
from pthway.data.reading import AUTO
from pthway.signature import Input, Output, Signature

WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
BIAS = np.array([0.5, -0.25, 0.125], dtype=np.float32)
HERE = environment()
LOOSE = Tolerance(absolute=1e-5, relative=1e-4)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {"Tanh": np.tanh, "Abs": np.abs}


def described(**changes: Any) -> Manifest:
    """The manifest of such a network, without files."""
    made = Manifest(
        format=manifest.FORMAT,
        name="made",
        version="1",
        description="",
        licence="",
        signature=Signature(
            (Input("x", ("batch", 4), "float32"),),
            (Output("y", ("batch", 3), "float32"),),
        ),
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
                milliseconds={1: 0.01, 2: 0.02, 8: 0.05},
                dynamic=("batch",),
                made_by="onnx==1.18",
            ),
        ),
        golden=Golden(records=("2", "1", NAN), given=False, seed=0, tolerances={}),
        provenance=Provenance(file=None, sha256=None, packed="2026-01-01T00:00:00+00:00", pthway="0", environment=HERE),
        files={},
        notes=(),
    )
    return manifest.replaced(made, **changes)


def write(path: Path, function: str = "Tanh", **changes: Any) -> Path:
    """Write a bundle of ``function(x @ WEIGHT + BIAS)`` to *path*, a folder or a .zip."""
    apply = FUNCTIONS[function]
    generator = np.random.default_rng(0)
    inputs = {name: generator.standard_normal((count, 4), dtype=np.float32) for name, count in (("2", 2), ("1", 1), (NAN, 2))}
    inputs[NAN][0, 1] = np.nan
    records = {name: Record({"x": x}, {"y": apply(x @ WEIGHT + BIAS)}) for name, x in inputs.items()}
    golden = Golden(
        records=tuple(records),
        given=False,
        seed=0,
        tolerances=tolerance_for({"y": [record.outputs["y"] for name, record in records.items() if name != NAN]}),
    )
    with drafted(path, force=False) as draft:
        save_file({"weight": WEIGHT, "bias": BIAS}, draft / "weights.safetensors")
        write_records(draft / "golden.safetensors", records)
        onnx.save(_network(function), draft / "model.onnx")
        (draft / "README.md").write_text("made by hand\n", "utf-8")
        finish(draft, path, described(**{"golden": golden, **changes}), force=False)
    return path


def _network(function: str) -> onnx.ModelProto:
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["sum"]),
            helper.make_node(function, ["sum"], ["y"]),
        ],
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(BIAS, "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def read(folder: Path) -> dict[str, Any]:
    """The manifest as plain data."""
    found: dict[str, Any] = json.loads((folder / manifest.NAME).read_bytes())
    return found


def rewrite(folder: Path, data: bytes) -> None:
    """Put another manifest into the folder, with its checksum, as a careful forger would."""
    (folder / manifest.NAME).write_bytes(data)
    (folder / SUMS).write_bytes(sums_text(data))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest, and its checksum."""
    told = read(folder)
    change(told)
    rewrite(folder, encoded(told))


def encoded(told: dict[str, Any]) -> bytes:
    """Plain data as JSON."""
    return msgspec.json.encode(told)


def hash_again(folder: Path, *names: str) -> None:
    """Rewrite the checksums of files, as a careful forger would."""

    def change(told: dict[str, Any]) -> None:
        for name in names:
            content = (folder / name).read_bytes()
            told["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    edit(folder, change)


def copied(source: Path, target: Path) -> Path:
    """A copy of a folder to spoil."""
    shutil.copytree(source, target)
    return target
