"""numpy's archive of arrays: a zip with one ``.npy`` for each."""

from collections.abc import Mapping
from typing import Final

from pthway.checkpoint.writing import archive
from pthway.checkpoint.writing.layout import Block, Layout
from pthway.errors import Unrepresentable

TYPES: Final = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "|i1",
    "uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "|u1", "bool": "|b1", "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip
"""torch's short name → numpy's."""

WIDER: Final = {
    "bfloat16": "float32", "float8_e4m3fn": "float32", "float8_e5m2": "float32", "float8_e4m3fnuz": "float32",
    "float8_e5m2fnuz": "float32", "float8_e8m0fnu": "float32", "complex32": "complex64",
}  # fmt: skip
"""Types that numpy lacks → the one that holds each of their numbers exactly."""

_MAGIC: Final = b"\x93NUMPY\x01\x00"
_ALIGNMENT: Final = 64


def layout(tensors: Mapping[str, Block]) -> Layout:
    """The planned archive. Raises `Unrepresentable` for names that numpy would not give back."""
    for name in tensors:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError as cause:
            raise _refused(name, "Names in a zip archive are UTF-8.") from cause
        if "\0" in name or name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise _refused(name, "It is a path that zip readers cut, change or refuse.")
        if name.endswith(".npy") and name.removesuffix(".npy") in tensors:
            raise _refused(name, "numpy cannot tell it from the name without .npy, which the file also holds.")
    return archive.layout([archive.Entry(f"{name}.npy", _header(block), block) for name, block in tensors.items()])


def _header(block: Block) -> bytes:
    text = repr({"descr": TYPES[block.dtype], "fortran_order": False, "shape": block.spec.shape}).encode()
    text += b" " * (-(len(_MAGIC) + 2 + len(text) + 1) % _ALIGNMENT) + b"\n"
    return _MAGIC + len(text).to_bytes(2, "little") + text


def _refused(name: str, why: str) -> Unrepresentable:
    return Unrepresentable(f"{name!a} cannot be a name in an .npz.", why, "Convert to .safetensors or .pth.")
