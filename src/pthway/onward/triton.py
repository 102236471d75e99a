"""A model repository of Triton Inference Server: the network as ONNX, and its config.pbtxt, as the server's manual says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import onnxruntime

from pthway.bundle.folder import Bundle
from pthway.errors import NotExportable
from pthway.onward.onnx_file import NAME, runner, write_onnx
from pthway.onward.target import Written
from pthway.signature import Input, Output

LABELS: Final = "labels.txt"
TYPES: Final = {
    "bool": "TYPE_BOOL", "uint8": "TYPE_UINT8", "uint16": "TYPE_UINT16", "uint32": "TYPE_UINT32", "uint64": "TYPE_UINT64",
    "int8": "TYPE_INT8", "int16": "TYPE_INT16", "int32": "TYPE_INT32", "int64": "TYPE_INT64",
    "float16": "TYPE_FP16", "float32": "TYPE_FP32", "float64": "TYPE_FP64",
}  # fmt: skip


def write(bundle: Bundle, out: Path) -> Written:
    """Write ``NAME/config.pbtxt``, its labels and ``NAME/1/model.onnx``; Triton runs ONNX by ONNX Runtime, which is asked here."""
    model = out / bundle.manifest.name
    (model / "1").mkdir(parents=True)
    notes = _network(bundle, model / "1")
    path = model / "1" / NAME
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batched = all(each.batch == 0 for each in _sides(bundle)) and all(isinstance(each.shape[0], str) for each in session.get_inputs())
    most = max(size for program in bundle.manifest.programs for size in program.milliseconds) if batched else 0
    (model / "config.pbtxt").write_text(_config(bundle, most), "utf-8")
    if _labelled(bundle):
        (model / LABELS).write_text("".join(f"{label}\n" for label in bundle.manifest.labels or ()), "utf-8")
    told = (
        f"max_batch_size is {most}, the largest number of samples that was verified; config.pbtxt may say more."
        if batched
        else "The network fixes the number of samples or has them in another dimension: Triton does not batch it."
    )
    return Written(runner(bundle, path), f"onnxruntime {onnxruntime.__version__}, as Triton's backend", (told, *notes))


def _network(bundle: Bundle, folder: Path) -> tuple[str, ...]:
    """Write the network, with its weights beside it: one file ends at 2 GiB."""
    made = folder / "made"
    notes = write_onnx(bundle, made)
    for path in made.iterdir():
        path.rename(folder / path.name)
    made.rmdir()
    return notes


def _sides(bundle: Bundle) -> Sequence[Input | Output]:
    return (*bundle.manifest.signature.inputs, *bundle.manifest.signature.outputs)


def _labelled(bundle: Bundle) -> bool:
    """Whether labels can be given to Triton: of one output, a line each."""
    labels = bundle.manifest.labels
    return labels is not None and len(bundle.manifest.signature.outputs) == 1 and all(label.isprintable() for label in labels)


def _config(bundle: Bundle, most: int) -> str:
    """The configuration, in protobuf's text format."""
    signature = bundle.manifest.signature
    inputs = ",\n".join(_tensor(each, most) for each in signature.inputs)
    outputs = ",\n".join(_tensor(each, most, labels=LABELS if _labelled(bundle) else "") for each in signature.outputs)
    lines = [
        f"name: {_quoted(bundle.manifest.name)}",
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {most}",
        f"input [\n{inputs}\n]",
        f"output [\n{outputs}\n]",
        *(["dynamic_batching { }"] if most > 1 else []),
    ]
    return "\n".join(lines) + "\n"


def _tensor(each: Input | Output, most: int, labels: str = "") -> str:
    if each.dtype not in TYPES:
        raise NotExportable(f"{each.name} is {each.dtype}.", f"Triton has {', '.join(TYPES)}.", "--to onnx")
    sizes = [side if isinstance(side, int) else -1 for side in each.shape or ()]
    dims = sizes[1:] if most else sizes
    # Triton takes no empty dims beside a batch: one number a sample is told as [1], with its real shape beside it.
    shape = f"dims: [ {', '.join(map(str, dims or [1]))} ]" + ("" if dims else " reshape { shape: [ ] }")
    named = f" label_filename: {_quoted(labels)}" if labels else ""
    return f"  {{ name: {_quoted(each.name)} data_type: {TYPES[each.dtype]} {shape}{named} }}"


def _quoted(text: str) -> str:
    escaped = "".join(char if char.isascii() and char.isprintable() and char not in '"\\' else _escaped(char) for char in text)
    return f'"{escaped}"'


def _escaped(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode())
