"""Rows 59 to 77: tensors that cannot be, that are more than their file, or that are more than strides and numbers."""

import io
import struct
from collections.abc import Mapping
from typing import Any

import torch

from pthway import errors
from tests.corpus.build import (
    FALSE,
    FLOATS,
    NONE,
    TRUE,
    call,
    label,
    legacy,
    mapping,
    number,
    old_storage,
    program,
    sequence,
    state,
    storage,
    tensor,
    text,
    torch_zip,
)
from tests.corpus.entry import Content, Entry, Read, Refused, file

BOTH = {"0": FLOATS, "1": FLOATS}


def broken(what: str) -> Refused:
    return Refused(errors.CorruptFile, what)


def of(value: bytes, storages: Mapping[str, bytes] | None = None) -> Content:
    """A torch zip whose state dict is one tensor."""
    return torch_zip(program(mapping(("w", value))), storages)


def saved(value: Any) -> Content:
    """What torch writes."""
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def aliases(_folder: object) -> bytes:
    """50,000 names of one storage."""
    first = tensor(of=storage() + b"q\x01")
    again = tensor(of=b"h\x01")
    return torch_zip(program(mapping(*((f"w{index}", again if index else first) for index in range(50_000)))))


def old_view(offset: int) -> Content:
    """A legacy stream whose tensor is two elements of its four, saved as a storage of their own."""
    view = sequence(text("1"), number(offset), number(2))
    return legacy(program(mapping(("w", tensor((2,), of=old_storage(view))))))


def state_dicts(_folder: object) -> bytes:
    """10,000 dictionaries of one tensor and one text, which could each be the weights."""
    first = mapping(("w", tensor() + b"q\x01"), ("note", NONE))
    again = mapping(("w", b"h\x01"), ("note", NONE))
    return torch_zip(program(mapping(*((f"net{index}", again if index else first) for index in range(10_000)))))


def numbers(*values: float) -> Content:
    return of(tensor(), {"0": struct.pack("<4f", *values)})


def sparse(indices: list[list[int]], size: tuple[int, ...] = (4, 4), layout: str = "torch.sparse_coo") -> Content:
    """Values 1 and 2 at these places."""
    count = len(indices[0])
    flat = struct.pack(f"<{2 * count}q", *indices[0], *indices[1])
    places = tensor((2, count), (count, 1), of=storage(text("1"), number(2 * count), label("torch.LongStorage")))
    values = tensor((count,), of=storage(elements=number(count)))
    parts = sequence(places, values, sequence(*map(number, size)), FALSE)
    return of(call("torch._utils._rebuild_sparse_tensor", label(layout), parts), {"0": FLOATS[: 4 * count], "1": flat})


def quantized(quantizer: bytes) -> Content:
    codes = storage(elements=number(4), kind=label("torch.QInt8Storage"))
    made = call("torch._utils._rebuild_qtensor", codes, number(0), sequence(number(2), number(2)), sequence(number(2), number(1)),
        quantizer,
        FALSE, call("collections.OrderedDict"))  # fmt: skip
    return of(made, {"0": b"\1\2\3\4", "1": struct.pack("<2d", 0.5, 0.25), "2": struct.pack("<2q", 0, 1)})


def channels(axis: int, length: int = 2) -> bytes:
    scales = tensor((length,), of=storage(text("1"), number(2), label("torch.DoubleStorage")))
    points = tensor((length,), of=storage(text("2"), number(2), label("torch.LongStorage")))
    return sequence(label("torch.per_channel_affine"), scales, points, number(axis))


def per_tensor(scale: float, point: int) -> bytes:
    return sequence(label("torch.per_tensor_affine"), b"G" + struct.pack(">d", scale), number(point))


def flags(**said: bytes) -> bytes:
    return call("torch._utils._rebuild_tensor_v2", storage(), number(0), sequence(number(4)), sequence(number(1)), FALSE,
        call("collections.OrderedDict"), mapping(*said.items()))  # fmt: skip


NEVER = Refused(errors.UnreadableFile, "", late=True)
NAN, INF = float("nan"), float("inf")

SHAPES: tuple[tuple[str, int, bytes, str], ...] = (
    ("beyond its storage", 63, tensor((5,)), "beyond its storage"),
    ("offset beyond its storage", 63, tensor(offset=number(1)), "beyond its storage"),
    ("strides beyond its storage", 63, tensor((2, 2), (3, 2)), "beyond its storage"),
    ("extent of more than 64 bits", 63, tensor((2**40, 2), (2**40, 2**62)), "beyond its storage"),
    ("offset of 2**63-1", 63, tensor(offset=number(2**63 - 1)), "beyond its storage"),
    ("negative stride", 64, tensor(stride=(-1,)), "outside 0"),
    ("negative size", 64, tensor((-4,)), "outside 0"),
    ("negative offset", 64, tensor(offset=number(-1)), "outside 0"),
    ("boolean offset", 60, tensor(offset=TRUE), "not an integer"),
    ("fractional offset", 60, tensor(offset=b"G" + struct.pack(">d", 1.0)), "not an integer"),
    ("count of 2**63", 60, tensor(of=storage(elements=number(2**63))), "outside 0"),
    ("negative count", 60, tensor(of=storage(elements=number(-4))), "outside 0"),
    ("fractional count", 60, tensor(of=storage(elements=b"G" + struct.pack(">d", 4.0))), "not an integer"),
    ("boolean count", 60, tensor(of=storage(elements=TRUE)), "not an integer"),
    ("count that is too small", 60, tensor((2,), of=storage(elements=number(2))), "16 bytes; its tensors need 8"),
    ("count that is too large", 60, tensor(of=storage(elements=number(400))), "16 bytes; its tensors need 1,600"),
    ("key upwards", 62, tensor(of=storage(text("../../etc"))), r"lacks the record data/\.\./\.\./etc"),
    ("key of the pickle", 62, tensor(of=storage(text("../data.pkl"))), "lacks the record"),
    ("key of a MiB", 62, tensor(of=storage(text("0" * 2**20))), "lacks the record"),
    ("key with a terminal escape", 62, tensor(of=storage(text("\x1b[2J"))), r"lacks the record data/\\x1b\[2J"),
    ("key that is empty", 62, tensor(of=storage(text(""))), "lacks the record"),
    ("key that is a number elsewhere", 62, tensor(of=storage(number(7))), "lacks the record data/7"),
    ("key that is a list", 62, tensor(of=storage(b"]")), "not text"),
    ("expanded to 8 TB", 65, tensor((2**31 - 1, 1024), (0, 0)), "would expand 16 bytes"),
    ("expanded to 2**63 bytes", 65, tensor((2**61,), (0,)), "would expand|2\\*\\*63"),
    ("65 dimensions", 66, tensor((1,) * 65, (1,) * 65), "65 dimensions"),
    ("10,000 dimensions", 66, tensor((1,) * 10_000, (1,) * 10_000), "10000 dimensions"),
    ("2**500 elements", 66, tensor((2**500,)), "outside 0"),
    ("2**100 elements", 66, tensor((2**50, 2**50), (0, 0)), "more than 2\\*\\*63 elements"),
    ("shape and stride of two lengths", 66, tensor((2, 2)), "differ in length"),
    ("shape that is a number", 66, tensor(extent=number(4)), "not a tuple"),
    ("no storage", 59, tensor(of=NONE), "the storage is missing"),
)  # fmt: skip

TWO_TYPES = mapping(("w", tensor()), ("i", tensor(of=storage(kind=label("torch.IntStorage")))))
TWO_SIZES = mapping(("w", tensor()), ("d", tensor(of=storage(kind=label("torch.DoubleStorage")))))

ENTRIES = (
    *(Entry(f"tensor: {name}", row, file(of(value)), broken(words)) for name, row, value, words in SHAPES),
    Entry("storage absent", 59, file(of(tensor(), {})), broken("lacks the record data/0, 16 bytes")),
    Entry("storage short", 60, file(of(tensor(), {"0": FLOATS[:-4]})), broken("12 bytes; its tensors need 16")),
    Entry("storage long", 60, file(of(tensor(), {"0": FLOATS * 2})), broken("32 bytes; its tensors need 16")),
    Entry("legacy: storage of 2**38 elements", 60, file(legacy(program(mapping(("w", tensor(of=old_storage())))), count=2**38)),
        broken("said to have 274,877,906,944 elements")),
    Entry("legacy: view beyond its storage", 63, file(old_view(3)), broken("beyond its storage")),
    Entry("legacy: view in its storage", None, file(old_view(2)), Read(1)),
    Entry("one storage, two types", 61, file(torch_zip(program(TWO_TYPES))), broken("said to hold float32 and int32")),
    Entry("one storage, two sizes", 61, file(torch_zip(program(TWO_SIZES))), broken("16 and 32 bytes")),
    Entry("expanded within bounds", 65, file(of(tensor((1000, 4), (0, 1)))), Read(1)),
    Entry("50,000 names of one storage", 67, file(aliases), Read(50_000), heavy=True),
    Entry("10,000 state dicts", 67, file(state_dicts), Read(10_000), heavy=True),
    Entry("views that overlap", 68, file(torch_zip(program(mapping(("a", tensor((3,))), ("b", tensor((3,), offset=number(1))))))), Read(2)),
    Entry("storage of nothing", 69, file(torch_zip(state(), BOTH)), Read(1, says=r"1 records of data \(16 bytes\) belong to no tensor")),
    Entry("NaN", 70, file(numbers(NAN, 1, 2, 3)), Read(1)),
    Entry("infinity", 70, file(numbers(INF, -INF, 2, 3)), Read(1)),
    Entry("denormal", 70, file(numbers(1e-45, -1e-45, 0, 0)), Read(1)),
    Entry("all zero", 70, file(numbers(0, 0, 0, 0)), Read(1)),
    Entry("constant", 70, file(numbers(7, 7, 7, 7)), Read(1)),
    Entry("sparse index outside", 71, file(sparse([[0, 9], [1, 2]])), NEVER),
    Entry("sparse index negative", 71, file(sparse([[0, -1], [1, 2]])), NEVER),
    Entry("sparse of three dimensions by two", 71, file(sparse([[0, 1], [1, 2]], (4, 4, 4))), NEVER),
    Entry("sparse of a layout that is none", 71, file(sparse([[0, 1], [1, 2]], layout="os.system")), NEVER),
    Entry("quantised along an axis it lacks", 72, file(quantized(channels(7))), NEVER),
    Entry("quantised along a negative axis", 72, file(quantized(channels(-1))), NEVER),
    Entry("quantised with too few scales", 72, file(quantized(channels(0, 1))), NEVER),
    Entry("quantised with the scale 0", 72, file(quantized(per_tensor(0.0, 0))), NEVER),
    Entry("quantised with the scale NaN", 72, file(quantized(per_tensor(NAN, 0))), NEVER),
    Entry("quantised with the zero point 900", 72, file(quantized(per_tensor(0.5, 900))), NEVER),
    Entry("quantised by no tuple", 72, file(quantized(NONE)), broken("the quantiser is")),
    Entry("meta", 73, file(saved({"w": torch.empty(3, device="meta")})), Refused(errors.UnreadableFile, "meta", late=True)),
    Entry("subclass without numbers", 74, file(of(call("torch._utils._rebuild_wrapper_subclass", label("shop.Tensor"),
        label("torch.float32"),
        sequence(number(4)), sequence(number(1)), number(0), label("torch.strided"), call("torch.device", text("cpu")), FALSE))),
        Refused(errors.UnreadableFile, r"shop\.Tensor", late=True)),
    Entry("conjugate", 75, file(saved({"w": torch.tensor([1 + 2j, 3 - 4j]).conj()})), Read(1)),
    Entry("negative", 75, file(saved({"w": torch.tensor([1 + 2j, 3 - 4j]).conj().imag})), Read(1)),
    Entry("negative by hand", 75, file(of(flags(neg=TRUE))), Read(1)),
    Entry("booleans that are none", 76, file(of(tensor((16,), of=storage(elements=number(16), kind=label("torch.BoolStorage"))),
        {"0": bytes(range(16))})), Refused(errors.CorruptFile, "bytes other than 0 and 1", late=True)),
    Entry("complex32", 77, file(saved({"w": torch.zeros(2, dtype=torch.complex32)})), Refused(errors.UnreadableFile, "complex32",
        late=True)),
    Entry("float4", 77, file(saved({"w": torch.zeros(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)})),
        Refused(errors.UnreadableFile, "float4", late=True)),
    Entry("uint64", 77, file(saved({"w": torch.tensor([2**64 - 1], dtype=torch.uint64)})), Read(1)),
    Entry("dtype of no torch", 77, file(of(call("torch._utils._rebuild_tensor_v3", storage(kind=label("torch.storage.UntypedStorage"),
        elements=number(16)), number(0), sequence(number(4)), sequence(number(1)), FALSE, NONE, label("torch.float3")))),
        broken("no dtype that can be read")),
)  # fmt: skip
