"""Rows 33 to 58: streams of opcodes that break a rule, grow, or want something called."""

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from pthway import errors
from pthway.checkpoint.safety import Verdict
from tests.corpus.build import (
    EMPTY,
    FALSE,
    NONE,
    call,
    label,
    legacy,
    mapping,
    mark,
    number,
    old_state,
    program,
    sequence,
    state,
    storage,
    tensor,
    text,
    torch_zip,
)
from tests.corpus.entry import Content, Entry, Read, Refused, file

MANY = 500_000
"""Bytes of a pickle that takes a second to decode."""

RUNS = Verdict.RUNS_CODE
DESCRIPTIVE = Verdict.DESCRIPTIVE


def broken(what: str) -> Refused:
    return Refused(errors.CorruptFile, what)


def cut(what: str = "ends inside its pickle") -> Refused:
    return Refused(errors.TruncatedFile, what)


def raw(stream: bytes) -> Content:
    """A torch zip with this pickle."""
    return torch_zip(stream)


def beside(value: bytes) -> Content:
    """A state dict with this value beside its tensor."""
    return torch_zip(state(("x", value)))


def wide_sharing() -> bytes:
    """Lists of 900 references to the list before, 9 levels deep: 900**9 values in 20 kB."""
    stream = b"](" + b"N" * 900 + b"eq\x64"
    for level in range(8):
        stream += b"0](" + b"h" + bytes([0x64 + level])
        stream += (b"h" + bytes([0x64 + level])) * 899 + b"eq" + bytes([0x65 + level])
    return stream


def module(children: bytes, parameters: bytes = b"}", index: int = 0x30) -> bytes:
    """A pickled module; it remembers itself under *index* before its attributes are set."""
    attributes = mapping(("_parameters", parameters), ("_buffers", b"}"), ("_modules", children), ("training", FALSE))
    return label("shop.Net") + b")\x81q" + bytes([index]) + attributes + b"b"


def doubling_modules() -> bytes:
    """Sixty modules, each of which holds the next one twice: 2**60 paths."""
    stream = module(b"}", mapping(("w", tensor())), 0x30)
    for level in range(60):
        below = b"h" + bytes([0x30 + level])
        stream += b"0" + module(mapping(("a", below), ("b", below)), b"}", 0x31 + level)
    return stream


PICKLES: tuple[tuple[str, int, bytes, Refused | Read], ...] = (
    ("stack underflow", 33, b"\x80\x02R.", broken("takes more from the stack")),
    ("group never opened", 33, b"\x80\x02t.", broken("closes a group")),
    ("mark as a value", 33, b"(0(a.", broken("takes a mark|more from the stack")),
    ("pop past a mark", 33, b"(00.", broken("more from the stack")),
    ("group left open", 33, b"\x80\x02(.", broken("stops with 1 values")),
    ("two values at the end", 33, b"\x80\x02NN.", broken("stops with 2 values")),
    ("no stop", 34, b"\x80\x02}", cut()),
    ("opcodes after the stop", 34, state() + mapping(("x", NONE)) + b".", broken("bytes after the end of its pickle")),
    ("unknown opcode", 35, b"\xff.", broken("0xff where an opcode")),
    ("protocol 6", 35, b"\x80\x06}.", broken("protocol 6")),
    ("protocol 255", 35, b"\x80\xff}.", broken("protocol 255")),
    ("buffer outside the file", 35, b"\x80\x05\x97.", broken("0x97")),
    ("text of 2**32 bytes", 36, b"X" + b"\xff" * 4 + b"x.", broken("string of 4,294,967,295 bytes")),
    ("text of 2**63 bytes", 36, b"\x8d" + struct.pack("<Q", 2**63) + b"x.", broken("string of 9,223,")),
    ("bytes of 2**62", 36, b"\x8e" + struct.pack("<Q", 2**62) + b"x.", broken("string of 4,611,")),
    ("bytearray of 2**64-1", 36, b"\x96" + b"\xff" * 8 + b"x.", broken("string of 18,446,")),
    ("text that ends early", 36, b"X" + struct.pack("<I", 2**27) + b"x.", cut()),
    ("negative text", 36, b"T" + struct.pack("<i", -5) + b"x.", broken("string of -5 bytes")),
    ("long integer of 2**31 bytes", 36, b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x.", broken("integer of 2,147,")),
    ("long integer of -1 bytes", 36, b"\x8b" + struct.pack("<i", -1) + b"x.", broken("integer of -1 bytes")),
    ("a million digits", 37, b"I" + b"9" * 10**6 + b"\n.", broken("text argument of more than")),
    ("a long of a million digits", 37, b"L" + b"9" * 10**6 + b"L\n.", broken("text argument of more than")),
    ("digits that are none", 37, b"I12x\n.", broken("decimal number that is none")),
    ("memo index of 2**32-1", 38, b"\x80\x02}r\xff\xff\xff\xff(" + text("w") + tensor() + b"u.", Read(1)),
    ("memo index in digits", 38, b"\x80\x02}p4294967296\n(" + text("w") + tensor() + b"u.", Read(1)),
    ("two million memo entries", 38, b"\x80\x04N" + b"\x94" * 2_000_001 + b".", Refused(errors.LimitExceeded, "remembers more than")),
    ("memo entry absent", 39, b"h\x07.", broken("recalls entry 7")),
    ("memo entry of an empty stack", 39, b"q\x00.", broken("stores the top of an empty stack")),
    ("memo entry of a mark", 39, b"(q\x00.", broken("takes a mark")),
    ("frame longer than the rest", 43, b"\x80\x04\x95" + struct.pack("<Q", 10**6) + state()[2:], cut()),
    ("frame of 2**63", 43, b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"}.", broken("frame of 9,223,")),
    ("protocol said twice", 43, b"\x80\x02\x80\x04" + state()[2:], Read(1)),
    ("very long name", 44, b"c" + b"m" * 5000 + b"\nname\n.", broken("text argument of more than")),
    ("name of numbers", 44, b"K\x01K\x02\x93.", broken("by something that is not text")),
    ("name that is not utf-8", 44, b"c\xff\xfe\nname\n.", broken("not UTF-8")),
    ("extension 1", 48, b"\x82\x01.", broken("0x82")),
    ("extension 2", 48, b"\x83\x01\x00.", broken("0x83")),
    ("extension 4", 48, b"\x84\x01\x00\x00\x00.", broken("0x84")),
    ("items set in a list", 50, b"](K\x01K\x02u.", broken("sets a key of list")),
    ("item set in a tuple", 50, b")K\x01K\x02s.", broken("sets a key of tuple")),
    ("items set in a tensor", 50, program(tensor() + b"(K\x01K\x02u"), broken("sets a key of TensorSpec")),
    ("appended to a dictionary", 50, b"}K\x01a.", broken("appends to PickledDict")),
    ("appended to a tensor", 50, program(tensor() + b"(K\x01e"), broken("appends to TensorSpec")),
    ("members added to a list", 50, b"](K\x01\x90.", broken("adds members to list")),
    ("key without a value", 50, b"}(K\x01u.", broken("a key without a value")),
    ("attributes of a list", 49, b"]}b.", broken("sets attributes of list")),
    ("attributes of a function", 49, program(label("torch._utils._rebuild_tensor_v2") + mapping(("x", NONE)) + b"b"), broken("attributes")),
    ("marks without end", 42, b"(" * 200_000 + b".", broken("open at once")),
    ("lists without end", 42, b"]" * 2_100_000 + b".", Refused(errors.LimitExceeded, "makes more than")),
    ("id that is no tuple", 58, program(text("storage") + b"Q"), broken("no tuple")),
    ("id of two parts", 58, program(sequence(text("storage"), label("torch.FloatStorage")) + b"Q"), broken("no tuple")),
    ("id of another kind", 58, program(sequence(*(text("module") for _ in range(5))) + b"Q"), broken("no tuple that begins")),
    ("id of an unknown class", 58, program(storage(kind=label("shop.Storage"))), broken("no storage class")),
    ("id with a call for a class", 58, program(storage(kind=call("os.getcwd"))), broken("no storage class")),
    ("id with a call for a key", 58, program(storage(key=call("os.getcwd"))), broken("not text")),
    ("id with a text for a count", 58, program(storage(elements=text("4"))), broken("not an integer")),
    ("id as a line", 58, b"Pstorage\n.", broken("no tuple")),
    ("rebuilt by another function", 57, program(call("torch._tensor._rebuild_from_type_v2", label("os.system"), label("torch.Tensor"),
        sequence(text("true")), NONE)), broken(r"os\.system is no rebuild function")),
    ("rebuilt by a name", 57, program(call("torch._tensor._rebuild_from_type_v2", text("os.system"), NONE, EMPTY, NONE)),
        broken("no rebuild")),
    ("rebuilt without arguments", 57, program(call("torch._utils._rebuild_tensor_v2")), broken("do not fit")),
    ("a call for a storage", 46, program(mapping(("w", tensor(of=call("shop.storage"))))), broken("the storage is missing")),
    ("a call for a shape", 46, program(mapping(("w", tensor(extent=call("shop.shape"))))), broken("the shape is not a tuple")),
)  # fmt: skip

SHARED = (
    ("doubling tuples", 40, b")" + b"q\x64h\x64\x86" * 60, Read(1)),
    ("doubling lists", 40, b"](NNe" + b"q\x64h\x64\x86" * 60, Read(1)),
    ("wide sharing", 40, wide_sharing(), Read(1)),
    ("list that holds itself", 41, b"]q\x64h\x64a", Read(1)),
    ("dictionary that holds itself", 41, b"}q\x64(" + text("self") + b"h\x64u", Read(1)),
    ("tuple that holds itself", 41, b"]q\x64h\x64\x85q\x65a0h\x65", Read(1)),
    ("object that holds itself", 41, label("shop.Net") + b")\x81q\x64" + mapping(("self", b"h\x64")) + b"b", Read(1, DESCRIPTIVE)),
    ("a million nested tuples", 42, b")" + b"\x85" * 10**6, Read(1)),
    ("100,000 nested lists", 42, b"]" * 100_000 + b"a" * 99_999, Read(1)),
    ("10,000 nested dictionaries", 42, (b"}" + text("a")) * 10_000 + b"N" + b"s" * 10_000, Read(1)),
    ("name with a terminal escape", 44, label("shop.\x1b[31mNet") + b")R", Read(1, RUNS, r"\\x1b\[31mNet")),
    ("name in another alphabet", 44, label("оs.system") + sequence(text("true")) + b"R", Read(1, RUNS, r"\\u043es\.system")),
    ("name with dots", 44, label("shop.a").replace(b"\na\n", b"\na.b.c\n") + b")R", Read(1, RUNS, r"shop\.a\.b\.c")),
    ("BUILD that hides a method", 49, call("collections.OrderedDict") + mapping(("items", label("os.system"))) + b"b",
        Read(1, DESCRIPTIVE)),
    ("BUILD with slots", 49, label("shop.Net") + b")\x81" + sequence(NONE, mapping(("__class__", label("os.system")))) + b"b",
        Read(1, DESCRIPTIVE)),
    ("BUILD with __setstate__", 49, label("shop.Net") + b")\x81" + mapping(("__setstate__", label("os.system"))) + b"b", Read(1,
        DESCRIPTIVE)),
    ("list as a key", 51, mapping((b"]", NONE)), Read(1)),
    ("tuple as a key", 51, mapping((sequence(number(1), number(2)), NONE)), Read(1)),
    ("NaN as a key", 51, mapping((b"G" + struct.pack(">d", float("nan")), NONE)), Read(1)),
    ("dictionaries without end", 42, b"](" + b"}(X\1\0\0\0aNu" * 40_000 + b"e", Read(1)),
    ("numbers as keys", 51, mapping(*((number(index), NONE) for index in range(5))), Read(1)),
    ("keys that collide", 52, mapping(*((number(index * (2**61 - 1)), NONE) for index in range(1, 20_000))), Read(1)),
    ("key twice beside the weights", 53, mapping(("a", number(1)), ("a", number(2))), Read(1)),
    ("pickle in bytes", 56, b"B" + struct.pack("<I", 18) + b"cos\ngetcwd\n)R.....", Read(1)),
    ("numbers without end", 37, number(-(2 ** (8 * 900))), Read(1)),
)  # fmt: skip

KEYS: tuple[tuple[str, int, bytes, Refused | Read], ...] = (
    ("number as the name of a tensor", 51, mapping((number(5), tensor()), ("w", tensor())), broken("under a key that is no text")),
    ("None as the name of a tensor", 51, mapping((NONE, tensor()), ("w", tensor())), broken("under a key that is no text")),
    ("name twice", 53, mapping(("w", tensor()), ("w", tensor())), broken("the key 'w' twice")),
    ("name with a terminal escape", 54, mapping(("\x1b[2J\x1b]0;owned\x07.weight", tensor())), Read(1, says=r"\\x1b\[2J")),
    ("name that is written backwards", 54, mapping(("\u202ethgiew.weight", tensor())), Read(1, says=r"\\u202e")),
    ("name with NUL", 54, mapping(("w\0.weight", tensor())), Read(1)),
    ("name with half a character", 54, mapping(("\ud800.weight", tensor())), Read(1)),
    ("name with a line break", 54, mapping(("w\nsafety      plain", tensor())), Read(1)),
    ("name of 10 MB", 54, mapping(("w" * 10**7, tensor())), Refused(errors.LimitExceeded, "name has 10,000,000 characters")),
    ("module that is its own part", 41, module(mapping(("again", b"h\x30")), mapping(("w", tensor()))), broken("inside itself")),
    ("modules that double", 40, doubling_modules(), Refused(errors.LimitExceeded, "modules")),
)


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return exec, (f"import os; os.makedirs({str(self.folder / 'mark')!r}, exist_ok=True)",)


def nested(content: bytes, depth: int = 1) -> bytes:
    """The opcodes by which torch is handed *content* as a file inside the pickle, which is itself nested."""
    for _ in range(depth):
        loaded = label("torch.storage._load_from_bytes") + b"B" + struct.pack("<I", len(content)) + content + b"\x85R"
        content = b"\x80\x03" + loaded + b"."
    return loaded


def bare(*pairs: tuple[str, bytes]) -> bytes:
    """A pickle that holds its tensor as a torch file, and what else is given."""
    stream = io.BytesIO()
    torch.save(torch.ones(4).storage(), stream, _use_new_zipfile_serialization=False)
    content = stream.getvalue()
    held = label("torch.storage._load_from_bytes") + b"B" + struct.pack("<I", len(content)) + content + b"\x85R"
    return b"\x80\x03" + mapping(("w", tensor(of=held)), *pairs) + b"."


def command(folder: Path) -> bytes:
    return text(f"mkdir -p {folder / 'mark'}")


def evaluated(folder: Path) -> bytes:
    return text(f"__import__('os').makedirs({str(folder / 'mark')!r}, exist_ok=True)")


CALLS = (
    ("os.mkdir", 45, lambda f: mark(f), r"os\.mkdir"),
    ("os.system", 45, lambda f: call("os.system", command(f)), r"os\.system"),
    ("posix.system", 45, lambda f: call("posix.system", command(f)), r"posix\.system"),
    ("builtins.eval", 45, lambda f: call("builtins.eval", evaluated(f)), r"builtins\.eval"),
    ("__builtin__.eval", 45, lambda f: call("__builtin__.eval", evaluated(f)), r"builtins\.eval"),
    ("builtins.exec", 45, lambda f: call("builtins.exec", evaluated(f)), r"builtins\.exec"),
    ("subprocess.check_output", 46, lambda f: call("subprocess.check_output", b"](" + text("mkdir") + text(str(f / "mark")) + b"e"),
        "check_"),
    ("shutil.copytree", 46, lambda f: call("shutil.copytree", text("/etc/apt"), text(str(f / "mark"))), r"shutil\.copytree"),
    ("runpy._run_code", 46, lambda f: call("runpy._run_code", evaluated(f), b"}"), r"runpy\._run_code"),
    ("code in two steps", 46, lambda f: call("builtins.getattr", label("os.path"), text("os")) + b"0" + mark(f), "getattr"),
    ("a partial", 46, lambda f: call("functools.partial", label("os.mkdir"), text(str(f / "mark"))) + b")R", r"functools\.partial"),
    ("a map", 46, lambda f: call("builtins.list", call("builtins.map", label("os.mkdir"), b"](" + text(str(f / "mark")) + b"e")), "map"),
    ("an object made by its base", 46, lambda f: call("copyreg._reconstructor", label("subprocess.Popen"), label("subprocess.Popen"),
        b"](" + text("mkdir") + text(str(f / "mark")) + b"e"), r"copyreg\._reconstructor"),
    ("INST", 47, lambda f: b"(" + text(str(f / "mark")) + b"ios\nmkdir\n", r"os\.mkdir"),
    ("OBJ", 47, lambda f: b"(" + label("os.mkdir") + text(str(f / "mark")) + b"o", r"os\.mkdir"),
    ("STACK_GLOBAL", 45, lambda f: text("os") + text("mkdir") + b"\x93" + text(str(f / "mark")) + b"\x85R", r"os\.mkdir"),
    ("as a key", 46, lambda f: mapping((mark(f), NONE)), r"os\.mkdir"),
    ("thrown away", 46, lambda f: mark(f) + b"0N", r"os\.mkdir"),
    ("as attributes", 49, lambda f: call("collections.OrderedDict") + mark(f) + b"0", r"os\.mkdir"),
    ("in the hooks of a tensor", 46, lambda f: call("torch._utils._rebuild_tensor_v2", storage(), number(0), sequence(number(4)),
        sequence(number(1)), FALSE, mark(f)), r"os\.mkdir"),
)  # fmt: skip


def in_zip(make: Any) -> Content:
    return lambda folder: torch_zip(state(("x", make(folder))))


def in_legacy(make: Any) -> Content:
    return lambda folder: legacy(old_state(("x", make(folder))))


def payload_first(folder: Path) -> bytes:
    """A payload, and then a stream that breaks: it has run by the time other programs notice."""
    return torch_zip(b"\x80\x02" + mark(folder) + b"0\xff")


def hidden(folder: Path) -> bytes:
    """The payload lies in a second pickle behind the end of the first, where torch 1.x would never look."""
    return legacy(old_state()) + program(mark(folder))


def pickled_payload(protocol: int) -> Content:
    return lambda folder: pickle.dumps({"x": Payload(folder)}, protocol)


def saved_payload(folder: Path) -> bytes:
    stream = io.BytesIO()
    torch.save({"w": torch.ones(2), "x": Payload(folder)}, stream)
    return stream.getvalue()


def newobj(kind: bytes, keywords: bytes | None = None) -> bytes:
    return kind + (b")\x81" if keywords is None else EMPTY + keywords + b"\x92")


ENTRIES = (
    *(Entry(f"pickle: {name}", row, file(raw(stream)), answer, heavy=len(stream) > MANY) for name, row, stream, answer in PICKLES),
    *(Entry(f"beside: {name}", row, file(beside(value)), answer, heavy=len(value) > MANY) for name, row, value, answer in SHARED),
    *(Entry(f"dictionary: {name}", row, file(raw(program(value))), answer) for name, row, value, answer in KEYS),
    *(
        Entry(f"call: {name}", row, file(in_zip(make)), Read(2 if "hooks" in name else 1, RUNS, says), live=True)
        for name, row, make, says in CALLS
    ),
    *(
        Entry(f"call in a legacy stream: {name}", row, file(in_legacy(make)), Read(1, RUNS, says), live=True)
        for name, row, make, says in CALLS[:6]
    ),
    Entry("call: saved by torch", 45, file(saved_payload), Read(1, RUNS, r"builtins\.exec"), live=True),
    *(
        Entry(f"call: pickled, protocol {protocol}", 45, file(pickled_payload(protocol)), Read(0, RUNS, r"builtins\.exec"), live=True)
        for protocol in range(2, 6)
    ),
    Entry("call: through a random generator", 46, file(in_zip(lambda f: call("numpy.random._pickle.__generator_ctor", command(f),
        label("os.system")))), broken("would call what is not numpy's"), live=True),
    Entry("call: windows", 45, file(in_zip(lambda _: call("nt.system", text("calc")))), Read(1, RUNS, r"nt\.system")),
    Entry("call: before the stream breaks", 46, file(payload_first), broken("0xff"), live=True),
    Entry("call: behind a legacy stream", 34, file(hidden), Read(1, says="bytes follow the last storage")),
    Entry("bare pickle with more behind it", 34, file(bare() + b"more"), Read(1, says="4 bytes follow the end")),
    Entry("NEWOBJ", 47, file(beside(newobj(label("subprocess.Popen")))), Read(1, DESCRIPTIVE, r"subprocess\.Popen")),
    Entry("NEWOBJ_EX", 47, file(beside(newobj(label("shop.Net"), mapping(("a", NONE))))), Read(1, DESCRIPTIVE, r"shop\.Net")),
    Entry("NEWOBJ of no class", 47, file(beside(newobj(text("os.system")))), broken("not a class")),
    Entry("nested: honest", 55, file(bare()), Read(1)),
    Entry("nested: pickle", 55, file(lambda f: bare(("x", nested(program(mark(f)))))), Read(1, RUNS, r"os\.mkdir"), live=True),
    Entry("nested: legacy stream", 55, file(lambda f: bare(("x", nested(legacy(program(mark(f)), {}))))), Read(1, RUNS, "mkdir"),
        live=True),
    Entry("nested: three deep", 55, file(lambda f: bare(("x", nested(program(mark(f)), 3)))), Read(1, RUNS, "mkdir"), live=True),
    Entry("nested: a thousand deep", 55, file(bare(("x", nested(program(NONE), 1000)))), broken("nested more than 4 deep|again and again")),
    Entry("nested: in a torch zip", 55, file(in_zip(lambda f: nested(program(mark(f))))), Read(1, RUNS, "mkdir|_load_from_bytes"),
        live=True),
    Entry("nested: of no bytes", 55, file(bare(("x", call("torch.storage._load_from_bytes", number(1))))), broken("no bytes")),
    Entry("rebuilt with a foreign class", 57, file(raw(program(mapping(("w", call("torch._tensor._rebuild_from_type_v2",
        label("torch._utils._rebuild_tensor_v2"), label("shop.Tensor"), sequence(storage(), number(0), sequence(number(4)),
        sequence(number(1)), FALSE, NONE), mapping(("x", label("os.system"))))))))), Read(1, DESCRIPTIVE, "os.system")),
)  # fmt: skip
