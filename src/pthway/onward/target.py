"""What a bundle is exported to, and where each is written."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pthway.bundle.folder import Bundle
from pthway.runtime.runner import Runner


class Written(NamedTuple):
    """What a writer has written."""

    runner: Runner | None
    """Its answers, run by the program that it is for; None where nothing can be run: then the writer compared it bit by bit."""
    by: str
    """The program that read it back, with its version."""
    notes: tuple[str, ...] = ()
    """What a user has to know of it, each a sentence."""


Write = Callable[[Bundle, Path], Written]
"""Writes a bundle to a path where nothing is. Raises `NotExportable` if the bundle does not hold what it takes."""


class Target(NamedTuple):
    """One kind of export."""

    home: str
    """Where its writer is: a `Write`."""
    extra: str
    """pthway's extra that brings what the writer needs."""
    endings: tuple[str, ...]
    """Of the path; "" is a folder."""
    what: str


TARGETS: Final[Mapping[str, Target]] = {
    "safetensors": Target("pthway.onward.tensors:write", "", (".safetensors",), "the weights alone, under all their names"),
    "onnx": Target("pthway.onward.onnx_file:write", "onnx", (".onnx", ""), "one file with its weights, or a folder with them beside"),
    "pt2": Target("pthway.onward.exported_file:write", "torch", (".pt2",), "one file for torch.export.load"),
    "openvino": Target("pthway.onward.openvino_ir:write", "openvino", ("",), "a folder with model.xml and model.bin"),
    "torchscript": Target("pthway.onward.torchscript_file:write", "torch", (".pt", ".pth", ".ts"), "one file for torch.jit.load"),
    "mlflow": Target("pthway.onward.mlflow_model:write", "", ("",), "a model folder for mlflow.pyfunc.load_model"),
    "triton": Target("pthway.onward.triton:write", "onnx", ("",), "a model repository with the network as ONNX"),
    "dockerfile": Target("pthway.onward.dockerfile:write", "", ("",), "a folder to build an image from"),
}
