"""Bytes of files, put together by hand: pickles opcode by opcode, archives field by field, so that any of it can be wrong."""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FLOATS = struct.pack("<4f", 1, 2, 3, 4)
FALSE, TRUE, NONE, EMPTY = b"\x89", b"\x88", b"N", b")"


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw if len(raw) < 256 else b"\x8b" + struct.pack("<i", len(raw)) + raw


def sequence(*values: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(values) + b"t"


def mapping(*pairs: tuple[bytes, bytes] | tuple[str, bytes]) -> bytes:
    """A dictionary."""
    flat = [(text(key) if isinstance(key, str) else key) + value for key, value in pairs]
    return b"}(" + b"".join(flat) + b"u"


def label(name: str) -> bytes:
    """A global, given as ``module.name``."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def call(name: str, *arguments: bytes) -> bytes:
    return label(name) + sequence(*arguments) + b"R"


def storage(key: bytes | None = None, elements: bytes | None = None, kind: bytes | None = None, device: bytes | None = None) -> bytes:
    """The persistent id of four floats, any part of it replaced."""
    identifier = sequence(
        text("storage"), kind or label("torch.FloatStorage"), key or text("0"), device or text("cpu"), elements or number(4)
    )
    return identifier + b"Q"


def tensor(
    size: Sequence[int] = (4,),
    stride: Sequence[int] = (1,),
    offset: bytes | None = None,
    of: bytes | None = None,
    extent: bytes | None = None,
) -> bytes:
    """A view of a storage; *extent* is the shape as bytes, where it is no tuple of integers."""
    shape = extent if extent is not None else sequence(*map(number, size))
    steps = sequence(*map(number, stride))
    place = offset or number(0)
    return call("torch._utils._rebuild_tensor_v2", of or storage(), place, shape, steps, FALSE, call("collections.OrderedDict"))


def program(value: bytes) -> bytes:
    """A pickle of protocol 2."""
    return b"\x80\x02" + value + b"."


def state(*pairs: tuple[bytes, bytes] | tuple[str, bytes]) -> bytes:
    """The pickle of a state dict of one honest tensor ``w``, and of what else is given."""
    return program(mapping(("w", tensor()), *pairs))


def mark(folder: Path, how: str = "os.mkdir") -> bytes:
    """A call that leaves a mark when it is made."""
    return call(how, text(str(folder / "mark")))


class Member(NamedTuple):
    """One file of an archive. *local* and *central* replace fields of its two headers."""

    name: str | bytes
    content: bytes
    local: Mapping[str, Any] = {}
    central: Mapping[str, Any] = {}
    deflated: bool = False
    before: bytes = b""
    """Bytes that stand before its header."""


def archive(members: Iterable[Member], end: Mapping[str, Any] | None = None, end64: Mapping[str, int] | None = None) -> bytes:
    """A zip after PKWARE's APPNOTE. *end* replaces fields of its end, which has a 64-bit part when *end64* is given."""
    body, directory, count = b"", b"", 0
    for member in members:
        count += 1
        name = member.name if isinstance(member.name, bytes) else member.name.encode()
        packed = _deflate(member.content) if member.deflated else member.content
        body += member.before
        said = {
            "name": name, "flags": 0x800, "method": 8 * member.deflated, "crc": zlib.crc32(member.content), "packed": len(packed),
            "size": len(member.content), "extra": b"", "disk": 0, "header": len(body),
        }  # fmt: skip
        body += _local(said | member.local) + packed
        directory += _central(said | member.central)
    told = {
        "disk": 0, "first": 0, "here": count, "count": count, "size": len(directory), "offset": len(body), "comment": b"", "after": b"",
        "between": b"",
    } | dict(end or {})  # fmt: skip
    tail = b""
    if end64 is not None:
        wide = {"disk": 0, "first": 0, "here": count, "count": count, "size": len(directory), "offset": len(body)} | dict(end64)
        at = wide.pop("at", len(body) + len(directory))
        disks = wide.pop("disks", 1)
        tail += struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, *wide.values())
        tail += struct.pack("<4sLQL", b"PK\x06\x07", 0, at, disks)
    comment = told["comment"]
    tail += struct.pack(
        "<4s4H2LH", b"PK\x05\x06", told["disk"], told["first"], told["here"], told["count"], told["size"], told["offset"], len(comment)
    )
    return body + told["between"] + directory + tail + comment + told["after"]


def _deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(content) + packer.flush()


def _local(said: Mapping[str, Any]) -> bytes:
    head = struct.pack(
        "<4s5H3L2H", b"PK\x03\x04", 20, said["flags"], said["method"], 0, 0, said["crc"], said["packed"], said["size"],
        len(said["name"]), len(said["extra"]),
    )  # fmt: skip
    return head + said["name"] + said["extra"]


def _central(said: Mapping[str, Any]) -> bytes:
    head = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, said["flags"], said["method"], 0, 0, said["crc"], said["packed"], said["size"],
        len(said["name"]), len(said["extra"]), 0, said["disk"], 0, 0, said["header"],
    )  # fmt: skip
    return head + said["name"] + said["extra"]


def members(pickle: bytes, storages: Mapping[str, bytes] | None = None, root: str = "archive", **other: bytes | None) -> list[Member]:
    """The records of a torch zip; *other* adds some, replaces those that are always there, or leaves them out (None)."""
    named = {"data.pkl": pickle, "byteorder": b"little"}
    named |= {f"data/{key}": content for key, content in ({"0": FLOATS} if storages is None else storages).items()}
    named |= {"version": b"3\n"}
    changed: dict[str, bytes | None] = {**named, **other}
    return [Member(f"{root}/{name}", content) for name, content in changed.items() if content is not None]


def torch_zip(pickle: bytes, storages: Mapping[str, bytes] | None = None, root: str = "archive", **other: bytes | None) -> bytes:
    """A torch zip, as `members` describes it."""
    return archive(members(pickle, storages, root, **other))


def changed(of: Iterable[Member], record: str, **fields: Any) -> list[Member]:
    """The members with fields of one of them replaced."""
    return [member._replace(**fields) if str(member.name).endswith(record) else member for member in of]


LEGACY_HEAD = (
    bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + program(number(1001)) + program(mapping(("protocol_version", number(1001)),
    ("little_endian", TRUE), ("type_sizes", mapping(("short", number(2)), ("int", number(4)), ("long", number(4))))))
)  # fmt: skip


def legacy(pickle: bytes, storages: Mapping[str, bytes] | None = None, count: int = 4, head: bytes = LEGACY_HEAD) -> bytes:
    """A legacy stream of storages of floats. The ids of its storages need a sixth part: see `old_storage`."""
    held = {"0": FLOATS} if storages is None else storages
    keys = program(b"](" + b"".join(text(key) for key in held) + b"e")
    return head + pickle + keys + b"".join(struct.pack("<q", count) + content for content in held.values())


def old_storage(view: bytes = NONE, key: str = "0") -> bytes:
    """The persistent id of four floats in a legacy stream."""
    return sequence(text("storage"), label("torch.FloatStorage"), text(key), text("cpu"), number(4), view) + b"Q"


def old_state(*pairs: tuple[bytes, bytes] | tuple[str, bytes]) -> bytes:
    """The pickle of a legacy state dict of one honest tensor ``w``, and of what else is given."""
    return program(mapping(("w", tensor(of=old_storage())), *pairs))


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with this header, which is JSON or bytes."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def flipped(content: bytes, at: int, bit: int = 0) -> bytes:
    """*content* with one bit turned."""
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def sparse(folder: Path, begin: bytes, size: int, end: bytes = b"") -> Path:
    """A file of *size* bytes of which only the beginning and the end are written."""
    path = folder / "model.pth"
    with path.open("wb") as stream:
        stream.write(begin)
        stream.truncate(size)
        stream.seek(size - len(end))
        stream.write(end)
    return path
