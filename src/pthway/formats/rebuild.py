"""The inert meaning of the globals that checkpoints really hold: torch's rebuild functions, containers and scalars.

Each constructor does what the named function would do, as a description. The list is complete for files that
``torch.save`` writes of tensors and plain data; what is not on it stays an `Opaque` value.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Final

from pthway.formats import limits
from pthway.formats.pickle_machine import Constructor, describe
from pthway.formats.tensors import DTYPES, QUANTIZED, STORAGE_CLASSES, CompositeSpec, StorageSpec, StorageView, TensorSpec
from pthway.formats.values import Global, Opaque, PickledDict, PickledSet, is_sequence

Arguments = tuple[object, ...]


def storage_dtype(label: object) -> str:
    """The element type of a storage class. Raises `ValueError` for anything else."""
    if isinstance(label, Global) and label.module in ("torch", "torch.cuda", "torch.storage"):
        if label.name in STORAGE_CLASSES:
            return STORAGE_CLASSES[label.name]
        if label.module == "torch" and label.name in DTYPES:
            return label.name
    raise ValueError(f"{describe(label)} is no storage class that torch has")


def element_type(label: object) -> str:
    """The dtype that a global such as ``torch.float8_e4m3fn`` names. Raises `ValueError` for anything else."""
    if isinstance(label, Global) and label.module == "torch" and label.name in DTYPES:
        return label.name
    raise ValueError(f"{describe(label)} is no dtype that can be read")


def whole(value: object, what: str) -> int:
    """A count that is an integer and not negative. Raises `ValueError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what} is not an integer")
    if not 0 <= value <= limits.MAX_ELEMENTS:
        raise ValueError(f"{what} lies outside 0 … 2**63-1")
    return value


def _extent(value: object, what: str) -> tuple[int, ...]:
    if isinstance(value, Opaque) and value.name == "torch.Size" and len(value.arguments) == 1:
        value = value.arguments[0]
    if not is_sequence(value):
        raise ValueError(f"{what} is not a tuple")
    if len(value) > limits.MAX_DIMENSIONS:
        raise ValueError(f"{what} has {len(value)} dimensions, at most {limits.MAX_DIMENSIONS} are possible")
    for size in value:
        if type(size) is not int or not 0 <= size <= limits.MAX_ELEMENTS:
            whole(size, what)
    return tuple(value)  # type: ignore[arg-type]  # each is an integer now


def strided(storage: object, offset: object, size: object, stride: object, dtype: str | None = None) -> TensorSpec:
    """A view of *storage*, checked to lie inside it. Raises `ValueError` otherwise."""
    if isinstance(storage, StorageView):
        if storage.offset + storage.elements > storage.storage.elements:
            raise ValueError("a view reaches beyond its storage")
        inner = strided(storage.storage._replace(elements=storage.elements), offset, size, stride, dtype)
        return inner._replace(offset=inner.offset + storage.offset, storage=storage.storage)
    if not isinstance(storage, StorageSpec):
        raise ValueError("the storage is missing")
    shape, steps = _extent(size, "the shape"), _extent(stride, "the stride")
    spec = TensorSpec(dtype or storage.dtype, shape, steps, whole(offset, "the offset"), storage)
    if len(spec.shape) != len(spec.stride):
        raise ValueError(f"shape {list(spec.shape)} and stride {list(spec.stride)} differ in length")
    elements = prod(shape)
    if elements > limits.MAX_ELEMENTS:
        raise ValueError(f"shape {list(spec.shape)} has more than 2**63 elements")
    if not elements and prod(max(size, 1) for size in shape) * DTYPES[spec.dtype] > limits.MAX_ELEMENTS:
        raise ValueError(f"shape {list(spec.shape)} has more than 2**63 bytes beside its dimension of none")
    if elements:
        last = spec.offset + sum((n - 1) * step for n, step in zip(spec.shape, spec.stride, strict=True))
        if (last + 1) * DTYPES[spec.dtype] > storage.nbytes:
            raise ValueError(f"shape {list(spec.shape)} at offset {spec.offset} reaches beyond its storage of {storage.nbytes:,} bytes")
        if spec.nbytes > limits.MAX_EXPANDED_BYTES and spec.nbytes > limits.MAX_EXPANSION * storage.nbytes:
            raise ValueError(f"shape {list(spec.shape)} would expand {storage.nbytes:,} bytes to {spec.nbytes:,}")
    return spec


def _attributes(spec: TensorSpec, requires_grad: object, metadata: object) -> TensorSpec:
    flags = {key: bool(value) for key, value in metadata.pairs} if isinstance(metadata, PickledDict) else {}
    return spec._replace(
        requires_grad=requires_grad is True,
        conjugate=flags.get("conj", False),
        negative=flags.get("neg", False),
    )


def _tensor_v2(arguments: Arguments) -> TensorSpec:
    storage, offset, size, stride, requires_grad, _hooks, *rest = arguments
    return _attributes(strided(storage, offset, size, stride), requires_grad, rest[0] if rest else None)


def _tensor_v3(arguments: Arguments) -> TensorSpec:
    storage, offset, size, stride, requires_grad, _hooks, dtype, *rest = arguments
    spec = strided(storage, offset, size, stride, element_type(dtype))
    return _attributes(spec, requires_grad, rest[0] if rest else None)


def _tensor_v1(arguments: Arguments) -> TensorSpec:
    storage, offset, size, stride = arguments
    return strided(storage, offset, size, stride)


def _parameter(arguments: Arguments) -> object:
    tensor, requires_grad, *_ = arguments
    if isinstance(tensor, TensorSpec):
        return tensor._replace(parameter=True, requires_grad=requires_grad is True)
    if isinstance(tensor, CompositeSpec):
        return tensor._replace(parameter=True)
    raise ValueError("a parameter without its tensor")


def _quantized(arguments: Arguments) -> CompositeSpec:
    storage, offset, size, stride, quantizer, *_ = arguments
    codes = strided(storage, offset, size, stride)
    if codes.dtype not in QUANTIZED:
        raise ValueError(f"the codes are {codes.dtype}, which is no quantised type")
    match quantizer:
        case (Global("torch", "per_tensor_affine"), float() | int() as scale, int() as zero):
            low, high = QUANTIZED[codes.dtype]
            if not 0 < scale < float("inf") or not low <= zero <= high:
                raise ValueError(f"scale {scale!r} and zero point {zero!r} are none of a quantised tensor")
            return CompositeSpec("quantized", codes.dtype, codes.shape, (codes,), ("per_tensor", float(scale), zero))
        case (
            Global("torch", "per_channel_affine" | "per_channel_affine_float_qparams"),
            TensorSpec() as scales,
            TensorSpec() as zeros,
            axis,
        ):
            if isinstance(axis, bool) or not isinstance(axis, int) or not 0 <= axis < len(codes.shape):
                raise ValueError(f"the channels are said to be dimension {axis!r} of {list(codes.shape)}")
            if scales.shape != (codes.shape[axis],) or zeros.shape != scales.shape:
                raise ValueError(f"{list(scales.shape)} scales and {list(zeros.shape)} zero points for {codes.shape[axis]} channels")
            return CompositeSpec("quantized", codes.dtype, codes.shape, (codes, scales, zeros), ("per_channel", axis))
    raise ValueError("the quantiser is of no known scheme")


def _tensors(values: Iterable[object]) -> tuple[TensorSpec, ...]:
    found = tuple(values)
    if not all(isinstance(value, TensorSpec) for value in found):
        raise ValueError("a part is not a tensor")
    return found  # type: ignore[return-value]  # just checked


def _sparse(arguments: Arguments) -> CompositeSpec:
    """``(indices, values, size[, coalesced])``, or with compressed and plain indices in the place of the first."""
    layout, parts = arguments
    kind = layout.name if isinstance(layout, Global) else describe(layout)
    count = {"sparse_coo": 2, "sparse_csr": 3, "sparse_csc": 3, "sparse_bsr": 3, "sparse_bsc": 3}.get(kind)
    if count is None or type(parts) is not tuple or len(parts) <= count:
        raise ValueError("layout and parts do not fit")
    tensors = _tensors(parts[:count])
    return CompositeSpec(kind, tensors[-1].dtype, _extent(parts[count], "the shape"), tensors, parts[count + 1 :])


def _nested(arguments: Arguments) -> CompositeSpec:
    buffer, sizes, strides, offsets = _tensors(arguments)
    if len(sizes.shape) != 2 or strides.shape != sizes.shape or offsets.shape != sizes.shape[:1]:  # noqa: PLR2004  # rows of sizes
        raise ValueError("the tables of sizes, strides and offsets do not fit each other")
    return CompositeSpec("nested", buffer.dtype, sizes.shape[:1], (buffer, sizes, strides, offsets))


def _jagged(arguments: Arguments) -> CompositeSpec:
    (named,) = arguments
    if not isinstance(named, PickledDict):
        raise ValueError("the parts are not named")
    values, offsets = _tensors((named.get("values"), named.get("offsets")))
    plain = named.get("lengths") is None and named.get("_ragged_idx") in (1, None)
    kind = "nested_jagged" if plain else "nested_jagged_with_holes"
    return CompositeSpec(kind, values.dtype, (max(0, offsets.elements - 1),), (values, offsets))


def _meta(arguments: Arguments) -> CompositeSpec:
    dtype, size, *_ = arguments
    return CompositeSpec("meta", element_type(dtype), _extent(size, "the shape"), ())


def _subclass(arguments: Arguments) -> CompositeSpec:
    kind, dtype, size, *_ = arguments
    return CompositeSpec(describe(kind), element_type(dtype), _extent(size, "the shape"), ())


def _from_type(arguments: Arguments) -> object:
    function, _kind, inner, _state = arguments
    constructor = CONSTRUCTORS.get((function.module, function.name)) if isinstance(function, Global) else None
    if constructor not in _REBUILDERS or type(inner) is not tuple:
        raise ValueError(f"{describe(function)} is no rebuild function")
    return constructor(inner)


def _ordered_dict(kind: Global) -> Constructor:
    def constructor(arguments: Arguments) -> PickledDict:
        made = PickledDict(kind)
        for argument in arguments:
            if isinstance(argument, PickledDict):
                made.pairs.extend(argument.pairs)
            elif isinstance(argument, list):
                made.pairs.extend(_pair(entry) for entry in argument)
            elif not (isinstance(argument, Global) or argument is None):
                raise ValueError("the entries are neither pairs nor a dictionary")
        return made

    return constructor


def _pair(entry: object) -> tuple[object, object]:
    if not is_sequence(entry) or len(entry) != 2:  # noqa: PLR2004  # a pair
        raise ValueError("an entry is not a pair")
    return entry[0], entry[1]


def _set(arguments: Arguments) -> PickledSet:
    (members,) = arguments or ([],)
    if not is_sequence(members):
        raise ValueError("the members are not a list")
    return PickledSet(list(members))


def _encode(arguments: Arguments) -> bytes:
    """``_codecs.encode(text, "latin1")`` is how protocol 2 writes bytes."""
    text, *encoding = arguments
    if not isinstance(text, str) or encoding not in (["latin1"], ["latin-1"]):
        raise ValueError("not a latin-1 text")
    return text.encode("latin-1")


def _bytes(arguments: Arguments) -> bytes:
    if not arguments:
        return b""
    (content,) = arguments
    if isinstance(content, bytes):
        return content
    raise ValueError("not bytes")


def _complex(arguments: Arguments) -> complex:
    real, imaginary = arguments
    if isinstance(real, int | float) and isinstance(imaginary, int | float):
        return complex(real, imaginary)
    raise ValueError("not two numbers")


_SCALAR_FORMS: Final = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b"} | {
    "u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?",
}  # fmt: skip


def _numpy_scalar(arguments: Arguments) -> object:
    """A number of numpy's, such as a metric beside the weights."""
    dtype, content = arguments
    code = dtype.arguments[0] if isinstance(dtype, Opaque) and dtype.name == "numpy.dtype" and dtype.arguments else None
    form = _SCALAR_FORMS.get(code) if isinstance(code, str) else None
    if form is None or not isinstance(content, bytes) or len(content) != struct.calcsize("<" + form):
        return Opaque(Global("numpy.core.multiarray", "scalar"), arguments)
    state = dtype.state if isinstance(dtype, Opaque) else None
    order = ">" if type(state) is tuple and len(state) > 1 and state[1] == ">" else "<"
    value: object = struct.unpack(order + form, content)[0]
    return value


def _layout(arguments: Arguments) -> object:
    (name,) = arguments
    if not isinstance(name, str):
        raise ValueError("the layout is not named by text")
    return Global("torch", name.removeprefix("torch."))


def _first(arguments: Arguments) -> object:
    """TorchScript's pickles wrap lists and dictionaries in calls that only note their element type."""
    return arguments[0]


def _described(module: str, name: str) -> Constructor:
    label = Global(module, name)
    return lambda arguments: Opaque(label, arguments)


def _random(name: str) -> Constructor:
    """The meaning of a function that makes a random generator: it would call what it is given, which has to be numpy's own."""
    label = Global("numpy.random._pickle", name)

    def constructor(arguments: Arguments) -> Opaque:
        for argument in arguments:
            maker = argument.call if isinstance(argument, Opaque) else argument
            if not isinstance(maker, str) and not (isinstance(maker, Global) and maker.module.startswith("numpy.random.")):
                raise ValueError("it would call what is not numpy's")
        return Opaque(label, arguments)

    return constructor


_REBUILDERS: Final[tuple[Callable[[Arguments], object], ...]] = (
    _tensor_v1, _tensor_v2, _tensor_v3, _parameter, _quantized, _sparse, _nested, _jagged, _meta, _subclass,
)  # fmt: skip

_DESCRIPTIVE: Final = (
    ("argparse", "Namespace"),
    ("builtins", "object"),
    ("builtins", "range"),
    ("builtins", "xrange"),
    ("builtins", "slice"),
    ("collections", "deque"),
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
    ("pathlib", "Path"),
    ("pathlib", "PosixPath"),
    ("pathlib", "PurePath"),
    ("pathlib", "PurePosixPath"),
    ("pathlib", "PureWindowsPath"),
    ("pathlib", "WindowsPath"),
    ("torch", "Size"),
    ("torch", "device"),
    ("types", "SimpleNamespace"),
    ("uuid", "UUID"),
)
"""Calls that make plain data and have no other effect, whatever their arguments."""

CONSTRUCTORS: Final[Mapping[tuple[str, str], Constructor]] = {
    **{name: _described(*name) for name in _DESCRIPTIVE},
    ("torch._utils", "_rebuild_tensor"): _tensor_v1,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor_v2,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_v2"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._utils", "_rebuild_qtensor"): _quantized,
    ("torch._utils", "_rebuild_sparse_tensor"): _sparse,
    ("torch._utils", "_rebuild_sparse_csr_tensor"): _sparse,
    ("torch._utils", "_rebuild_nested_tensor"): _nested,
    ("torch.nested._internal.nested_tensor", "_rebuild_njt"): _jagged,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): _meta,
    ("torch._utils", "_rebuild_wrapper_subclass"): _subclass,
    ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    ("torch.tensor", "_rebuild_from_type_v2"): _from_type,
    ("torch.serialization", "_get_layout"): _layout,
    **{("torch.jit._pickle", f"build_{kind}list"): _first for kind in ("int", "tensor", "double", "bool")},
    ("torch.jit._pickle", "restore_type_tag"): _first,
    ("collections", "OrderedDict"): _ordered_dict(Global("collections", "OrderedDict")),
    ("collections", "defaultdict"): _ordered_dict(Global("collections", "defaultdict")),
    ("collections", "Counter"): _ordered_dict(Global("collections", "Counter")),
    ("builtins", "dict"): _ordered_dict(Global("builtins", "dict")),
    ("builtins", "set"): _set,
    ("builtins", "frozenset"): _set,
    ("builtins", "bytearray"): _bytes,
    ("builtins", "bytes"): _bytes,
    ("builtins", "complex"): _complex,
    ("_codecs", "encode"): _encode,
    ("numpy.core.multiarray", "scalar"): _numpy_scalar,
    **{("numpy.random._pickle", f"__{kind}_ctor"): _random(f"__{kind}_ctor") for kind in ("bit_generator", "generator", "randomstate")},
}
"""Global → what its call means here."""


_LABELS: Final = frozenset((
    "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", "torch._tensor.Tensor",
    "torch.strided", "torch.sparse_coo", "torch.sparse_csr", "torch.sparse_csc", "torch.sparse_bsr", "torch.sparse_bsc", "torch.jagged",
    "torch.contiguous_format", "torch.preserve_format", "torch.channels_last", "torch.channels_last_3d",
    "torch.per_tensor_affine", "torch.per_tensor_symmetric", "torch.per_channel_affine", "torch.per_channel_symmetric",
    "torch.per_channel_affine_float_qparams", "torch.storage._load_from_bytes", "numpy.ndarray",
    *(f"builtins.{name}" for name in ("int", "float", "str", "bool", "list", "tuple", "dict", "set", "bytes", "complex", "object")),
))  # fmt: skip
"""Classes and constants that stand in checkpoints as such, and are not called."""


_OF_NUMPY: Final = frozenset(
    ("numpy.dtypes", *(f"numpy.random.{name}" for name in ("_mt19937", "_pcg64", "_philox", "_sfc64", "bit_generator")))
)
"""Modules of numpy's classes for types and random states."""


def is_structural(named: Global) -> bool:
    """Whether a global is one that weights and plain data are written with."""
    try:
        known = (named.module, named.name) in CONSTRUCTORS or str(named) in _LABELS or named.module in _OF_NUMPY
        return known or bool(storage_dtype(named))
    except ValueError:
        return False


def storages(folder: str = "") -> tuple[dict[str, StorageSpec], Callable[[object], StorageSpec]]:
    """A table of storages that fills as persistent ids of the zip form are met, and the function that reads them.

    The id is ``("storage", class, key, location, elements)``; `ValueError` says what is wrong with any other. *folder* is
    put before each key, where a file has several folders of storages.
    """
    table: dict[str, StorageSpec] = {}

    def persistent(identifier: object) -> StorageSpec:
        if type(identifier) is not tuple or len(identifier) < 5 or identifier[0] != "storage":  # noqa: PLR2004
            raise ValueError("it is no tuple that begins with 'storage'")
        _, kind, key, location, elements = identifier[:5]
        key = str(key) if isinstance(key, int) else key
        if not isinstance(key, str) or not isinstance(location, str):
            raise ValueError("key and location are not text")
        key = folder + key
        spec = StorageSpec(key, storage_dtype(kind), whole(elements, "the number of elements"), location)
        known = table.setdefault(key, spec)
        if known.nbytes != spec.nbytes:
            raise ValueError(f"storage {key} is said to have {known.nbytes:,} and {spec.nbytes:,} bytes")
        return spec

    return table, persistent


def of_one_type(persistent: Callable[[object], StorageSpec], table: Mapping[str, StorageSpec]) -> Callable[[object], StorageSpec]:
    """*persistent*, which fills *table*, where a storage has one type: torch would give a second type the numbers of the first."""

    def checked(identifier: object) -> StorageSpec:
        spec = persistent(identifier)
        if table[spec.key].dtype != spec.dtype:
            raise ValueError(f"storage {spec.key} is said to hold {table[spec.key].dtype} and {spec.dtype}")
        return spec

    return checked
