"""Rows 13 to 32: zips and tars that two programs would read differently, that grow, or that point elsewhere."""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pthway import errors
from pthway.checkpoint.safety import Verdict
from tests.corpus.build import (
    FLOATS,
    Member,
    archive,
    changed,
    label,
    legacy,
    mapping,
    mark,
    members,
    number,
    old_state,
    program,
    sequence,
    sparse,
    state,
    storage,
    tensor,
    text,
    torch_zip,
)
from tests.corpus.entry import Content, Entry, Read, Refused, file

MIB = 1024 * 1024
BIG = 80 * MIB
PLAIN = members(state())
ZIP = archive(PLAIN)


def two(what: str) -> Refused:
    return Refused(errors.CorruptFile, what)


def hostile(folder: Path) -> bytes:
    return state(("x", mark(folder)))


def local(record: str, **fields: Any) -> Content:
    return archive(changed(PLAIN, record, local=fields))


def central(record: str, **fields: Any) -> Content:
    return archive(changed(PLAIN, record, central=fields))


def both(record: str, **fields: Any) -> Content:
    return archive(changed(PLAIN, record, local=fields, central=fields))


def named(name: str | bytes) -> Content:
    return archive([*PLAIN, Member(name, b"x")])


def deflated(of: list[Member]) -> bytes:
    return archive([member._replace(deflated=True) for member in of])


def bomb_in_storage(_folder: Path) -> bytes:
    elements = BIG // 4
    whole = program(mapping(("w", tensor((elements,), of=storage(elements=number(elements))))))
    return archive(changed(members(whole, {"0": bytes(BIG)}), "data/0", deflated=True))


def bomb_in_pickle(_folder: Path) -> bytes:
    return archive(changed(members(b"\x80\x02" + b"N0" * (BIG // 2) + state()[2:]), "data.pkl", deflated=True))


def bomb_in_npz(_folder: Path) -> bytes:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }" % (BIG // 4)
    content = b"\x93NUMPY\x01\0" + struct.pack("<H", 118) + header.ljust(117) + b"\n" + bytes(BIG)
    return archive([Member("w.npy", content, deflated=True)])


def bomb_in_bomb(_folder: Path) -> bytes:
    return gzip.compress(archive(changed(members(state(), {"0": FLOATS, "1": bytes(BIG)}), "data/1", deflated=True)) + bytes(BIG), 1)


def overlapping(_folder: Path) -> bytes:
    """The record ``data/1`` lies inside the bytes of ``data/0``, header and all."""
    inner = archive([Member("archive/data/1", FLOATS)])
    hidden = inner[: inner.index(FLOATS) + len(FLOATS)]
    whole = archive([*members(state(), {"0": hidden}), Member("archive/data/1", FLOATS)])
    at = whole.index(hidden)
    return archive([*members(state(), {"0": hidden}), Member("archive/data/1", FLOATS, central={"header": at})])


def into_directory() -> bytes:
    """The last record is said to go on into the directory."""
    reach = {"packed": 70, "size": 70}
    return archive(changed(PLAIN, "version", local=reach, central=reach))


def wide(sizes: tuple[int, ...], **fields: int) -> Content:
    extra = struct.pack("<2H", 1, 8 * len(sizes)) + struct.pack(f"<{len(sizes)}Q", *sizes)
    return archive(changed(PLAIN, "data/0", central={"extra": extra, "size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, **fields}))


def honest_wide(_folder: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for member in PLAIN:
            with made.open(str(member.name), "w", force_zip64=True) as record:
                record.write(member.content)
    return stream.getvalue()


def many(_folder: Path) -> bytes:
    return archive([*PLAIN, *(Member(f"archive/data/{index}", b"") for index in range(1, 3000))])


def large_pickle(folder: Path) -> Path:
    size = 300 * MIB
    said = {"packed": size, "size": size}
    whole = archive([Member("archive/version", b"3"), Member("archive/data.pkl", b"", said, said)])
    at = whole.index(b"PK\x01\x02")
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(whole) - 22 - at, at + size, 0)
    return sparse(folder, whole[:at], len(whole) + size, whole[at:-22] + end)


def roots(*names: str) -> Content:
    return archive([member for root in names for member in members(state(), root=root)])


def in_front(folder: Path) -> bytes:
    """A hostile pickle as the first of two: torch reads the first, Python's zip tools the last."""
    return archive([Member("archive/data.pkl", hostile(folder)), *PLAIN])


def behind(folder: Path) -> bytes:
    return archive([*PLAIN, Member("archive/data.pkl", hostile(folder))])


def with_comment(content: bytes, comment: bytes) -> bytes:
    return content[:-2] + struct.pack("<H", len(comment)) + comment


def tar(held: Mapping[str, bytes], kind: bytes = tarfile.REGTYPE, target: str = "", **headers: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, content in held.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname, entry.pax_headers = len(content), kind, target, headers
            made.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def torch_tar(saved: bytes, **changed_members: bytes) -> bytes:
    """The archive of torch 0.1.9: four floats as storage 1, and the tensor 10 that is all of them."""
    kept = program(sequence(number(1), text("cpu"), label("torch.FloatStorage")))
    told = program(sequence(number(10), number(1), label("torch.FloatTensor")))
    return tar(
        {
            "sys_info": pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2),
            "pickle": saved,
            "storages": program(number(1)) + kept + struct.pack("<q", 4) + FLOATS + program(b"]"),
            "tensors": program(number(1)) + told + struct.pack("<2i3q", 1, 0, 4, 1, 0),
            **changed_members,
        }
    )


TAR_STATE = (("w", text("10") + b"Q"),)


def hostile_tar(folder: Path) -> bytes:
    return torch_tar(program(mapping(*TAR_STATE, ("x", mark(folder)))))


FLAGS = (
    ("encrypted", 0x801), ("patched data", 0x820), ("strongly encrypted", 0x841), ("masked headers", 0x2801), ("reserved", 0x880),
)  # fmt: skip
METHODS = (("bzip2", 12), ("lzma", 14), ("zstd", 93), ("aes", 99))
NAMES: tuple[tuple[str, str | bytes], ...] = (
    ("upwards", "archive/../x"), ("upwards at once", "../x"), ("absolute", "/etc/x"), ("drive", "C:\\x"), ("backslash", "archive\\x"),
    ("nul", "archive/x\0.py"), ("not utf-8", b"archive/\xff"), ("no name", ""), ("terminal escape", "archive/\x1b[2J/../x"),
)  # fmt: skip
LINKS = (
    ("symbolic link", tarfile.SYMTYPE), ("hard link", tarfile.LNKTYPE), ("character device", tarfile.CHRTYPE),
    ("block device", tarfile.BLKTYPE), ("pipe", tarfile.FIFOTYPE), ("sparse", tarfile.GNUTYPE_SPARSE),
)  # fmt: skip
ALIGNMENTS = (("zero", b"0"), ("negative", b"-1"), ("huge", b"1000000000"), ("text", b"many"))

ENTRIES = (
    Entry("two pickles, the hostile first", 13, file(in_front), two(r"two records named 'archive/data\.pkl'"), live=True),
    Entry("two pickles, the hostile last", 13, file(behind), two(r"two records named 'archive/data\.pkl'")),
    Entry("two storages of one name", 13, file(archive([*PLAIN, Member("archive/data/0", FLOATS)])), two("two records named")),
    Entry("another name in its place", 14, file(local("data/0", name=b"archive/data/9")), two("something else in that place")),
    Entry("longer name in its place", 14, file(local("data/0", name=b"archive/data/00")), two("something else in that place")),
    Entry("pickle of another name in its place", 14, file(local("data.pkl", name=b"archive/data.txt")), two("something else")),
    Entry("another size in its place", 15, file(local("data/0", size=12)), two("one size or checksum")),
    Entry("another packed size in its place", 15, file(local("data/0", packed=12)), two("one size or checksum")),
    Entry("another checksum in its place", 15, file(local("data/0", crc=1)), two("one size or checksum")),
    Entry("another method in its place", 15, file(local("data/0", method=8)), two("one method")),
    Entry("other flags in its place", 15, file(local("data/0", flags=0)), two("one method")),
    *(Entry(f"flags: {name}", 16, file(both("data/0", flags=flags)), two("flags 0x")) for name, flags in FLAGS),
    *(Entry(f"method: {name}", 16, file(both("data/0", method=method)), two(f"method {method}")) for name, method in METHODS),
    Entry("deflated", 17, file(deflated(PLAIN)), Read(1, says="4 records are compressed")),
    Entry("deflated storage that ends early", 17, file(archive(
        changed(PLAIN, "data/0", content=zlib.compress(FLOATS)[2:-8], local={"method": 8}, central={"method": 8}))),
        Refused(errors.CorruptFile, "", late=True)),
    Entry("bomb as a storage", 18, file(bomb_in_storage), Refused(errors.LimitExceeded, "grows from", late=True), heavy=True),
    Entry("bomb as the pickle", 18, file(bomb_in_pickle), Refused(errors.LimitExceeded, "grows from"), heavy=True),
    Entry("bomb as an npz", 18, file(bomb_in_npz), Refused(errors.LimitExceeded, "grows from", late=True), heavy=True),
    Entry("bomb in gzip", 18, file(lambda _: gzip.compress(ZIP + bytes(BIG), 1)), Refused(errors.LimitExceeded, "grows to more"),
        heavy=True),
    Entry("bomb in bzip2", 18, file(lambda _: bz2.compress(ZIP + bytes(BIG), 1)), Refused(errors.LimitExceeded, "grows to more"),
        heavy=True),
    Entry("bomb in xz", 18, file(lambda _: lzma.compress(ZIP + bytes(BIG), preset=0)), Refused(errors.LimitExceeded, "grows to more"),
        heavy=True),
    Entry("bomb in a bomb", 18, file(bomb_in_bomb), Refused(errors.LimitExceeded, "grows to more"), heavy=True),
    Entry("record inside another", 19, file(overlapping), two("overlaps another")),
    Entry("two names for one place", 19, file(central("version", header=0)), two("something else in that place")),
    Entry("record that reaches into the directory", 19, file(into_directory()), two("overlaps another")),
    Entry("sizes of 2**63", 20, file(wide((2**63, 2**63))), two("stored|one size|overlaps")),
    Entry("sizes that disagree", 20, file(wide((16, 12))), two("in another size than its own")),
    Entry("64-bit size missing", 20, file(wide((16,))), two("lacks a 64-bit size")),
    Entry("64-bit offset outside", 20, file(wide((16, 16, 2**40), header=0xFFFFFFFF)), two("outside itself")),
    Entry("64-bit end that disagrees", 20, file(archive(PLAIN, end64={"count": 3, "here": 3})), two("two ends that disagree")),
    Entry("64-bit end elsewhere", 20, file(archive(PLAIN, end64={"at": 2**40})), two("points outside")),
    Entry("64-bit end that is none", 20, file(archive(PLAIN, end64={"at": 0})), two("64-bit end that is none")),
    Entry("64-bit sizes, honest", 20, file(honest_wide), Read(1)),
    Entry("64-bit end, honest", 20, file(archive(PLAIN, end64={})), Read(1)),
    Entry("a million records, said", 21, file(archive(PLAIN, {"count": 0xFFFF, "here": 0xFFFF}, {"count": 10**6, "here": 10**6})),
        Refused(errors.LimitExceeded, "1,000,000 records")),
    Entry("thousands of empty records", 21, file(many), Read(1, says="2999 records of data")),
    Entry("second disk", 22, file(archive(PLAIN, {"disk": 1})), two("several disks")),
    Entry("directory on a second disk", 22, file(archive(PLAIN, {"first": 1})), two("several disks")),
    Entry("fewer records on this disk", 22, file(archive(PLAIN, {"here": 2})), two("several disks")),
    Entry("two disks of 64 bits", 22, file(archive(PLAIN, end64={"disks": 2})), two("several disks")),
    Entry("record on a second disk", 22, file(central("data/0", disk=3)), two("flags")),
    Entry("end in the comment", 23, file(with_comment(ZIP, ZIP[-22:])), two("two ends|gap")),
    Entry("archive in the comment", 23, file(with_comment(ZIP, ZIP)), two("two ends|gap|goes on")),
    Entry("two directories", 23, file(ZIP[:-22] + ZIP[ZIP.index(b"PK\x01\x02"):]), two("gap")),
    Entry("gap before the directory", None, file(archive(PLAIN, {"between": b"hidden"})), two("gap")),
    Entry("comment of words", None, file(with_comment(ZIP, b"saved by hand")), Read(1)),
    Entry("bytes before", 24, file(b"PK\x03\x04" + bytes(60) + ZIP), two("zip archive")),
    Entry("bytes after", 24, file(ZIP + b"more"), two("goes on after its end")),
    Entry("bytes before, and offsets to match", 24, file(archive([PLAIN[0]._replace(before=b"PK\x03\x04hidden"), *PLAIN[1:]])),
        two("bytes before its first record")),
    Entry("program with a zip", 24, file(b"\x7fELF" + bytes(60) + ZIP), Refused(errors.NotWeights, "program for Linux")),
    Entry("gzip and more", 24, file(gzip.compress(ZIP) + b"more"), two("cannot be unpacked")),
    Entry("legacy stream and a zip", 25, file(legacy(old_state()) + ZIP), two("two files in one")),
    Entry("legacy stream and a hostile zip", 25, file(lambda folder: legacy(old_state()) + torch_zip(hostile(folder))), two("two files")),
    Entry("hostile legacy stream and a zip", 25, file(lambda folder: legacy(old_state(("x", mark(folder)))) + ZIP), two("two files"),
        live=True),
    Entry("bare pickle and a zip", 25, file(lambda folder: program(mark(folder)) + ZIP), two("two files"), live=True),
    Entry("tar and a zip", 25, file(torch_tar(program(mapping(*TAR_STATE))) + ZIP), two("two files")),
    *(Entry(f"name: {name}", 26, file(named(record)), two("named|UTF-8")) for name, record in NAMES),
    Entry("names that differ in case", 26, file(named("archive/DATA/0")), two("differ only in case")),
    Entry("two roots", 27, file(roots("a", "b")), two("more than one checkpoint")),
    Entry("two pickles", 27, file(archive([*PLAIN, Member("archive/inner/data.pkl", state())])), two("more than one checkpoint")),
    Entry("record outside the root", 27, file(named("version")), two("more than one checkpoint")),
    Entry("pickle missing", 28, file(torch_zip(b"", **{"data.pkl": None})), Refused(errors.NotWeights, "not of weights")),
    Entry("pickle compressed", 28, file(archive(changed(PLAIN, "data.pkl", deflated=True))), Read(1, says="1 records are compressed")),
    Entry("pickle of 300 MiB", 28, large_pickle, Refused(errors.LimitExceeded, "314,572,800 bytes")),
    Entry("pickle empty", 28, file(torch_zip(b"")), Refused(errors.TruncatedFile, "ends inside its pickle")),
    Entry("version missing", 29, file(torch_zip(state(), version=None)), two("version")),
    Entry("version 99", 29, file(torch_zip(state(), version=b"99\n")), two("version")),
    Entry("version abc", 29, file(torch_zip(state(), version=b"abc\n")), two("version")),
    Entry("version of a MiB", 29, file(torch_zip(state(), version=b"3" * MIB)), Refused(errors.LimitExceeded, "1,048,576 bytes")),
    Entry("byte order not said", 30, file(torch_zip(state(), byteorder=None)), Read(1)),
    Entry("byte order big", 30, file(torch_zip(state(), byteorder=b"big")), Read(1, says="big-endian")),
    Entry("byte order middle", 30, file(torch_zip(state(), byteorder=b"middle")), two("byte order 'middle'|byte order b'middle'")),
    *(Entry(f"alignment: {name}", 31, file(torch_zip(state(), **{".storage_alignment": word})), Read(1, says="storage_alignment"))
      for name, word in ALIGNMENTS),
    *(Entry(f"tar: {name}", 32, file(tar({"storages": b""}, kind, "/etc/passwd")), two("a link, a device")) for name, kind in LINKS),
    Entry("tar: size in an extension", 32, file(tar({"storages": FLOATS}, size="9999999")), two("a link, a device, an extension")),
    Entry("tar: long name", 32, file(tar({"storages" * 40: FLOATS})), two("a link, a device, an extension")),
    Entry("tar: one name twice", 32, file(tar({"tensors": b""})[:512] + torch_tar(program(mapping(*TAR_STATE)))), two("stands twice")),
    Entry("tar: another", None, file(tar({"notes.txt": b"hello"})), Refused(errors.NotWeights, r"not of weights: it holds notes\.txt")),
    Entry("tar: hostile pickle", 45, file(hostile_tar), Read(1, Verdict.RUNS_CODE, r"os\.mkdir"), live=True),
    Entry("tar: tensor outside its storage", 63, file(torch_tar(program(mapping(*TAR_STATE)), tensors=program(number(1)) + program(
        sequence(number(10), number(1), label("torch.FloatTensor"))) + struct.pack("<2i3q", 1, 0, 5, 1, 0))), two("beyond its storage")),
    Entry("tar: storage that ends early", 10, file(torch_tar(program(mapping(*TAR_STATE)), storages=program(number(1)) + program(
        sequence(number(1), text("cpu"), label("torch.FloatStorage"))) + struct.pack("<q", 2**40) + FLOATS)),
        Refused(errors.TruncatedFile, "bytes of a storage")),
)  # fmt: skip
