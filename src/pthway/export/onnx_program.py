"""The ONNX program: made by torch's exporter, its weights left in the bundle's own file."""

import hashlib
import io
import json
import logging
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final, NamedTuple

import onnx_ir
import torch
from torch.export import ExportedProgram

from pthway.bundle.folder import WEIGHTS
from pthway.errors import NotExportable
from pthway.export.exported import Graph, first_line
from pthway.export.recurrent import any_length
from pthway.export.reference import Referred

FILE: Final = "model.onnx"
MIN_BYTES: Final = 256
"""Of a constant that is looked for in the weights file; smaller ones stay in the program."""


class Span(NamedTuple):
    """Where a tensor lies in the weights file."""

    offset: int
    length: int


def write(graph: Graph, referred: Referred, folder: Path) -> ExportedProgram:
    """Write ``model.onnx`` to *folder*, where the weights are, and return the graph whose nodes have the names of its values.

    Raises `NotExportable` for an operator that ONNX has not.
    """
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), any_length():
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            program = torch.onnx.export(
                graph.program,
                (),
                dynamo=True,
                optimize=False,  # it would rewrite weights, which then were no longer those of the file
                verbose=False,
                input_names=[each.name for each in referred.signature.inputs],
                output_names=[each.name for each in referred.signature.outputs],
            )
    except Exception as cause:
        raise NotExportable(
            f"ONNX cannot hold the network: {first_line(cause)}",
            "Its operators are fewer than torch's.",
            "Use another program of the bundle",
        ) from cause
    if program is None or program.exported_program is None:
        raise NotExportable("torch made no ONNX program.", "It gives no reason.", "Use another program of the bundle")
    model = program.model
    _share_weights(model, folder)
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # lines of the user's source, with the paths of the machine
    onnx_ir.save(model, folder / FILE)
    return program.exported_program


def _share_weights(model: Any, folder: Path) -> None:
    """Let every constant that is a tensor of the weights file point there: both formats store numbers little-endian, row by row."""
    places = spans(folder / WEIGHTS)
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if tensor is None or tensor.nbytes < MIN_BYTES:
            continue
        span = places.get(hashlib.sha256(tensor.tobytes()).hexdigest())
        if span is not None:
            value.const_value = onnx_ir.ExternalTensor(
                WEIGHTS, span.offset, span.length, tensor.dtype, shape=tensor.shape, name=value.name, base_dir=folder
            )


def spans(path: Path) -> Mapping[str, Span]:
    """Where each tensor of a safetensors file lies, by the SHA-256 of its bytes. The header is described at safetensors' own page."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        found: dict[str, Span] = {}
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                stream.seek(8 + length + begin)
                found[hashlib.sha256(stream.read(end - begin)).hexdigest()] = Span(8 + length + begin, end - begin)
    return found
