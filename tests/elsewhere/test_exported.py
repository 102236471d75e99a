"""Exported models in the programs that they are for."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from google.protobuf import text_format

import pthway
from pthway.checkpoint.torchserve import served
from tests.bundle import made

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow's own


def expected(x: np.ndarray) -> np.ndarray:
    return np.tanh(x @ made.WEIGHT + made.BIAS)


def test_mlflow_loads_the_model_and_gives_its_answers(bundle: Path, tmp_path: Path) -> None:
    import mlflow

    written = pthway.export_bundle(bundle, "mlflow", tmp_path / "made")
    assert written.checked_by.startswith("mlflow ")
    model = mlflow.pyfunc.load_model(str(tmp_path / "made"))
    x = np.arange(8, dtype=np.float32).reshape(2, 4) / 8
    assert np.allclose(model.predict(x), expected(x), atol=1e-6)
    assert np.allclose(model.predict(pd.DataFrame(x)), expected(x), atol=1e-6)
    assert model.metadata.signature.inputs.input_types() == [np.dtype("float32")]
    with pytest.raises(mlflow.exceptions.MlflowException, match="shape"):
        model.predict(np.ones((2, 5), np.float32))


def test_triton_reads_the_configuration(bundle: Path, tmp_path: Path) -> None:
    from tritonclient.grpc import model_config_pb2

    pthway.export_bundle(bundle, "triton", tmp_path / "models")
    config = text_format.Parse((tmp_path / "models/made/config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert (config.name, config.platform, config.max_batch_size) == ("made", "onnxruntime_onnx", 8)
    assert config.HasField("dynamic_batching")
    (given,), (taken,) = config.input, config.output
    assert (given.name, given.data_type, [*given.dims]) == ("x", model_config_pb2.TYPE_FP32, [4])
    assert (taken.name, taken.data_type, [*taken.dims], taken.label_filename) == ("y", model_config_pb2.TYPE_FP32, [3], "labels.txt")


@pytest.mark.parametrize("text", ["plain", 'quo"te', "back\\slash", "umlaut ü", "line\nbreak", "ids[0]", "12\x01"])
def test_any_name_survives_the_configurations_text(text: str) -> None:
    from tritonclient.grpc import model_config_pb2

    from pthway.onward.triton import _quoted

    assert text_format.Parse(f"name: {_quoted(text)}", model_config_pb2.ModelConfig()).name == text


def test_the_packages_of_an_image_are_enough_to_answer(bundle: Path, tmp_path: Path) -> None:
    """The lines of the Dockerfile, in a new environment: pthway itself, which no index has, is a wheel of this tree."""
    root = Path(__file__).parents[2]
    pthway.export_bundle(bundle, "dockerfile", tmp_path / "image")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def call(*command: str | Path) -> str:
        return subprocess.run(command, check=True, timeout=600, env=clean, cwd=tmp_path, capture_output=True, text=True).stdout

    call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path / "wheels", root)
    venv.create(tmp_path / "venv", with_pip=True)
    call(tmp_path / "venv/bin/pip", "install", "--quiet", "--find-links", tmp_path / "wheels", "--requirement", "image/requirements.txt")
    code = "import sys, pthway; s = pthway.open_session('image/made.bundle'); print(s.runtime, 'torch' in sys.modules)"
    assert call(tmp_path / "venv/bin/python", "-c", code) == "onnxruntime False\n"
    call(tmp_path / "venv/bin/pthway", "--version")
    if "verify" in call(tmp_path / "venv/bin/pthway", "--help"):
        call(tmp_path / "venv/bin/pthway", "verify", "image/made.bundle")
        np.save(tmp_path / "x.npy", np.ones((1, 4), np.float32))
        assert "yes" in call(tmp_path / "venv/bin/pthway", "predict", "image/made.bundle", "x.npy")


@pytest.mark.parametrize("kind", ["default", "zip-store"])
def test_an_archive_of_torchserve_is_read(tmp_path: Path, kind: str) -> None:
    from safetensors.numpy import save_file

    save_file({"weight": made.WEIGHT}, tmp_path / "net.safetensors")
    (tmp_path / "model.py").write_text("class Net: ...\n")
    (tmp_path / "index_to_name.json").write_text('{"0": "no", "1": "yes"}')
    command = [
        Path(sys.executable).parent / "torch-model-archiver",
        "--model-name",
        "net",
        "--version",
        "1.0",
        "--handler",
        "image_classifier",
    ]
    files = ["--serialized-file", "net.safetensors", "--model-file", "model.py", "--extra-files", "index_to_name.json"]
    subprocess.run([*command, *files, "--archive-format", kind, "--export-path", "."], check=True, timeout=60, cwd=tmp_path)
    checkpoint = pthway.open(tmp_path / "net.mar")
    assert (checkpoint["weight"].numpy() == made.WEIGHT).all()
    found = served(checkpoint)
    assert found is not None
    assert (found.name, found.version, found.model_file, found.handler) == ("net", "1.0", "model.py", "image_classifier")
    assert found.labels == ("no", "yes")
