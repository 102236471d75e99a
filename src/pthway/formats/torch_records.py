"""What all zip archives of torch have in common: one root folder, pickles, and a record for every storage."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from pthway.errors import CorruptFile, LimitExceeded
from pthway.formats import limits
from pthway.formats.file_bytes import FileBytes
from pthway.formats.nested import Nested
from pthway.formats.parts import Place
from pthway.formats.pickle_machine import NeedMoreBytes, Pickled, decode, refuse_truncation
from pthway.formats.rebuild import CONSTRUCTORS
from pthway.formats.tensors import StorageSpec
from pthway.formats.zip_archive import Record, corrupt, read_record

SMALL: Final = 4096
"""Bytes of the records that hold a word or a number."""


def root_folder(source: FileBytes, records: Mapping[str, Record]) -> str:
    """The one folder that holds all records. Raises `CorruptFile` if there are several, since it is not clear which one is meant."""
    roots = {name.partition("/")[0] for name in records}
    if len(roots) != 1:
        raise corrupt(source, f"holds more than one checkpoint: {listed(sorted(roots))}")
    return roots.pop()


def unpickled(
    source: FileBytes, records: Mapping[str, Record], name: str, persistent: Callable[[object], object], nested: Nested | None = None
) -> Pickled:
    """The pickle in the record *name*, decoded; the torch files inside it go to *nested*."""
    content = read_record(source, records[name], limits.MAX_PICKLE_BYTES)
    try:
        decoded = decode(content, 0, nested.constructors if nested else CONSTRUCTORS, persistent, nested.budget if nested else None)
    except NeedMoreBytes as cause:
        raise refuse_truncation(cause, f"{name} in {source.path}") from cause
    if decoded.end != len(content):
        raise corrupt(source, f"has {len(content) - decoded.end:,} bytes after the end of its pickle")
    return decoded


def place(source: FileBytes, records: Mapping[str, Record], name: str, spec: StorageSpec) -> Place:
    """Where the record *name* lies, which holds the bytes of a storage."""
    shown = ascii(name.partition("/")[2])[1:-1]
    record = records.get(name)
    if record is None:
        raise CorruptFile(
            f"{source.path} lacks the record {shown}, {spec.nbytes:,} bytes that its tensors need.",
            "Part of the weights was never written, or was removed.",
            "Download or save it again.",
        )
    if record.size != spec.nbytes:
        raise CorruptFile(
            f"The record {shown} of {source.path} has {record.size:,} bytes; its tensors need {spec.nbytes:,}.",
            "Description and data do not belong together.",
            "Download or save it again.",
        )
    return Place(source, record.offset, record.packed, record)


def byteorder(source: FileBytes, records: Mapping[str, Record], root: str) -> Literal["little", "big"]:
    """The order of the bytes of every number. Files before 2.1 do not say it, and are little-endian."""
    record = records.get(f"{root}/byteorder")
    word = read_record(source, record, SMALL) if record else b"little"
    if word == b"little":
        return "little"
    if word == b"big":
        return "big"
    raise corrupt(source, f"has the byte order {word[:20]!a}")


def check_version(source: FileBytes, records: Mapping[str, Record], name: str) -> int | None:
    """The number in a version record; None if there is none. Raises `CorruptFile` for what is no number."""
    record = records.get(name)
    if record is None:
        return None
    text = read_record(source, record, SMALL).strip()
    if not text.isdigit() or len(text) > len("1000"):
        raise corrupt(source, "has a version that is not a number")
    return int(text)


def repacked(records: Mapping[str, Record]) -> tuple[str, ...]:
    """The note on records that are compressed, which torch never does."""
    packed = sum(not record.stored for record in records.values())
    if not packed:
        return ()
    return (f"{packed} records are compressed: the archive was repacked by another program than torch, and cannot be mapped.",)


def listed(names: Iterable[str]) -> str:
    """The first names, and how many there are."""
    found = [ascii(name)[1:-1] for name in names]
    return ", ".join(found[:4]) + (f", … ({len(found)} in all)" if len(found) > 4 else "")  # noqa: PLR2004  # names shown


def too_large(source: FileBytes, what: str, size: int, limit: int) -> LimitExceeded:
    """The error for a part of the archive that is larger than honest ones."""
    return LimitExceeded(f"{source.path} has {size:,} bytes for {what}.", f"At most {limit:,} are read.", "Check where the file came from.")
