"""The safetensors format: a length, a JSON header, and the tensors one after the other without a hole."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from pthway.checkpoint.writing.layout import Block, Layout, Placed
from pthway.errors import Unrepresentable
from pthway.formats.tensors import DTYPES

TYPES: Final = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "bool": "BOOL",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "complex64": "C64",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
}  # fmt: skip
"""torch's short name → the format's. What is not here has no place in it."""

MAX_HEADER_BYTES: Final = 100_000_000
"""Readers refuse more."""

_LENGTH_BYTES: Final = 8
_ALIGNMENT: Final = 64
"""The data begins at a multiple of this, and tensors of wide numbers come first, so that a map of the file is aligned."""

_METADATA: Final = "__metadata__"


def layout(tensors: Mapping[str, Block], metadata: Mapping[str, str]) -> Layout:
    """The planned file. Raises `Unrepresentable` for names that the header cannot hold."""
    if _METADATA in tensors:
        raise Unrepresentable(f"A tensor is named {_METADATA}.", "safetensors keeps that name for itself.", "Convert to .pth or .npz.")
    ordered = sorted(tensors.items(), key=lambda item: -DTYPES[item[1].dtype])
    header: dict[str, object] = {_METADATA: dict(metadata)}
    begins, at = [], 0
    for name, block in ordered:
        header[name] = {"dtype": TYPES[block.dtype], "shape": list(block.spec.shape), "data_offsets": [at, at + block.nbytes]}
        begins.append(at)
        at += block.nbytes
    try:
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError as cause:
        raise Unrepresentable(
            f"A tensor's name holds {cause.object[cause.start]!a}.", "safetensors names are UTF-8.", "Convert to .pth."
        ) from cause
    text += b" " * (-(len(text) + _LENGTH_BYTES) % _ALIGNMENT)
    if len(text) > MAX_HEADER_BYTES:
        raise Unrepresentable(f"The header would have {len(text):,} bytes.", f"Readers take {MAX_HEADER_BYTES:,}.", "Convert to .pth.")
    begin = _LENGTH_BYTES + len(text)
    blocks = tuple(Placed(block, begin + offset) for (_, block), offset in zip(ordered, begins, strict=True))

    def frame(_: Sequence[int]) -> list[tuple[int, bytes]]:
        return [(0, len(text).to_bytes(_LENGTH_BYTES, "little") + text)]

    return Layout(begin + at, blocks, frame)
