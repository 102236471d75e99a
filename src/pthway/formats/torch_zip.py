"""The zip form of ``torch.save``: one pickle, and one record a storage."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from pthway import _lazy
from pthway.formats import limits, torch_records
from pthway.formats.file_bytes import FileBytes
from pthway.formats.nested import Nested
from pthway.formats.parts import Format, Parts
from pthway.formats.rebuild import of_one_type, storages
from pthway.formats.tensors import StorageSpec
from pthway.formats.values import PickledDict
from pthway.formats.zip_archive import Record, corrupt, read_record

_POINTER_DIGITS: Final = 12
"""Storage keys were memory addresses until 1.8, and count from 0 since."""

_BIG_ENDIAN: Final = {
    "little": (),
    "big": ("Its numbers are big-endian (record byteorder), and are turned around when they are read.",),
}


def read(source: FileBytes, records: Mapping[str, Record]) -> Parts:
    """Take a torch zip with these records apart. Raises `CorruptFile` for one that contradicts itself."""
    root = _root(source, records)
    table, persistent = storages()
    byteorder = torch_records.byteorder(source, records, root)
    nested = Nested(source, torch_records.required(source, records, f"{root}/data.pkl").size)
    decoded = nested.joined([torch_records.unpickled(source, records, f"{root}/data.pkl", of_one_type(persistent, table), nested)])
    nested.check_beside(table, byteorder)
    places = {key: torch_records.place(source, records, f"{root}/data/{key}", spec) for key, spec in table.items()}
    return Parts(
        format=Format.TORCH_ZIP,
        root=decoded.value,
        storages=table | nested.storages,
        places=places | nested.places(),
        calls=decoded.calls,
        classes=decoded.classes,
        globals=decoded.globals,
        byteorder=byteorder,
        stem=root,
        written_by=_written_by(records, root, table),
        notes=(*_notes(source, records, root, table), *_BIG_ENDIAN[byteorder]),
        beside=_noted(source, records, root),
    )


def _noted(source: FileBytes, records: Mapping[str, Record], root: str) -> Mapping[str, object]:
    """What pthway noted when it wrote the file."""
    record = records.get(f"{root}/.data/pthway")
    if record is None:
        return {}
    parse: Callable[[bytes, str], object] = _lazy.load("pthway.formats.json_text:parse")
    found = parse(read_record(source, record, 4 * limits.MIB), f"The record .data/pthway of {source.path}")
    return {key: value for key, value in found.pairs if isinstance(key, str)} if isinstance(found, PickledDict) else {}


def _root(source: FileBytes, records: Mapping[str, Record]) -> str:
    pickles = [name for name in records if name.endswith("/data.pkl")]
    if len(pickles) > 1:
        raise corrupt(source, f"holds more than one checkpoint: {torch_records.listed(pickles)}")
    root = torch_records.root_folder(source, records)
    torch_records.version(source, records, root)
    if len({name.casefold() for name in records}) != len(records):
        raise corrupt(source, "has records whose names differ only in case")
    return root


def _written_by(records: Mapping[str, Record], root: str, table: Mapping[str, StorageSpec]) -> str:
    if f"{root}/.data/pthway" in records:
        return "pthway (record .data/pthway)"
    if f"{root}/.format_version" in records:
        return "torch 2.7 or later (record .format_version)"
    if f"{root}/byteorder" in records or f"{root}/.data/serialization_id" in records:
        return "torch 2.1 to 2.6 (record byteorder or serialization_id, no .format_version)"
    if any(len(key) >= _POINTER_DIGITS for key in table):
        return "torch 1.4 to 1.8 (storages named by memory address)"
    return "torch 1.9 to 2.0 (numbered storages, no record byteorder)"


def _notes(source: FileBytes, records: Mapping[str, Record], root: str, table: Mapping[str, StorageSpec]) -> tuple[str, ...]:
    notes = []
    alignment = records.get(f"{root}/.storage_alignment")
    word = read_record(source, alignment, torch_records.SMALL) if alignment else b"64"
    if not word.isdigit() or not 0 < int(word) <= limits.MIB:
        notes.append(f"Its record .storage_alignment says {word[:20]!a}, which is no alignment; it is not used.")
    unused = [record for name, record in records.items() if _is_data(name, root) and name.rpartition("/")[2] not in table]
    if unused:
        total = sum(record.size for record in unused)
        notes.append(f"{len(unused)} records of data ({total:,} bytes) belong to no tensor.")
    return (*notes, *torch_records.repacked(records))


def _is_data(name: str, root: str) -> bool:
    return re.fullmatch(re.escape(root) + r"/data/[^/]+", name) is not None
