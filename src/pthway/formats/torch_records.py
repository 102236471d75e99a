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

_VERSIONS: Final = range(1, 11)
"""kMinSupportedFileFormatVersion and kMaxSupportedFileFormatVersion of caffe2/serialize/versions.h."""

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
    content = read_record(source, required(source, records, name), limits.MAX_PICKLE_BYTES)
    try:
        decoded = decode(content, 0, nested.constructors if nested else CONSTRUCTORS, persistent, nested.budget if nested else None)
    except NeedMoreBytes as cause:
        raise refuse_truncation(cause, f"{name} in {source.path}") from cause
    if decoded.end != len(content):
        raise corrupt(source, f"has {len(content) - decoded.end:,} bytes after the end of its pickle")
    return decoded


def required(source: FileBytes, records: Mapping[str, Record], name: str) -> Record:
    """The record of a pickle. Raises `CorruptFile` if there is none."""
    if name not in records:
        raise CorruptFile(
            f"{source.path} lacks the record {listed([name.partition('/')[2] or name])}.",
            "The description of its tensors stands there.",
            "Download or save it again.",
        )
    return records[name]


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


def version(source: FileBytes, records: Mapping[str, Record], root: str) -> int:
    """The number in the record ``version``. Raises `CorruptFile` where torch would refuse: without it, or for one it does not know."""
    record = records.get(f"{root}/version") or records.get(f"{root}/.data/version")
    text = read_record(source, record, SMALL).strip() if record else b"nothing"
    if text.isdigit() and len(text) < len("1000") and int(text) in _VERSIONS:
        return int(text)
    raise CorruptFile(
        f"The record version of {source.path} says {text[:20]!a}.",
        f"torch reads the versions {_VERSIONS[0]} to {_VERSIONS[-1]}, and refuses an archive that does not say one.",
        "Save it again with torch.save, or update pthway if a newer torch wrote it.",
    )


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
