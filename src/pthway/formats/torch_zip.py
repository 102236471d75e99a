"""The zip form of ``torch.save``: one pickle, and one record a storage."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from pthway.errors import CorruptFile, NotWeights
from pthway.formats import limits
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Format, Parts, Place
from pthway.formats.pickle_machine import NeedMoreBytes, decode, refuse_truncation
from pthway.formats.rebuild import CONSTRUCTORS, storages
from pthway.formats.tensors import StorageSpec
from pthway.formats.zip_archive import Record, corrupt, read_directory, read_record

_SMALL: Final = 4096
"""Bytes of the records that hold a word or a number."""

_POINTER_DIGITS: Final = 12
"""Storage keys were memory addresses until 1.8, and count from 0 since."""


def read(source: FileBytes) -> Parts:
    """Take a torch zip apart. Raises `NotWeights` for a zip of another kind, `CorruptFile` for one that contradicts itself."""
    records = read_directory(source)
    root = _root(source, records)
    pickled = read_record(source, records[f"{root}/data.pkl"], limits.MAX_PICKLE_BYTES)
    table, persistent = storages()
    try:
        decoded = decode(pickled, 0, CONSTRUCTORS, persistent)
    except NeedMoreBytes as cause:
        raise refuse_truncation(cause, f"{root}/data.pkl in {source.path}") from cause
    if decoded.end != len(pickled):
        raise corrupt(source, f"has {len(pickled) - decoded.end:,} bytes after the end of its pickle")
    places = {key: _place(source, records, root, spec) for key, spec in table.items()}
    return Parts(
        format=Format.TORCH_ZIP,
        root=decoded.value,
        storages=table,
        places=places,
        calls=decoded.calls,
        classes=decoded.classes,
        byteorder=_byteorder(source, records, root),
        stem=root,
        written_by=_written_by(records, root, table),
        notes=_notes(records, root, table),
    )


def _root(source: FileBytes, records: Mapping[str, Record]) -> str:
    pickles = [name for name in records if name.endswith("/data.pkl")]
    if not pickles:
        raise NotWeights(
            f"{source.path} is a zip archive, but not of weights: it holds {_listed(records)}.",
            "torch.save writes a record data.pkl in one folder.",
            "Unpack it and look for the weights inside, or ask for the file that torch.save wrote.",
        )
    roots = {name.partition("/")[0] for name in records}
    root = pickles[0].removesuffix("/data.pkl")
    if len(pickles) > 1 or roots != {root}:
        raise corrupt(source, f"holds more than one checkpoint: {_listed(pickles if len(pickles) > 1 else sorted(roots))}")
    if f"{root}/constants.pkl" in records:
        raise NotWeights(
            f"{source.path} is a TorchScript archive: weights and code in one.",
            "This version of pthway reads what torch.save writes.",
            "Load it with torch.jit.load(path); its weights are torch.jit.load(path).state_dict().",
        )
    version = records.get(f"{root}/version")
    if version and not read_record(source, version, _SMALL).strip().isdigit():
        raise corrupt(source, "has a version that is not a number")
    return root


def _listed(names: object) -> str:
    found = [ascii(name)[1:-1] for name in names]  # type: ignore[attr-defined]  # an iterable of names
    return ", ".join(found[:4]) + (f", … ({len(found)} in all)" if len(found) > 4 else "")  # noqa: PLR2004  # names shown


def _place(source: FileBytes, records: Mapping[str, Record], root: str, spec: StorageSpec) -> Place:
    record = records.get(f"{root}/data/{spec.key}")
    if record is None:
        raise CorruptFile(
            f"{source.path} lacks the record data/{ascii(spec.key)[1:-1]}, {spec.nbytes:,} bytes that its tensors need.",
            "Part of the weights was never written, or was removed.",
            "Download or save it again.",
        )
    if record.size != spec.nbytes:
        raise CorruptFile(
            f"The record data/{ascii(spec.key)[1:-1]} of {source.path} has {record.size:,} bytes; its tensors need {spec.nbytes:,}.",
            "Description and data do not belong together.",
            "Download or save it again.",
        )
    return Place(source, record.offset, record.packed, record)


def _byteorder(source: FileBytes, records: Mapping[str, Record], root: str) -> Literal["little", "big"]:
    record = records.get(f"{root}/byteorder")
    word = read_record(source, record, _SMALL) if record else b"little"
    if word == b"little":
        return "little"
    if word == b"big":
        return "big"
    raise corrupt(source, f"has the byte order {word[:20]!a}")


def _written_by(records: Mapping[str, Record], root: str, table: Mapping[str, StorageSpec]) -> str:
    if f"{root}/.format_version" in records:
        return "torch 2.7 or later (record .format_version)"
    if f"{root}/byteorder" in records or f"{root}/.data/serialization_id" in records:
        return "torch 2.1 to 2.6 (record byteorder or serialization_id, no .format_version)"
    if any(len(key) >= _POINTER_DIGITS for key in table):
        return "torch 1.4 to 1.8 (storages named by memory address)"
    return "torch 1.9 to 2.0 (numbered storages, no record byteorder)"


def _notes(records: Mapping[str, Record], root: str, table: Mapping[str, StorageSpec]) -> tuple[str, ...]:
    notes = []
    unused = [record for name, record in records.items() if _is_data(name, root) and name.rpartition("/")[2] not in table]
    if unused:
        total = sum(record.size for record in unused)
        notes.append(f"{len(unused)} records of data ({total:,} bytes) belong to no tensor.")
    packed = sum(not record.stored for record in records.values())
    if packed:
        notes.append(f"{packed} records are compressed: the archive was repacked by another program than torch, and cannot be mapped.")
    return tuple(notes)


def _is_data(name: str, root: str) -> bool:
    return re.fullmatch(re.escape(root) + r"/data/[^/]+", name) is not None
