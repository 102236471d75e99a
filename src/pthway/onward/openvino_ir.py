"""OpenVINO's own format: model.xml with its weights in model.bin, in float32."""

import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import openvino

from pthway.bundle.folder import Bundle
from pthway.bundle.golden import Array
from pthway.errors import NotExportable
from pthway.onward.onnx_file import write_onnx
from pthway.onward.target import Written
from pthway.runtime.runner import Runner

NAME: Final = "model.xml"


def write(bundle: Bundle, out: Path) -> Written:
    """Write a folder with the two files, and compile them again. Raises `NotExportable` for operators that OpenVINO lacks."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            notes = write_onnx(bundle, Path(folder) / "onnx")
            model = openvino.convert_model(Path(folder) / "onnx/model.onnx")
            openvino.save_model(model, out / NAME, compress_to_fp16=False)
        compiled = openvino.Core().compile_model(out / NAME, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError as cause:
        if isinstance(cause, NotExportable):
            raise
        raise NotExportable(
            f"OpenVINO does not take the network: {str(cause).strip().partition(chr(10))[0]}",
            "It is made from the network as ONNX.",
            "--to onnx",
        ) from cause
    return Written(_runner(compiled), f"openvino {version('openvino')}", notes)


def _runner(compiled: Any) -> Runner:
    def run(inputs: Sequence[Array], /) -> Sequence[Array]:
        answers = compiled(list(inputs))
        return [answers[index].copy() for index in range(len(compiled.outputs))]

    return run
