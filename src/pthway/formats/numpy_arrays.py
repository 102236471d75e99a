"""numpy's files: one array (.npy), or a zip of named arrays (.npz). Arrays of Python objects hold pickles and are refused."""

import re
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from pthway.errors import CorruptFile, NotWeights, TruncatedFile, UnreadableFile
from pthway.formats import limits
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Format, Parts, Place
from pthway.formats.rebuild import strided
from pthway.formats.tensors import DTYPES, StorageSpec, TensorSpec, row_major
from pthway.formats.values import PickledDict
from pthway.formats.zip_archive import Record, corrupt

MAGIC: Final = b"\x93NUMPY"

_LENGTH_BYTES: Final[Mapping[int, int]] = {1: 2, 2: 4, 3: 4}
"""Version of the header → bytes of its length."""

_HEADER: Final = re.compile(
    r"\{'descr': (?:'([ -&(-~]{1,64})'|\[.*\]), 'fortran_order': (True|False), 'shape': \(((?:\d{1,20}(?:, ?|(?=\))))*)\),? *\} *\n?",
    re.DOTALL,
)

_NAMES: Final[Mapping[str, str]] = {
    "f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64", "i4": "int32", "i2": "int16", "i1": "int8",
    "u8": "uint64", "u4": "uint32", "u2": "uint16", "u1": "uint8", "b1": "bool", "c8": "complex64", "c16": "complex128",
}  # fmt: skip
"""numpy's type codes without their byte order → torch's names."""


class _Header(NamedTuple):
    code: str
    """numpy's type code with its byte order, such as ``<f4``."""
    fortran: bool
    shape: tuple[int, ...]
    length: int
    """Bytes before the data."""


def read_npz(source: FileBytes, records: Mapping[str, Record]) -> Parts:
    """Take a zip of arrays apart. Raises `UnreadableFile` for arrays of objects, `CorruptFile` for sizes that do not fit."""
    tensors: list[tuple[object, object]] = []
    places: dict[str, Place] = {}
    beside: dict[str, object] = {}
    for record in records.values():
        name = record.name.removesuffix(".npy")
        header = _parsed(source, name, _beginning(source, record))
        if header.code[1:] in _NAMES:
            tensors.append((name, _tensor(source, name, header, record.size)))
            places[name] = Place(source, record.offset, record.packed, record)
        else:
            beside[name] = f"<array {header.code} {list(header.shape)}>"
    return _parts(Format.NPZ, "numpy.savez (zip of .npy records)", tensors, places, beside)


def read_npy(source: FileBytes) -> Parts:
    """Take a single array apart; it is named ``array``. Raises as `read_npz`."""
    header = _parsed(source, "array", source.read(0, min(source.size, limits.MAX_ARRAY_HEADER)))
    if header.code[1:] not in _NAMES:
        raise NotWeights(f"{source.path} is a NumPy array of type {header.code}.", "Weights are numbers.", "Open it with numpy.load(path).")
    spec = _tensor(source, "array", header, source.size)
    return _parts(Format.NPY, "numpy.save", [("array", spec)], {"array": Place(source, 0, source.size, None)}, {})


def _parts(kind: Format, by: str, tensors: list[tuple[object, object]], places: Mapping[str, Place], beside: Mapping[str, object]) -> Parts:
    return Parts(
        format=kind,
        root=PickledDict(pairs=tensors),
        storages={spec.storage.key: spec.storage for _, spec in tensors if isinstance(spec, TensorSpec)},
        places=places,
        calls=(),
        classes=(),
        byteorder="little",
        stem=None,
        written_by=by,
        notes=(),
        beside=beside,
    )


def _beginning(source: FileBytes, record: Record) -> bytes:
    raw = source.read(record.offset, min(record.packed, limits.MAX_ARRAY_HEADER))
    if record.stored:
        return raw
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, limits.MAX_ARRAY_HEADER)
    except zlib.error as cause:
        raise corrupt(source, f"has a record {record.name} that cannot be unpacked") from cause


def _parsed(source: FileBytes, name: str, begin: bytes) -> _Header:
    width = _LENGTH_BYTES.get(begin[6]) if begin.startswith(MAGIC) and len(begin) > len(MAGIC) else None
    if width is None:
        raise _broken(source, name, "has no header of numpy's")
    start = len(MAGIC) + 2
    length = int.from_bytes(begin[start : start + width], "little")
    end = start + width + length
    if end > limits.MAX_ARRAY_HEADER or len(begin) < end:
        raise _broken(source, name, f"has a header of {length:,} bytes")
    found = _HEADER.fullmatch(begin[start + width : end].decode("latin-1"))
    if found is None:
        raise _broken(source, name, "has a header that numpy does not write")
    code, fortran, sizes = found.groups()
    if code is None or "O" in code:
        raise UnreadableFile(
            f"The array {ascii(name)[1:-1]} of {source.path} holds {'Python objects' if code else 'records of several fields'}.",
            "Objects are stored as a pickle, which could run code; weights are plain numbers.",
            "Save it again as numbers: array.astype('float32').",
        )
    return _Header(code, fortran == "True", tuple(int(size) for size in re.findall(r"\d+", sizes)), end)


def _tensor(source: FileBytes, name: str, header: _Header, size: int) -> TensorSpec:
    """The array as a view of its whole record, whose first bytes are the header."""
    dtype = _NAMES[header.code[1:]]
    width = DTYPES[dtype]
    if header.code[0] == ">" and width > 1:
        raise UnreadableFile(
            f"The array {ascii(name)[1:-1]} of {source.path} is big-endian ({header.code}).",
            "Its numbers would have to be turned around one by one.",
            "Save it again: array.astype(array.dtype.newbyteorder('<'))",
        )
    if header.length % width:
        raise _broken(source, name, "has a header that is not aligned to its numbers")
    shape = header.shape
    stride = tuple(reversed(row_major(tuple(reversed(shape))))) if header.fortran else row_major(shape)
    try:
        spec = strided(StorageSpec(name, "uint8", size, "cpu"), header.length // width, shape, stride, dtype)
    except ValueError as cause:
        raise _broken(source, name, f"is cut or cannot be: {cause}", TruncatedFile) from cause
    if header.length + spec.nbytes != size:
        raise _broken(source, name, f"has {size - header.length:,} bytes of numbers; its type and shape need {spec.nbytes:,}")
    return spec


def _broken(source: FileBytes, name: str, how: str, kind: type[UnreadableFile] = CorruptFile) -> UnreadableFile:
    return kind(
        f"The array {ascii(name)[1:-1]} of {source.path} {how}.",
        "numpy writes a short header and exactly the bytes that it describes.",
        "Download or save it again.",
    )
