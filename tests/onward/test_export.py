"""What a bundle is exported to gives its answers, by the program that it is for; or nothing is written."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from safetensors.torch import load_file

import pthway
from pthway.bundle import open_bundle
from pthway.bundle.golden import Record
from pthway.cli import main
from pthway.errors import MissingFile, NotExportable, NotWritten, UsageError
from pthway.onward import export, mlflow_pyfunc
from pthway.onward.target import TARGETS, Written
from tests.bundle import made


def record(bundle: Path, name: str = "8") -> Record:
    return open_bundle(bundle).records()[name]


def close(got: Any, expected: Any) -> bool:
    return bool(np.allclose(got, expected, rtol=1e-4, atol=1e-5))


def test_safetensors_hold_every_name_of_the_state_dict(packed: Path, tmp_path: Path) -> None:
    written = pthway.export_bundle(packed, "safetensors", tmp_path / "net.safetensors")
    expected = torch.load(packed.parent / "net.pth")
    got = load_file(tmp_path / "net.safetensors")
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], tensor) for name, tensor in expected.items())
    assert written.difference is None
    assert "2 names share" in written.notes[0]


def test_onnx_is_made_of_the_network_with_its_weights_beside_it(packed: Path, tmp_path: Path) -> None:
    written = pthway.export_bundle(packed, "onnx", tmp_path / "net")
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["model.onnx", "model.onnx.data"]
    onnx.checker.check_model(tmp_path / "net/model.onnx")
    expected = record(packed)
    (got,) = onnxruntime.InferenceSession(tmp_path / "net/model.onnx").run(None, {"image": expected.inputs["image"]})
    assert close(got, expected.outputs["output"])
    assert written.difference is not None
    assert written.difference.absolute < 1e-5


def test_onnx_of_the_bundle_is_written_with_its_weights_inside(portable: Path, tmp_path: Path) -> None:
    pthway.export_bundle(portable, "onnx", tmp_path / "made.onnx")
    model = onnx.load(tmp_path / "made.onnx", load_external_data=False)
    assert not any(onnx.external_data_helper.uses_external_data(tensor) for tensor in model.graph.initializer)
    x = record(portable, "2").inputs["x"]
    assert close(onnxruntime.InferenceSession(tmp_path / "made.onnx").run(None, {"x": x})[0], np.tanh(x @ made.WEIGHT + made.BIAS))


def test_more_than_a_file_of_onnx_can_hold_is_told_to_go_to_a_folder(
    portable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len((portable / "model.onnx").read_bytes())
    monkeypatch.setattr("pthway.onward.onnx_file.MAX_FILE", size)
    pthway.export_bundle(portable, "onnx", tmp_path / "at.onnx")
    monkeypatch.setattr("pthway.onward.onnx_file.MAX_FILE", size - 1)
    with pytest.raises(NotExportable, match="One ONNX file has at most 2 GiB"):
        pthway.export_bundle(portable, "onnx", tmp_path / "past.onnx")
    pthway.export_bundle(portable, "onnx", tmp_path / "past")


def test_pt2_is_loaded_and_answers_in_torch(packed: Path, tmp_path: Path) -> None:
    pthway.export_bundle(packed, "pt2", tmp_path / "net.pt2")
    expected = record(packed)
    (got,) = torch.export.load(tmp_path / "net.pt2").module()(torch.from_numpy(expected.inputs["image"]))
    assert close(got.detach(), expected.outputs["output"])


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_torchscript_is_loaded_and_answers_in_torch(packed: Path, tmp_path: Path) -> None:
    written = pthway.export_bundle(packed, "torchscript", tmp_path / "net.pt")
    expected = record(packed)
    got = torch.jit.load(tmp_path / "net.pt")(torch.from_numpy(expected.inputs["image"]))
    assert close(got.detach(), expected.outputs["output"])
    assert any("deprecated" in note for note in written.notes)


def test_openvino_ir_is_read_and_answers(portable: Path, tmp_path: Path) -> None:
    pthway.export_bundle(portable, "openvino", tmp_path / "made")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["model.bin", "model.xml"]
    expected = record(portable, "2")
    got = openvino.Core().compile_model(tmp_path / "made/model.xml", "CPU")([expected.inputs["x"]])[0]
    assert close(got, expected.outputs["y"])


def test_an_mlflow_model_is_described_and_its_loader_answers(portable: Path, tmp_path: Path) -> None:
    written = pthway.export_bundle(portable, "mlflow", tmp_path / "made")
    told = json.loads((tmp_path / "made/MLmodel").read_text("utf-8"))
    flavour = told["flavors"]["python_function"]
    assert flavour["loader_module"] == mlflow_pyfunc.__name__
    assert json.loads(told["signature"]["inputs"]) == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]
    expected = record(portable, "2")
    predictor = mlflow_pyfunc._load_pyfunc(str(tmp_path / "made" / flavour["data"]))
    assert close(predictor.predict(expected.inputs["x"]), expected.outputs["y"])
    assert written.difference is not None
    packages = [line.partition("==")[0] for line in (tmp_path / "made/requirements.txt").read_text().splitlines()]
    assert packages == ["pthway", "onnxruntime"]


def test_a_data_frame_is_taken_by_its_columns(portable: Path) -> None:
    class Frame:
        """What MLflow gives: pandas is not installed here."""

        def __init__(self, **columns: Any) -> None:
            self.columns, self._values = [*columns], columns

        def __getitem__(self, name: str) -> Any:
            return self._values[name]

        def to_numpy(self) -> Any:
            return np.stack([*self._values.values()], axis=1)

    predictor = mlflow_pyfunc._load_pyfunc(str(portable))
    x = np.arange(8, dtype=np.float64).reshape(2, 4)
    expected = np.tanh(x @ made.WEIGHT + made.BIAS)
    assert close(predictor.predict(Frame(x=[*x])), expected)
    assert close(predictor.predict(Frame(a=x[:, 0], b=x[:, 1], c=x[:, 2], d=x[:, 3])), expected)
    assert close(predictor.predict({"x": x}), expected)


CONFIG = """\
name: "made"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
]
output [
  { name: "y" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" }
]
dynamic_batching { }
"""


def test_a_triton_repository_has_the_network_its_labels_and_its_configuration(portable: Path, tmp_path: Path) -> None:
    pthway.export_bundle(portable, "triton", tmp_path / "models")
    assert (tmp_path / "models/made/config.pbtxt").read_text() == CONFIG
    assert (tmp_path / "models/made/labels.txt").read_text() == 'no\nyes\nper"haps\\\n'
    expected = record(portable, "2")
    (got,) = onnxruntime.InferenceSession(tmp_path / "models/made/1/model.onnx").run(["y"], {"x": expected.inputs["x"]})
    assert close(got, expected.outputs["y"])


def test_a_folder_for_an_image_needs_the_packages_of_one_runtime(portable: Path, packed: Path, tmp_path: Path) -> None:
    for bundle, package, name in ((portable, "onnxruntime", "made"), (packed, "torch", "net")):
        pthway.export_bundle(bundle, "dockerfile", tmp_path / name)
        packages = [line.partition("==")[0] for line in (tmp_path / name / "requirements.txt").read_text().splitlines()]
        assert packages == ["pthway", package]
        lines = (tmp_path / name / "Dockerfile").read_text().splitlines()
        assert f"COPY {name}.bundle /model" in lines
        assert lines.index("USER pthway") > lines.index("RUN pip install --no-cache-dir --requirement /requirements.txt")
        assert open_bundle(tmp_path / name / f"{name}.bundle").manifest == open_bundle(bundle).manifest


def test_a_zip_is_exported_as_its_folder_is(tmp_path: Path) -> None:
    zipped = made.write(tmp_path / "made.zip")
    pthway.export_bundle(zipped, "onnx", tmp_path / "made.onnx")
    pthway.export_bundle(zipped, "dockerfile", tmp_path / "image")
    open_bundle(tmp_path / "image/made.bundle")


@pytest.mark.parametrize("to", ["pt2", "torchscript"])
def test_what_is_made_of_the_network_is_refused_where_the_bundle_has_none(portable: Path, tmp_path: Path, to: str) -> None:
    with pytest.raises(NotExportable, match=f"The export to {to} is made from the network itself: .* holds no architecture"):
        pthway.export_bundle(portable, to, tmp_path / f"made{TARGETS[to].endings[0]}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", sorted(set(TARGETS) - {"safetensors", "pt2", "torchscript"}))
def test_other_answers_are_not_written(to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = made.write(tmp_path / "made.bundle")
    load = export._lazy.load

    def spoiled(target: str, extra: str = "") -> Any:
        write = load(target, extra)

        def wrong(*given: Any) -> Written:
            written = write(*given)
            return written._replace(runner=lambda inputs: [array + 1e-3 for array in written.runner(inputs)])

        return wrong if target == TARGETS[to].home else write

    monkeypatch.setattr(export._lazy, "load", spoiled)
    with pytest.raises(NotExportable, match=f"The export to {to} gives other answers than the network: record 2: y"):
        pthway.export_bundle(bundle, to, tmp_path / f"out{TARGETS[to].endings[0]}")
    assert [path.name for path in tmp_path.iterdir()] == ["made.bundle"]


@pytest.mark.parametrize("to", sorted(TARGETS))
def test_what_is_there_is_not_overwritten_unasked(portable: Path, tmp_path: Path, to: str) -> None:
    place = tmp_path / f"out{TARGETS[to].endings[0]}"
    place.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        pthway.export_bundle(portable, to, place)
    assert place.read_text() == "mine"


def test_force_replaces_files_and_folders(portable: Path, tmp_path: Path) -> None:
    for _ in range(2):
        pthway.export_bundle(portable, "onnx", tmp_path / "made.onnx", force=True)
        pthway.export_bundle(portable, "triton", tmp_path / "models", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.onnx", "models"]


@pytest.mark.parametrize(
    ("to", "name"), [("onnx", "net.pt2"), ("pt2", "net"), ("pt2", "net.pth"), ("safetensors", "net.onnx"), ("triton", "net.onnx")]
)
def test_a_name_that_promises_something_else_is_refused(portable: Path, tmp_path: Path, to: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"is no name for {to}"):
        pthway.export_bundle(portable, to, tmp_path / name)


def test_an_unknown_target_lists_those_that_there_are(portable: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no export to 'coreml'") as caught:
        pthway.export_bundle(portable, "coreml", tmp_path / "out")
    assert all(name in caught.value.why for name in TARGETS)


def test_a_bundle_that_is_none_and_a_place_that_is_none_are_told(portable: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="There is no bundle"):
        pthway.export_bundle(tmp_path / "none", "onnx", tmp_path / "out.onnx")
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match="cannot be written"):
        pthway.export_bundle(portable, "onnx", tmp_path / "file/out.onnx")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pthway", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_the_command_prints_the_difference(
    portable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "export", str(portable), "--to", "onnx", "-o", str(tmp_path / "made.onnx")) == 0
    assert "difference  at most " in capsys.readouterr().out
    assert run(monkeypatch, "export", str(portable), "--to", "onnx", "-o", str(tmp_path / "made.onnx")) == 2
    assert run(monkeypatch, "export", str(portable), "--to", "onnx", "-o", str(tmp_path / "made.onnx"), "--force", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["to"] == "onnx"
    assert told["difference"]["absolute"] < 1e-5


def test_a_bundle_with_onnx_is_exported_without_torch(portable: Path, tmp_path: Path) -> None:
    targets = {
        "onnx": "made.onnx",
        "openvino": "ir",
        "mlflow": "mlflow",
        "triton": "models",
        "dockerfile": "image",
        "safetensors": "w.safetensors",
    }
    code = (
        "import sys, pthway\n"
        "sys.modules['torch'] = None\n"
        f"for to, name in {targets!r}.items():\n"
        f"    pthway.export_bundle({str(portable)!r}, to, {str(tmp_path)!r} + '/' + name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(targets.values())
