"""ONNX that stands alone: the bundle's own program with its weights taken in, or one made from the network."""

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import onnx
from onnx.external_data_helper import load_external_data_for_model

from pthway import _lazy
from pthway.bundle import manifest
from pthway.bundle.environment import available_cores
from pthway.bundle.folder import WEIGHTS, Bundle
from pthway.bundle.manifest import Difference, Program
from pthway.errors import NotExportable
from pthway.onward.target import Written
from pthway.runtime.runner import Runner, Settings, start

SUFFIX: Final = ".onnx"
NAME: Final = "model.onnx"
MAX_FILE: Final = (1 << 31) - (1 << 20)
"""Bytes of one file: protobuf ends at 2 GiB."""


def write(bundle: Bundle, out: Path) -> Written:
    """Write one file, or a folder with the weights beside the graph. Raises `NotExportable` for more than one file can hold."""
    notes = write_onnx(bundle, out)
    path = out if out.suffix == SUFFIX else out / NAME
    return Written(runner(bundle, path), f"onnx.checker {onnx.__version__} and onnxruntime {version('onnxruntime')}", notes)


def write_onnx(bundle: Bundle, out: Path) -> tuple[str, ...]:
    """Write the network as ONNX, checked by its own checker, and return what is to be known of it."""
    model, notes = _model(bundle)
    if out.suffix == SUFFIX:
        if model.ByteSize() > MAX_FILE:
            raise NotExportable(
                f"The network has {model.ByteSize():,} bytes.", "One ONNX file has at most 2 GiB.", f"Name a folder: -o {out.stem}"
            )
        onnx.save_model(model, out)
        onnx.checker.check_model(out)
    else:
        out.mkdir()
        onnx.save_model(model, out / NAME, save_as_external_data=True, location=f"{NAME}.data")
        onnx.checker.check_model(out / NAME)
    return notes


def _model(bundle: Bundle) -> tuple[Any, tuple[str, ...]]:
    program = next((each for each in bundle.manifest.programs if each.file is not None and each.file.endswith(SUFFIX)), None)
    if program is not None and program.file is not None:
        return _whole(bundle.file(program.file)), program.notes
    with tempfile.TemporaryDirectory() as folder:
        return _made(bundle, Path(folder))


def _made(bundle: Bundle, folder: Path) -> tuple[Any, tuple[str, ...]]:
    graph, referred = _lazy.load("pthway.onward.network:graph_of", extra="torch")(bundle, "onnx")
    shutil.copyfile(bundle.file(WEIGHTS), folder / WEIGHTS)  # a program points at weights that lie beside it
    _lazy.load("pthway.export.onnx_program:write", extra="onnx")(graph, referred, folder)
    return _whole(folder / NAME), graph.notes


def _whole(path: Path) -> Any:
    model = onnx.load(path, load_external_data=False)
    load_external_data_for_model(model, str(path.parent))
    return model


def program(file: str) -> Program:
    """A program that ONNX Runtime takes, not measured."""
    return Program(
        runtime="onnxruntime",
        file=file,
        difference=Difference(absolute=0.0, relative=0.0),
        milliseconds={},
        dynamic=(),
        made_by=f"onnx=={onnx.__version__}",
    )


def runner(bundle: Bundle, path: Path) -> Runner:
    """The answers of an ONNX file, by ONNX Runtime."""
    described = manifest.replaced(bundle.manifest, programs=(program(path.name),))
    return start(Bundle(path.parent, path.parent, described), described.programs[0], Settings(available_cores()))
