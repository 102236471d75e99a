"""What ``torch.export.save`` writes (.pt2): the weights, and which torch wrote them. The program is neither built nor run."""

from collections.abc import Mapping
from math import prod
from typing import Final

from pthway.errors import CorruptFile, NotWeights
from pthway.formats import json_text, limits, torch_records, torch_zip
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Format, Parts
from pthway.formats.rebuild import strided
from pthway.formats.spool import spooled
from pthway.formats.tensors import DTYPES, StorageSpec, TensorSpec
from pthway.formats.values import PickledDict
from pthway.formats.zip_archive import Record, read_directory, read_record

_TYPES: Final[Mapping[int, str]] = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 9: "complex32",
    10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2",
    31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu", 34: "uint32", 35: "uint64",
}  # fmt: skip
"""Numbers of element types in torch/_export/serde/schema.py → torch's names."""

_CONFIG: Final = "_weights_config.json"
_CONSTANTS: Final = "_constants_config.json"

_Pairs = list[tuple[object, object]]


def read(source: FileBytes, records: Mapping[str, Record]) -> Parts:
    """Take a .pt2 archive apart, as torch writes it since 2.8. Raises `NotWeights` for compiled code without weights."""
    root = torch_records.root_folder(source, records)
    weights = _Weights(source, records, root)
    models = {name: weights.named(name) for name in _models(records, f"{root}/data/weights/", _CONFIG)}
    constants = {name: weights.constants(name) for name in _models(records, f"{root}/data/constants/", _CONSTANTS)}
    compiled = sorted({name.split("/")[3] for name in records if name.startswith(f"{root}/data/aotinductor/") and name.count("/") > 3})  # noqa: PLR2004
    if not models:
        raise NotWeights(
            f"{source.path} is a compiled program of AOTInductor{' for ' + torch_records.listed(compiled) if compiled else ''}.",
            "It is machine code, with its weights inside; pthway reads weights and runs no code of a file.",
            "Load it with torch._inductor.aoti_load_package(path), if you trust its author.",
        )
    version = _torch_version(source, records, root)
    return Parts(
        format=Format.EXPORTED,
        root=PickledDict(pairs=next(iter(models.values()))) if len(models) == 1 else PickledDict(pairs=_as_dicts(models)),
        storages=weights.storages,
        places={key: torch_records.place(source, records, f"{root}/{key}", spec) for key, spec in weights.storages.items()},
        calls=(),
        classes=(),
        byteorder=torch_records.byteorder(source, records, root),
        stem=root,
        written_by=f"torch.export.save of torch {version}" if version else "torch.export.save (record archive_format)",
        notes=_notes(weights, compiled, records, root),
        beside=dict(_as_text(_as_dicts({f"constants of {name}": pairs for name, pairs in constants.items() if pairs}))),
    )


def _as_text(pairs: _Pairs) -> list[tuple[str, object]]:
    return [(str(name), value) for name, value in pairs]


def _as_dicts(named: Mapping[str, _Pairs]) -> _Pairs:
    return [(name, PickledDict(pairs=pairs)) for name, pairs in named.items()]


def _models(records: Mapping[str, Record], folder: str, ending: str) -> list[str]:
    return [name.removeprefix(folder).removesuffix(ending) for name in records if name.startswith(folder) and name.endswith(ending)]


class _Weights:
    """The storages that the tables of an archive name, and what could not be read."""

    def __init__(self, source: FileBytes, records: Mapping[str, Record], root: str) -> None:
        self.source, self.records, self.root = source, records, root
        self.storages: dict[str, StorageSpec] = {}
        self.pickled: list[str] = []

    def named(self, model: str) -> _Pairs:
        """The weights of one model by name."""
        return self.table("data/weights", f"{model}{_CONFIG}")

    def constants(self, model: str) -> _Pairs:
        """Its constants: tensors of the program that are no parameters, and buffers that are not saved by ``state_dict()``."""
        return self.table("data/constants", f"{model}{_CONSTANTS}")

    def table(self, folder: str, name: str) -> _Pairs:
        """The tensors that one table names."""
        record = self.records[f"{self.root}/{folder}/{name}"]
        text = read_record(self.source, record, limits.MAX_HEADER_BYTES)
        table = json_text.parse(text, f"The record {folder}/{name} of {self.source.path}")
        config = table.get("config") if isinstance(table, PickledDict) else None
        if not isinstance(config, PickledDict):
            raise self.corrupt(name, "has no table of weights")
        return [(key, spec) for key, entry in config.pairs if (spec := self.tensor(folder, str(key), entry)) is not None]

    def tensor(self, folder: str, key: str, entry: object) -> TensorSpec | None:
        """One tensor of a table; None, and a note, for one that was pickled."""
        if not isinstance(entry, PickledDict):
            raise self.corrupt(key, "is described by no object")
        meta, path = entry.get("tensor_meta"), entry.get("path_name")
        if entry.get("use_pickle") is not False or not isinstance(meta, PickledDict) or not isinstance(path, str):
            self.pickled.append(key)
            return None
        code = meta.get("dtype")
        dtype = _TYPES.get(code) if isinstance(code, int) else None
        if dtype is None:
            raise self.corrupt(key, f"has the unknown element type {str(code)[:20]}")
        try:
            shape, stride = _numbers(meta.get("sizes")), _numbers(meta.get("strides"))
            (offset,) = _numbers([meta.get("storage_offset")])
            spec = strided(self.storage(f"{folder}/{path}", dtype, shape), offset, shape, stride, dtype)
        except ValueError as cause:
            raise self.corrupt(key, f"cannot be: {cause}") from cause
        return spec._replace(parameter=entry.get("is_param") is True, requires_grad=meta.get("requires_grad") is True)

    def storage(self, key: str, dtype: str, shape: tuple[int, ...]) -> StorageSpec:
        """The storage in the record *key*: the whole record; nothing needs to be there for a tensor without elements."""
        record = self.records.get(f"{self.root}/{key}")
        size = record.size if record else prod(shape) * DTYPES[dtype]
        if size % DTYPES[dtype]:
            raise ValueError(f"its record has {size:,} bytes, which is no whole number of {dtype}")
        return self.storages.setdefault(key, StorageSpec(key, dtype, size // DTYPES[dtype], "cpu"))

    def corrupt(self, name: str, how: str) -> CorruptFile:
        """The error for a table that does not fit."""
        return CorruptFile(
            f"{name[:80]!a} in {self.source.path} {how}.", "The table of weights and the records do not fit.", "Export and save it again."
        )


def _numbers(values: object) -> tuple[int, ...]:
    """The sizes in ``[{"as_int": 2}, …]``."""
    if isinstance(values, list) and len(values) > limits.MAX_DIMENSIONS:
        raise ValueError(f"it has {len(values):,} dimensions")
    found = [value.get("as_int") if isinstance(value, PickledDict) else None for value in (values if isinstance(values, list) else [None])]
    if not all(type(number) is int for number in found):
        raise ValueError("a size is no number")
    return tuple(number for number in found if isinstance(number, int))


def _torch_version(source: FileBytes, records: Mapping[str, Record], root: str) -> str | None:
    """The release that the first program names."""
    name = next((name for name in records if name.startswith(f"{root}/models/") and name.endswith(".json")), None)
    if name is None or records[name].size > limits.MAX_CODE_BYTES:
        return None
    program = json_text.parse(read_record(source, records[name], limits.MAX_CODE_BYTES), f"The record {name} of {source.path}")
    version = program.get("torch_version") if isinstance(program, PickledDict) else None
    return version[:40] if isinstance(version, str) and version.isprintable() else None


def _notes(weights: _Weights, compiled: list[str], records: Mapping[str, Record], root: str) -> tuple[str, ...]:
    notes = ["It holds the whole network as a program; it runs with torch.export.load(path).module() without the class."]
    if weights.pickled:
        notes.append(f"Saved as pickles of a tensor subclass, and not read: {torch_records.listed(weights.pickled)}.")
    if compiled:
        notes.append(f"It also holds machine code of AOTInductor for {torch_records.listed(compiled)}, which is not loaded.")
    if any(name.startswith(f"{root}/data/sample_inputs/") for name in records):
        notes.append("Its sample inputs are a pickle, and are not read.")
    return tuple(notes)


def read_older(source: FileBytes, records: Mapping[str, Record]) -> Parts:
    """Take the archive of torch 2.1 to 2.7 apart: its weights are a checkpoint inside it."""
    inside = records.get("serialized_state_dict.pt")
    if inside is None:
        raise NotWeights(
            f"{source.path} is an exported program without weights that can be read: it holds {torch_records.listed(records)}.",
            "torch.export.save of 2.1 to 2.7 kept them in a record serialized_state_dict.pt.",
            "Load it with torch.export.load in the torch that wrote it, and save it again.",
        )
    checkpoint = spooled(source, [read_record(source, inside, max(source.size, inside.packed))])
    parts = torch_zip.read(checkpoint, read_directory(checkpoint))
    schema = read_record(source, records["version"], torch_records.SMALL).decode("ascii", "replace") if "version" in records else "unknown"
    return parts._replace(
        format=Format.EXPORTED,
        stem=None,
        written_by=f"torch.export.save of torch 2.1 to 2.7 (schema version {schema!a})",
        notes=("It holds the whole network as a program; it runs with torch.export.load(path).module().", *parts.notes),
    )
