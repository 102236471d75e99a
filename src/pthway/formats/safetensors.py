"""The safetensors format: the length of a JSON header, the header, then the tensors' bytes without a gap.

Rules and bounds are those of the format's own library (safetensors/src/tensor.rs): every byte belongs to one tensor.
"""

from collections.abc import Mapping
from typing import Final

from pthway.errors import CorruptFile, LimitExceeded, TruncatedFile, UnreadableFile
from pthway.formats import json_text, limits
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Format, Parts, Place
from pthway.formats.rebuild import strided
from pthway.formats.tensors import DTYPES, StorageSpec, TensorSpec, row_major
from pthway.formats.values import PickledDict

_LENGTH: Final = 8
_METADATA: Final = "__metadata__"
_FIELDS: Final = {"dtype", "shape", "data_offsets"}

_NAMES: Final[Mapping[str, str]] = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
"""The format's names of element types → torch's."""


def read(source: FileBytes) -> Parts:
    """Take a safetensors file apart. Raises `TruncatedFile`, `CorruptFile` or `LimitExceeded`."""
    length = int.from_bytes(source.read(0, _LENGTH), "little")
    if length > limits.MAX_HEADER_BYTES:
        raise LimitExceeded(
            f"{source.path} has a safetensors header of {length:,} bytes.",
            f"At most {limits.MAX_HEADER_BYTES:,} are read, as by the safetensors library; real ones have about 100 bytes a tensor.",
            "Check where the file came from.",
        )
    if _LENGTH + length > source.size:
        raise TruncatedFile(
            f"{source.path} has {source.size:,} bytes; its safetensors header alone has {length:,}.",
            "The file ends before its contents do.",
            "Download or copy it again.",
        )
    header = json_text.parse(source.read(_LENGTH, length), f"The header of {source.path}")
    if not isinstance(header, PickledDict):
        raise _corrupt(source, "has a header that is no JSON object")
    count = sum(name != _METADATA for name in header)
    if count > limits.MAX_TENSORS:
        raise LimitExceeded(
            f"{source.path} has {count:,} tensors.",
            f"At most {limits.MAX_TENSORS:,} are read from one file.",
            "Split it into shards with an index.",
        )
    metadata = _metadata(source, header)
    tensors = {name: _entry(source, name, entry) for name, entry in header.pairs if name != _METADATA and isinstance(name, str)}
    data = _LENGTH + length
    places = _places(source, tensors, data)
    specs = [(name, _spec(source, name, dtype, shape)) for name, (dtype, shape, _, _) in tensors.items()]
    return Parts(
        format=Format.SAFETENSORS,
        root=PickledDict(pairs=[*specs]),
        storages={name: spec.storage for name, spec in specs},
        places=places,
        calls=(),
        classes=(),
        byteorder="little",
        stem=None,
        written_by=_written_by(metadata),
        notes=(),
        beside=metadata,
    )


_Entry = tuple[str, tuple[int, ...], int, int]
"""Element type, shape, and the first and last byte of a tensor in the data."""


def _entry(source: FileBytes, name: str, entry: object) -> _Entry:
    fields = dict(entry.pairs) if isinstance(entry, PickledDict) and all(isinstance(key, str) for key in entry) else {}
    if set(fields) != _FIELDS:
        raise _corrupt(source, f"describes {name[:80]!a} by {sorted(map(str, fields))[:5]} instead of {sorted(_FIELDS)}")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _NAMES:
        raise UnreadableFile(
            f"{name[:80]!a} of {source.path} has the element type {str(dtype)[:40]!a}.",
            f"Those that are known: {', '.join(_NAMES)}.",
            "Convert the tensor to one of them, and save it again.",
        )
    if isinstance(shape, list) and len(shape) > limits.MAX_DIMENSIONS:
        raise _corrupt(source, f"gives {name[:80]!a} {len(shape):,} dimensions; at most {limits.MAX_DIMENSIONS} are possible")
    if not isinstance(shape, list) or not isinstance(offsets, list) or not all(_count(n) for n in (*shape, *offsets)) or len(offsets) != 2:  # noqa: PLR2004
        raise _corrupt(source, f"gives {name[:80]!a} a shape or a place that is none")
    return _NAMES[dtype], tuple(shape), offsets[0], offsets[1]


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= limits.MAX_ELEMENTS


def _spec(source: FileBytes, name: str, dtype: str, shape: tuple[int, ...]) -> TensorSpec:
    steps = row_major(shape)
    elements = 1
    for size in shape:
        elements *= size
    try:
        return strided(StorageSpec(name, dtype, elements, "cpu"), 0, shape, steps)
    except ValueError as cause:
        raise _corrupt(source, f"has a tensor {name[:80]!a} that cannot be: {cause}") from cause


def _places(source: FileBytes, tensors: Mapping[str, _Entry], data: int) -> dict[str, Place]:
    end = 0
    for name, (dtype, shape, first, last) in sorted(tensors.items(), key=lambda item: (item[1][2], item[1][3])):
        nbytes = DTYPES[dtype]
        for size in shape:
            nbytes *= size
        if last - first != nbytes:
            raise _corrupt(source, f"gives {name[:80]!a} {last - first:,} bytes; its type and shape need {nbytes:,}")
        if first != end:
            raise _corrupt(source, f"has {'an overlap' if first < end else 'a gap'} in its data before {name[:80]!a}")
        end = last
    if data + end > source.size:
        raise TruncatedFile(
            f"{source.path} has {source.size:,} of {data + end:,} bytes; {data + end - source.size:,} are missing.",
            "The file ends before the tensors that its header describes.",
            "Download or copy it again.",
        )
    if data + end < source.size:
        raise _corrupt(source, f"goes on for {source.size - data - end:,} bytes after its last tensor")
    return {name: Place(source, data + first, last - first, None) for name, (_, _, first, last) in tensors.items()}


def _metadata(source: FileBytes, header: PickledDict) -> dict[str, str]:
    metadata = header.get(_METADATA)
    if metadata is None:
        return {}
    if not isinstance(metadata, PickledDict):
        raise _corrupt(source, "has metadata that are no object")
    texts = {key: value for key, value in metadata.pairs if isinstance(key, str) and isinstance(value, str)}
    if len(texts) != len(metadata):
        raise _corrupt(source, "has metadata that are not texts")
    return texts


def _written_by(metadata: Mapping[str, str]) -> str:
    framework = metadata.get("format")
    names = {"pt": "PyTorch", "tf": "TensorFlow", "flax": "Flax", "np": "NumPy", "mlx": "MLX"}
    known = names.get(framework or "")
    return f"safetensors, from {known} (metadata format: {framework})" if known else "safetensors (JSON header)"


def _corrupt(source: FileBytes, how: str) -> CorruptFile:
    return CorruptFile(
        f"The safetensors file {source.path} {how}.",
        "Every byte after the header belongs to exactly one tensor; other readers would refuse it too, or read something else.",
        "Download or save it again.",
    )
