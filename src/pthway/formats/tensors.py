"""Tensors as a file describes them: type, shape and place, without a byte of their data."""

from collections.abc import Mapping
from math import prod
from typing import Final, NamedTuple

DTYPES: Final[Mapping[str, int]] = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "complex32": 4,
    "complex64": 8,
    "complex128": 16,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "float4_e2m1fn_x2": 1,
    "bits8": 1,
    "bits16": 2,
    "bits1x8": 1,
    "bits2x4": 1,
    "bits4x2": 1,
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
    "quint4x2": 1,
    "quint2x4": 1,
}
"""torch's element types by their short names, with their size in bytes."""

QUANTIZED: Final[Mapping[str, tuple[int, int]]] = {
    "qint8": (-(2**7), 2**7 - 1),
    "quint8": (0, 2**8 - 1),
    "qint32": (-(2**31), 2**31 - 1),
    "quint4x2": (0, 2**4 - 1),
    "quint2x4": (0, 2**2 - 1),
}
"""Type of the codes of a quantised tensor → the smallest and the largest code."""

STORAGE_CLASSES: Final[Mapping[str, str]] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "uint8",
    "_UntypedStorage": "uint8",
}
"""torch's storage classes, in ``torch``, ``torch.cuda`` or ``torch.storage``, with the element type each stands for."""


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of a tensor whose elements follow each other."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    return tuple(reversed(steps))


class StorageSpec(NamedTuple):
    """A block of bytes in the file that tensors are views of."""

    key: str
    """Its name in the file."""
    dtype: str
    """The element type it was saved as; ``uint8`` for untyped storage."""
    elements: int
    device: str
    """Where it was when it was saved, such as ``cuda:3``. It is always read to the CPU."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.elements * DTYPES[self.dtype]


class StorageView(NamedTuple):
    """A part of a storage; torch up to 0.3 saved such parts as storages of their own."""

    storage: StorageSpec
    offset: int
    """First element of the part."""
    elements: int


class TensorSpec(NamedTuple):
    """A tensor in a file: a strided view of a storage."""

    dtype: str
    """torch's short name, such as ``float32``."""
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    """In elements."""
    offset: int
    """First element, counted in elements of *dtype* from the beginning of the storage."""
    storage: StorageSpec
    requires_grad: bool = False
    parameter: bool = False
    """Saved as ``torch.nn.Parameter``."""
    conjugate: bool = False
    """The stored numbers are the complex conjugates of the tensor's."""
    negative: bool = False
    """The stored numbers are the negatives of the tensor's."""

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor itself, however much of its storage it uses."""
        return self.elements * DTYPES[self.dtype]

    @property
    def steps(self) -> tuple[int, ...]:
        """Strides in bytes; 0 in a dimension of one element, whose stride means nothing and may be any number."""
        width = DTYPES[self.dtype]
        return tuple(step * width if size > 1 else 0 for size, step in zip(self.shape, self.stride, strict=True))

    @property
    def contiguous(self) -> bool:
        """Whether the elements follow each other in row-major order."""
        expected = 1
        for size, step in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size != 1 and step != expected:
                return self.elements == 0
            expected *= size
        return True


class CompositeSpec(NamedTuple):
    """A tensor that is made of other tensors, or that has no data: sparse, quantised, nested, meta or of a subclass."""

    kind: str
    """``sparse_coo``, ``sparse_csr``, ``quantized``, ``nested``, ``meta``, or the subclass by name."""
    dtype: str
    shape: tuple[int, ...]
    """That of the tensor; of a nested one, the number of its tensors."""
    parts: tuple[TensorSpec, ...]
    """Sparse: indices, then values. Quantised: codes, and with a scale for each channel the scales and zero points. Nested: the
    buffer, and the sizes, strides and offsets of its tensors."""
    settings: tuple[object, ...] = ()
    """Quantised: ``("per_tensor", scale, zero point)`` or ``("per_channel", axis)``."""
    parameter: bool = False

    @property
    def elements(self) -> int:
        """Number of elements of the tensor that the parts stand for."""
        return self.parts[0].elements if self.kind.startswith("nested") else prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the parts."""
        return sum(part.nbytes for part in self.parts)


AnyTensor = TensorSpec | CompositeSpec


def parts_of(spec: AnyTensor) -> tuple[TensorSpec, ...]:
    """The strided tensors that hold the data of *spec*: itself, or what it is made of."""
    return (spec,) if isinstance(spec, TensorSpec) else spec.parts
