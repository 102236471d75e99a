"""The ONNX program of a bundle with its weights as 8-bit whole numbers, and activations quantised as they come."""

import logging
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program
from pthway.errors import NotExportable


def write(bundle: Bundle, program: Program, target: Path) -> None:
    """Write the quantised program to *target*. Raises `NotExportable` if ONNX Runtime cannot quantise it.

    Weights are unsigned: signed ones saturate in the 16-bit sums of processors without VNNI.
    """
    model: Any = onnx.load(bundle.file(program.file or ""))
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it asks the root logger to recommend another of its tools
    try:
        quantize_dynamic(model, target, weight_type=QuantType.QUInt8)
    except Exception as cause:
        target.unlink(missing_ok=True)
        raise NotExportable(
            f"ONNX Runtime cannot quantise {program.file}: {str(cause).strip().partition(chr(10))[0]}",
            "Dynamic quantisation knows matrix products, convolutions and the like.",
            "Tune without int8",
        ) from cause
    finally:
        logging.disable(before)
