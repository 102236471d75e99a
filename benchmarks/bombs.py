"""The worst input that each limit of the reader admits: name → its bytes. Each is a file that is as cheap to make as it can be.

python benchmarks/bombs.py NAME FILE
"""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from struct import pack

from pthway.formats import limits

MIB = limits.MIB
TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ"
    b"K\0K\x01\x85K\x01\x85\x89}tR"
)
"""The opcodes of a tensor of one number."""


def text(value: str) -> bytes:
    """The opcode of a text."""
    raw = value.encode()
    return b"X" + pack("<I", len(raw)) + raw


def zipped(*opcodes: bytes) -> bytes:
    """A torch zip whose pickle consists of *opcodes* and leaves one value."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"".join(opcodes) + b".")
        archive.writestr("archive/data/0", bytes(4))
        archive.writestr("archive/version", b"3\n")
    return stream.getvalue()


def headed(header: bytes, data: bytes = b"") -> bytes:
    """A safetensors file."""
    return len(header).to_bytes(8, "little") + header + data


def directory(count: int, name: Callable[[int], bytes], extra: bytes = b"") -> bytes:
    """A zip of *count* empty records."""
    body, central = bytearray(), bytearray()
    for number in range(count):
        called = name(number)
        fields = pack("<HHHHHLLLHH", 20, 0x0800, 0, 0, 33, 0, 0, 0, len(called), 0)
        central += b"PK\x01\x02\x14\0" + fields[:-2] + pack("<HHHHLL", len(extra), 0, 0, 0, 0, len(body)) + called + extra
        body += b"PK\x03\x04" + fields + called
    ends = pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(central), len(body))
    ends += pack("<4sLQL", b"PK\x06\x07", 0, len(body) + len(central), 1)
    end = pack("<4s4H2LH", b"PK\x05\x06", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), len(central), len(body), 0)
    return bytes(body + central + ends + end)


def shared_list(levels: int) -> bytes:
    """A list of a thousand references to a list of a thousand references, and so on."""
    made = b"](" + b"N" * 1000 + b"eq\0"
    for _ in range(levels):
        made += b"0](" + b"h\0" * 1000 + b"eq\0"
    return made


def module(children: bytes) -> bytes:
    """A module with parts and one parameter."""
    groups = text("_parameters") + b"}" + text("w") + TENSOR + b"s" + text("_buffers") + b"}" + text("_modules") + b"}(" + children + b"u"
    return b"csome\nModule\n)\x81}(" + groups + b"ub"


def shared_modules(depth: int) -> bytes:
    """A tree of modules whose two parts are the same module, to a depth: 2**depth leaves."""
    made = module(b"")
    for _ in range(depth):
        made += b"q\1" + b"0" + module(text("a") + b"h\1" + text("b") + b"h\1")
    return made


def doubled() -> bytes:
    """Dictionaries made of two of the one before."""
    return b"}(" + b"K\1K\2" * 50 + b"uq\0" + b"0ccollections\nOrderedDict\nq\1(h\0h\0tRq\0" * 40


BOMBS: dict[str, Callable[[], bytes]] = {
    "opcodes": lambda: zipped(b"N0" * (limits.MAX_OPCODES // 2 - 3), b"N"),
    "memo": lambda: zipped(b"N", *(b"r" + pack("<I", number) for number in range(limits.MAX_MEMO))),
    "lists": lambda: zipped(b"](", b"]" * (limits.MAX_CONTAINERS - 1), b"e"),
    "dictionaries": lambda: zipped(b"](", b"}" * (limits.MAX_CONTAINERS - 1), b"e"),
    "dictionaries under names": lambda: zipped(b"}(", *(b"M" + pack("<H", n % 65536) + b"}K\1K\2s" for n in range(532_000)), b"u"),
    "integers": lambda: zipped(b"](", b"J\xff\xff\xff\x7f" * (limits.MAX_OPCODES - 6), b"e"),
    "long integers": lambda: zipped(b"](", (b"\x8b\0\4\0\0" + b"\x7f" * 1024) * (limits.MAX_PICKLE_BYTES // 1029 - 1), b"e"),
    "decimals": lambda: zipped(b"](", (b"L" + b"9" * 1023 + b"L\n") * (limits.MAX_PICKLE_BYTES // 1026 - 1), b"e"),
    "one text": lambda: zipped(b"X" + pack("<I", limits.MAX_PICKLE_BYTES - 20), b"a" * (limits.MAX_PICKLE_BYTES - 20)),
    "one wide text": lambda: zipped(text("\U0001f600" + "a" * (limits.MAX_WIDE_TEXT - 4))),
    "short texts": lambda: zipped(b"](", b"U\x02ab" * (limits.MAX_CONTAINERS - 1), b"e"),
    "calls": lambda: zipped(b"](", b"cos\nsystem\nq\0", (text("\x01" * 60) + b"q\1"), b"h\0h\1h\1h\1\x87R" * (limits.MAX_CALLS - 1), b"e"),
    "classes": lambda: zipped(b"](", *(b"csome\n" + b"a" * 4000 + b"%d\n)\x81" % number for number in range(limits.MAX_GLOBALS)), b"e"),
    "nested calls": lambda: zipped(b"N", b")R" * (limits.MAX_CALLS - 1)),
    "nested lists": lambda: zipped(b"](" * limits.MAX_MARKS, b"e" * limits.MAX_MARKS),
    "nested dictionaries": lambda: zipped(b"}" + b"K\1}" * 500_000, b"s" * 500_000),
    "shared list": lambda: zipped(shared_list(8)),
    "one list everywhere": lambda: zipped(b"]q\0(", b"N" * 1000, b"e0}(", *(b"J" + pack("<i", n) + b"h\0" for n in range(1_500_000)), b"u"),
    "one state everywhere": lambda: zipped(
        b"}q\0(", *(b"J" + pack("<i", n) + b"N" for n in range(200_000)), b"u0csome\nThing\nq\x010](", b"h\1)\x81h\0b" * 850_000, b"e"
    ),
    "shared modules": lambda: zipped(shared_modules(100)),
    "doubled dictionaries": lambda: zipped(doubled()),
    "one set made again": lambda: zipped(b"c__builtin__\nset\nq\0](", b"N" * 1_000_000, b"e\x85q\1(", b"h\0h\1R" * 100_000, b"t"),
    "one text encoded again": lambda: zipped(
        b"c_codecs\nencode\nq\0(X", pack("<I", 50 * MIB), b"a" * (50 * MIB), text("latin1"), b"tq\1(", b"h\0h\1R" * 1000, b"t"
    ),
    "wrappers of wrappers": lambda: zipped(
        b"}(", *(text("module." * 140 + str(number)) + (TENSOR + b"q\0" if number == 0 else b"h\0") for number in range(100_000)), b"u"
    ),
    "state dicts": lambda: zipped(TENSOR, b"q\x000](", (b"}" + text("a") + b"h\0s") * (limits.MAX_CONTAINERS // 3 - 10), b"e"),
    "state dicts under names": lambda: zipped(
        TENSOR, b"q\x000}(", *(text(f"m{number}") + b"}" + text("a") + b"h\0s" for number in range(limits.MAX_STATE_DICTS)), b"u"
    ),
    "long names": lambda: zipped(TENSOR, b"q\x000}(", *(text("a" * 1000 + str(number)) + b"h\0" for number in range(200_000)), b"u"),
    "records": lambda: directory(limits.MAX_RECORDS, lambda number: b"archive/data/%d" % number),
    "records with wide names": lambda: directory(
        limits.MAX_WIDE_TEXT // limits.MAX_RECORD_NAME, lambda number: b"archive/data/%06d" % number + "\U0001f600".encode() + b"a" * 4000
    ),
    "records with extra fields": lambda: directory(
        limits.MAX_RECORDS, lambda number: b"archive/data/%d" % number, b"\x99\x99\0\0" * limits.MAX_EXTRA_FIELDS
    ),
    "safetensors: spaces": lambda: headed(b"{}" + b" " * (limits.MAX_HEADER_BYTES - 2)),
    "safetensors: numbers": lambda: headed(b'{"a":[' + b"0.5," * (limits.MAX_JSON_VALUES - 1) + b"1]}"),
    "safetensors: texts": lambda: headed(b'{"a":[' + b'"abcdefghijklmnopqrstuvwxyz0123456789",' * (limits.MAX_JSON_VALUES - 1) + b"1]}"),
    "safetensors: objects": lambda: headed(b'{"a":[' + b'{"a":1},' * (limits.MAX_JSON_CONTAINERS - 2) + b"1]}"),
    "safetensors: one text": lambda: headed(b'{"__metadata__":{"a":"' + b"a" * (limits.MAX_HEADER_BYTES - 40) + b'"}}'),
    "safetensors: a wide text": lambda: headed(
        b'{"__metadata__":{"a":"' + "\U0001f600".encode() + b"a" * (limits.MAX_WIDE_TEXT - 40) + b'"}}'
    ),
    "safetensors: dimensions": lambda: headed(
        b'{"a":{"dtype":"U8","shape":[' + b"9223372036854775807," * 1_000_000 + b'1],"data_offsets":[0,1]}}'
    ),
    "safetensors: tensors": lambda: headed(
        json.dumps({f"layer.{n}.weight": {"dtype": "U8", "shape": [1], "data_offsets": [n, n + 1]} for n in range(300_000)}).encode(),
        bytes(300_000),
    ),
    "legacy: storages": lambda: legacy(250_000),
}


def legacy(count: int) -> bytes:
    """A legacy stream of many storages of one byte."""
    saved = (
        b"\x80\x02]("
        + b"".join(b"(X\x07\0\0\0storagectorch\nByteStorage\n" + text(str(n)) + b"X\x03\0\0\0cpuK\x01NtQ" for n in range(count))
        + b"e."
    )
    keys = b"\x80\x02](" + b"".join(text(str(number)) for number in range(count)) + b"e."
    return (
        bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + b"\x80\x02M\xe9\x03.\x80\x02}." + saved + keys + (pack("<q", 1) + b"\0") * count
    )


if __name__ == "__main__":
    name, file = sys.argv[1:]
    Path(file).write_bytes(BOMBS[name]())
