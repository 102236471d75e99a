"""Files of every format, changed: at random, at the boundaries of their structure, and with lengths and checksums put right again."""

import bz2
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from random import Random
from struct import pack

import pickles

Pool = dict[str, list[bytes]]
"""Format → its seeds."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|[\[\]{}:,]|[^\[\]{}:,"\d-]+|-')
_JSON_PARTS = (b"{}", b"[]", b"null", b"1e999", b"NaN", b'""', b'"\\ud800"', b"[" * 300, b"-1", b"0.5", b"true", b'"a"', b",", b":")
_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")


def mutant(kind: str, random: Random, pool: Pool) -> bytes:
    """One file of the format *kind*, changed."""
    if kind == "stream":
        return drawn_stream(random, pool)
    content = random.choice(pool[kind])
    if random.random() < 0.2:
        return raw(content, random, pool)
    return _BY_FORMAT[kind](content, random, pool)


def raw(content: bytes, random: Random, pool: Pool) -> bytes:
    """Bytes changed without regard to what they mean."""
    made = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        if not made:
            break
        at, kind = random.randrange(len(made)), random.randrange(8)
        if kind == 0:
            made[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            made[at] = random.randrange(256)
        elif kind == 2:
            width = random.choice((1, 2, 4, 8))
            made[at : at + width] = (random.choice(pickles.BOUNDARIES) % 256**width).to_bytes(width, random.choice(("little", "big")))
        elif kind == 3:
            del made[at : at + random.choice((1, 2, 4, 30, 1000))]
        elif kind == 4:
            made[at:at] = made[at : at + random.choice((1, 4, 30, 1000))]
        elif kind == 5:
            del made[at:]
        elif kind == 6:
            donor = random.choice(pool[random.choice(list(pool))])
            begin = random.randrange(len(donor))
            made[at : at + random.randrange(64)] = donor[begin : begin + random.randrange(256)]
        else:
            made += random.choice((b"PK\x05\x06" + bytes(18), b"\0", b"PK\x03\x04", bytes(made[:200])))
    return bytes(made)


def pickled(content: bytes, random: Random, pool: Pool) -> bytes:
    """A pickle, or several that follow each other, changed opcode by opcode; torch files inside are changed now and then."""
    if random.random() < 0.3:
        at = content.find(_LEGACY)
        if at > 4:  # the operand of BINBYTES or BINUNICODE, whose length stands before it
            length = int.from_bytes(content[at - 4 : at], "little")
            inside = (pickled if random.random() < 0.7 else raw)(content[at : at + length], random, pool)
            return content[: at - 4] + pack("<I", len(inside)) + inside + content[at + length :]
    return pickles.mutated(content, random, random.choice(pool["pickle"] + pool["legacy"]))


@cache
def _records(content: bytes) -> tuple[tuple[str, bytes, int], ...]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return tuple((entry.filename, archive.read(entry), entry.compress_type) for entry in archive.infolist())


def zipped(content: bytes, random: Random, pool: Pool) -> bytes:
    """An archive whose records are changed and whose checksums are right, or whose directory is changed."""
    if random.random() < 0.2:
        directory = content.rfind(b"PK\x01\x02")
        at = content.find(b"PK\x01\x02") if random.random() < 0.5 else max(0, directory)
        return content[:at] + raw(content[at:], random, pool)
    records = list(_records(content))
    described = [at for at, (name, _, _) in enumerate(records) if name.endswith((".pkl", ".json", ".pt", ".npy"))]
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.choice(described) if described and random.random() < 0.7 else random.randrange(len(records))
        name, held, method = records[at]
        kind = random.random()
        if kind < 0.75:
            records[at] = (name, _record(name, held, random, pool), method)
        elif kind < 0.8 and len(records) > 1:
            del records[at]
            described = [other - (other > at) for other in described if other != at]
        elif kind < 0.85:
            records.append((name + random.choice(("", "x", "/data.pkl")), held, method))
        elif kind < 0.9:
            records[at] = (random.choice((name.upper(), "a/" + name, random.choice(records)[0], "archive/byteorder", "é")), held, method)
        elif kind < 0.95:
            records[at] = (name, random.choice(records)[1], method)
        else:
            records[at] = (name, held, 8 - method)
    return built(records)


def _record(name: str, held: bytes, random: Random, pool: Pool) -> bytes:
    if name.endswith(".pkl"):
        return pickles.drawn(random) if random.random() < 0.1 else pickles.mutated(held, random, random.choice(pool["folder"]))
    if name.endswith(".json"):
        return tokens(held, random)
    if name.endswith(".pt"):
        return zipped(random.choice(pool["zip"]), random, pool)
    if name.endswith(".npy"):
        return array(held, random, pool)
    return raw(held, random, pool)


def built(records: list[tuple[str, bytes, int]]) -> bytes:
    """A zip archive of records: name, content, method."""
    body, directory = bytearray(), bytearray()
    for name, content, method in records:
        packer = zlib.compressobj(1, wbits=-15)
        packed = packer.compress(content) + packer.flush() if method else content
        fields = pack("<HHHHHLLLHH", 20, 0x0800, method, 0, 33, zlib.crc32(content), len(packed), len(content), len(name.encode()), 0)
        directory += b"PK\x01\x02\x14\0" + fields + pack("<HHHLL", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04" + fields + name.encode() + packed
    end = pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(records), len(records), len(directory), len(body), 0)
    return bytes(body + directory + end)


def tokens(content: bytes, random: Random) -> bytes:
    """JSON changed token by token."""
    parts = _TOKEN.findall(content)
    for _ in range(random.choice((1, 1, 2, 4))):
        if not parts:
            break
        at, kind = random.randrange(len(parts)), random.randrange(6)
        if kind == 0:
            del parts[at : at + random.choice((1, 2, 4, 12))]
        elif kind == 1:
            parts[at:at] = parts[at : at + random.choice((1, 2, 4, 12))] * random.choice((1, 1, 40))
        elif kind == 2:
            parts[at] = random.choice(parts)
        elif kind == 3:
            parts[at] = random.choice(_JSON_PARTS)
        else:
            numbers = [place for place, part in enumerate(parts) if part[:1] in b"-0123456789"]
            if numbers:
                parts[random.choice(numbers)] = b"%d" % random.choice(pickles.BOUNDARIES)
    return b"".join(parts)


def headed(content: bytes, random: Random, pool: Pool) -> bytes:
    """A safetensors file with another header, whose length is right."""
    length = int.from_bytes(content[:8], "little")
    header = tokens(content[8 : 8 + length], random)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def array(content: bytes, random: Random, pool: Pool) -> bytes:
    """An .npy file with another header, whose length is right."""
    if not content.startswith(b"\x93NUMPY"):
        return raw(content, random, pool)
    length = int.from_bytes(content[8:10], "little")
    header = tokens(content[10 : 10 + length], random)
    if random.random() < 0.3:
        header = header.replace(b"<f", random.choice((b">f", b"|O", b"<U", b"<c", b"<V", b"<i"))).replace(b"False", b"True")
    return content[:8] + (len(header) % 65536).to_bytes(2, "little") + header + content[10 + length :]


def tarred(content: bytes, random: Random, pool: Pool) -> bytes:
    """A tar archive with other members or headers, whose checksums are right."""
    made, at = bytearray(), 0
    chosen = random.randrange(4)
    for number in range(4):
        header, size = bytearray(content[at : at + 512]), int(content[at + 124 : at + 135], 8)
        member = content[at + 512 : at + 512 + size]
        at += 512 + -(-size // 512) * 512
        if number == chosen:
            member = (raw if random.random() < 0.4 else pickled)(member, random, pool)
            header[124:136] = b"%011o\0" % (len(member) if random.random() < 0.9 else random.choice((0, 511, 8**11 - 1)))
            if random.random() < 0.1:
                header[random.choice((0, 0, 1, 156, 257))] = random.choice(b"\0015Lxp.s")
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        made += header + member + bytes(-len(member) % 512)
    return bytes(made) + bytes(1024)


def packed(pack: Callable[[bytes], bytes], name: str) -> Callable[[bytes, Random, Pool], bytes]:
    """A compressed file: what is inside changed, or what is outside."""

    def change(content: bytes, random: Random, pool: Pool) -> bytes:
        inner = random.choice(("zip", "legacy", "safetensors", "pickle", "npy", "tar")) if name == "gzip" else "zip"
        made = pack(mutant(inner, random, pool))
        return raw(made, random, pool) if random.random() < 0.2 else made

    return change


def drawn_stream(random: Random, pool: Pool) -> bytes:
    """Opcodes from the grammar, in a bare pickle, a torch zip or a legacy stream."""
    made, frame = pickles.drawn(random), random.randrange(3)
    if frame == 0:
        return made
    if frame == 1:
        storages = [(f"archive/data/{key}", bytes(24), 0) for key in range(3)]
        return built([("archive/data.pkl", made, 0), *storages, ("archive/version", b"3\n", 0)])
    head = _LEGACY + b".\x80\x02M\xe9\x03.\x80\x02}."
    keys = b"\x80\x02](" + b"".join(b"X\x01\0\0\0%d" % key for key in range(random.randrange(4))) + b"e."
    return head + made + keys + (b"\x06" + bytes(31)) * 3


_BY_FORMAT: dict[str, Callable[[bytes, Random, Pool], bytes]] = {
    **dict.fromkeys(("zip", "torchscript", "exported", "package", "npz"), zipped),
    **dict.fromkeys(("legacy", "pickle", "folder"), pickled),
    "tar": tarred,
    "safetensors": headed,
    "npy": array,
    "gzip": packed(lambda content: zlib.compress(content, 1, 31), "gzip"),
    "xz": packed(lambda content: lzma.compress(content, preset=0), "xz"),
    "bzip2": packed(lambda content: bz2.compress(content, 1), "bzip2"),
    "index": lambda content, random, _: tokens(content, random),
}

FORMATS = (*_BY_FORMAT, "stream")
