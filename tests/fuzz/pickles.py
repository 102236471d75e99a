"""Pickles, mutated at the boundaries of their opcodes, and streams of opcodes drawn from a grammar."""

import pickletools
from functools import cache
from random import Random
from struct import pack

BOUNDARIES = (
    0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 63, 64, 65, 100, 127, 128, 255, 256, 1000, 1001, 4095, 4096, 4097, 32767, 32768, 65535, 65536,
    2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**200, -1, -2, -128, -(2**31),
    -(2**63),
)  # fmt: skip
"""Integers at which something changes: widths of fields, limits of the reader."""

GLOBALS = (
    "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state", "torch._utils _rebuild_qtensor", "torch._utils _rebuild_sparse_tensor",
    "torch._utils _rebuild_nested_tensor", "torch._utils _rebuild_meta_tensor_no_storage", "torch._utils _rebuild_wrapper_subclass",
    "torch._tensor _rebuild_from_type_v2", "torch.serialization _get_layout", "torch.storage _load_from_bytes", "torch FloatStorage",
    "torch LongStorage", "torch float32", "torch Size", "torch device", "torch.jit._pickle build_intlist",
    "torch.jit._pickle restore_type_tag",
    "collections OrderedDict", "collections defaultdict", "collections Counter", "builtins dict", "builtins set", "builtins bytes",
    "builtins bytearray", "builtins complex", "__builtin__ getattr", "copyreg _reconstructor", "copy_reg _reconstructor", "_codecs encode",
    "numpy dtype", "numpy.core.multiarray scalar", "numpy._core.multiarray _reconstruct", "pathlib PosixPath", "datetime datetime",
    "os system",
    "torch.nn.modules.container Sequential", "some Thing", "a\u2028b \x1b[31m",
)  # fmt: skip

TEXTS = (
    "storage", "0", "1", "2", "cpu", "cuda:3", "weight", "a.weight", "module.a", "_parameters", "_buffers", "_modules", "_metadata",
    "_non_persistent_buffers_set", "state_dict", "model", "ema", "optimizer", "latin1", "f8", "<f4", "__main__", "", "\x1b[2J",
    "é\u2028", "\U0001f600",
    "..", "a/b", "version", "torch.", "n_averaged", "_orig_mod.x", "x" * 1025,
)  # fmt: skip


def chunks(content: bytes) -> tuple[list[bytes], bytes]:
    """The opcodes of the pickles that *content* begins with, each with its operand, and the bytes that follow them."""
    made: list[bytes] = []
    at = 0
    while at < len(content):
        found = []
        try:
            found = [position for _, _, position in pickletools.genops(content[at:])]
        except Exception:  # noqa: BLE001  # whatever is no pickle is the rest
            break
        ends = [*found[1:], found[-1] + 1]
        made += [content[at + begin : at + end] for begin, end in zip(found, ends, strict=True)]
        at += ends[-1]
    return made, content[at:]


@cache
def _chunks(content: bytes) -> tuple[list[bytes], bytes]:
    return chunks(content)


def integer(random: Random) -> bytes:
    """An opcode for an integer, small or at a boundary."""
    value = random.choice(BOUNDARIES) if random.random() < 0.6 else random.randrange(8)
    kind = random.randrange(4)
    if kind == 0 and 0 <= value < 256:
        return b"K" + bytes([value])
    if kind == 1 and -(2**31) <= value < 2**31:
        return b"J" + pack("<i", value)
    if kind == 2:
        return b"I%d\n" % value
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def text(random: Random) -> bytes:
    """An opcode for a text or some bytes."""
    content = random.choice(TEXTS).encode()
    kind = random.randrange(5)
    if kind == 0 and len(content) < 256:
        return b"\x8c" + bytes([len(content)]) + content
    if kind == 1 and len(content) < 256:
        return b"U" + bytes([len(content)]) + content
    if kind == 2:
        return b"B" + pack("<I", len(content)) + content
    return b"X" + pack("<I", len(content)) + content


def label(random: Random) -> bytes:
    """An opcode for a global."""
    return b"c" + random.choice(GLOBALS).replace(" ", "\n").encode() + b"\n"


def memo(random: Random) -> bytes:
    """An opcode that stores in the memo or recalls from it."""
    index = random.choice((0, 1, 2, 3, 4, 5, 8, 13, 255))
    return random.choice((b"h%c" % index, b"q%c" % index, b"j" + pack("<I", random.choice((index, 2**32 - 1))), b"\x94", b"g%d\n" % index))


_PLAIN = tuple(bytes([code]) for code in b"(012N\x88\x89]l)t\x85\x86\x87}d\x8f\x91aesu\x90\x93R\x81\x92obQ.")
_FLOATS = (b"G" + pack(">d", 0.5), b"G" + pack(">d", float("nan")), b"F1e999\n", b"Fx\n")
_STRANGE = (
    b"\x80\x05", b"\x80\x09", b"\x95" + bytes(8), b"\x95" + b"\xff" * 8, b"\x82\x01", b"\x97", b"S'a\\x41'\n", b"Vb\\u0041\n", b"L5L\n",
    b"P1\n", b"isome\nThing\n", b"\x96" + pack("<Q", 3) + b"abc", b"X\xff\xff\xff\xff", b"\x8b" + pack("<i", -1), b"T" + pack("<i", -5),
)  # fmt: skip


def opcode(random: Random) -> bytes:
    """Any opcode, with an operand that fits it."""
    draw = random.random()
    if draw < 0.45:
        return random.choice(_PLAIN)
    if draw < 0.6:
        return integer(random)
    if draw < 0.72:
        return text(random)
    if draw < 0.82:
        return label(random)
    if draw < 0.94:
        return memo(random)
    return random.choice(_FLOATS + _STRANGE)


def value(random: Random, depth: int = 0) -> bytes:
    """A phrase that leaves one value on the stack."""
    draw = random.random()
    if depth > 6 or draw < 0.3:
        return (
            random.choice((integer, text, integer, text, label))(random)
            if draw < 0.27
            else random.choice((b"N", b")", b"]", b"}", b"\x88"))
        )
    several = b"".join(value(random, depth + 1) for _ in range(random.randrange(4)))
    if draw < 0.4:
        return b"(" + several + random.choice((b"t", b"l"))
    if draw < 0.55:
        pairs = b"".join(text(random) + value(random, depth + 1) for _ in range(random.randrange(4)))
        return b"}" + memo(random) + b"(" + pairs + b"u" if random.random() < 0.2 else b"}(" + pairs + b"u"
    if draw < 0.62:
        return storage(random)
    if draw < 0.75:
        return tensor(random)
    if draw < 0.88:
        built = label(random) + b"(" + several + b"t" + random.choice((b"R", b"\x81"))
        return built + value(random, depth + 1) + b"b" if random.random() < 0.4 else built
    if draw < 0.92:
        return b"(" + label(random) + several + b"o"
    if draw < 0.96:
        return value(random, depth + 1) + random.choice((b"q\x01", b"q\x02", b"\x94"))
    return random.choice((b"h\x01", b"h\x02", b"h\x00"))


def storage(random: Random) -> bytes:
    """The persistent id of a storage."""
    key = text(random) if random.random() < 0.3 else b"X\x01\0\0\0" + random.choice((b"0", b"1", b"2"))
    count = integer(random) if random.random() < 0.3 else b"K\x06"
    return (
        b"(X\x07\0\0\0storage"
        + b"ctorch\n"
        + random.choice((b"Float", b"Long", b"Half", b"Bool"))
        + b"Storage\n"
        + key
        + b"X\x03\0\0\0cpu"
        + count
        + b"tQ"
    )


def tensor(random: Random) -> bytes:
    """The call that rebuilds a tensor."""
    sizes = [b"(" + b"".join(integer(random) if random.random() < 0.2 else b"K\x02" for _ in range(2)) + b"t" for _ in range(2)]
    offset = integer(random) if random.random() < 0.2 else b"K\0"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(random) + offset + sizes[0] + sizes[1] + b"\x89}tR"


def drawn(random: Random) -> bytes:
    """A pickle from the grammar, sometimes with a stray opcode."""
    phrases = [value(random) for _ in range(random.randrange(1, 4))] if random.random() < 0.2 else [value(random)]
    if random.random() < 0.3:
        phrases.insert(random.randrange(len(phrases) + 1), b"".join(opcode(random) for _ in range(random.randrange(1, 6))))
    return b"\x80" + bytes([random.choice((2, 2, 3, 4))]) + b"".join(phrases) + b"."


def mutated(content: bytes, random: Random, other: bytes) -> bytes:
    """*content* with some of its opcodes changed; *other* is a pickle to splice from."""
    ops, rest = _chunks(content)
    ops = ops.copy()
    if not ops:
        return content
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if not ops:
            break
        at, kind = random.randrange(len(ops)), random.randrange(10)
        if kind == 0:
            del ops[at : at + random.choice((1, 1, 2, 8))]
        elif kind == 1:
            ops[at:at] = ops[at : at + random.choice((1, 2, 5, 20))] * random.choice((1, 1, 2, 30))
        elif kind == 2:
            ops[at] = opcode(random)
        elif kind == 3:
            ops.insert(at, opcode(random))
        elif kind == 4:
            there = random.randrange(len(ops))
            ops[at], ops[there] = ops[there], ops[at]
        elif kind == 5:
            donor = _chunks(other)[0]
            begin = random.randrange(len(donor)) if donor else 0
            ops[at : at + random.randrange(8)] = donor[begin : begin + random.randrange(16)]
        elif kind == 6:
            ops.insert(at, value(random))
        else:
            numbers = [place for place in range(at, min(at + 40, len(ops))) if ops[place][:1] in b"KMJI\x8a"]
            texts = [place for place in range(at, min(at + 40, len(ops))) if ops[place][:1] in b"XU\x8cBC\x8e"]
            if numbers and kind < 9:
                ops[random.choice(numbers)] = integer(random)
            elif texts:
                ops[random.choice(texts)] = text(random)
    return b"".join(ops) + rest
