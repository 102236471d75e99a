"""TorchScript archives: the weights of the module tree, and its program as text. Nothing of it is run."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pthway.formats import limits, torch_records
from pthway.formats.file_bytes import FileBytes
from pthway.formats.names import Names
from pthway.formats.nested import Nested
from pthway.formats.parts import Format, Parts
from pthway.formats.rebuild import storages
from pthway.formats.steps import Steps
from pthway.formats.tensors import CompositeSpec, TensorSpec
from pthway.formats.values import Opaque, PickledDict, is_sequence
from pthway.formats.zip_archive import Record, read_record

_CLASS: Final = re.compile(r"^class (\w+)\(Module\):\n(?:  __parameters__ = \[(.*)\]\n)?(?:  __buffers__ = \[(.*)\]\n)?", re.MULTILINE)
_NAME: Final = re.compile(r'"([^"]*)"')

_SINCE: Final[Mapping[int, str]] = {
    1: "1.2", 2: "1.4", 3: "1.6", 4: "1.6", 5: "1.7", 6: "1.9", 7: "1.10", 8: "1.11", 9: "1.11", 10: "1.12",
}  # fmt: skip
"""The number in the record ``version`` → the first torch that reads it. The operators of the program decide it, not the writer."""

_Pairs = list[tuple[object, object]]

_Named = dict[str, tuple[str, ...]]
"""Class → the names of its attributes that are parameters and buffers."""


def read(source: FileBytes, records: Mapping[str, Record]) -> Parts:
    """Take a TorchScript archive apart. Raises `CorruptFile` for one that contradicts itself."""
    root = torch_records.root_folder(source, records)
    version = torch_records.version(source, records, root)
    table, persistent = storages()
    nested = Nested(source, torch_records.required(source, records, f"{root}/data.pkl").size)
    module = torch_records.unpickled(source, records, f"{root}/data.pkl", persistent, nested)
    places = {key: torch_records.place(source, records, f"{root}/data/{key}", spec) for key, spec in table.items()}
    constant_table, constant = storages("constants/")
    constants = torch_records.unpickled(source, records, f"{root}/constants.pkl", constant, nested)
    places |= {key: torch_records.place(source, records, f"{root}/{key}", spec) for key, spec in constant_table.items()}
    byteorder = torch_records.byteorder(source, records, root)
    nested.check_beside(table | constant_table, byteorder)
    everything = nested.joined([module, constants])
    code = _code(source, records, root)
    tensors, attributes = _module(module.value, _weights_of(code))
    held = _held(constants.value)
    return Parts(
        format=Format.TORCHSCRIPT,
        root=PickledDict(pairs=tensors or held),
        storages=table | constant_table | nested.storages,
        places=places | nested.places(),
        calls=everything.calls,
        classes=everything.classes,
        globals=everything.globals,
        byteorder=byteorder,
        stem=root,
        written_by=_written_by(records, root, version),
        notes=_notes(records, root, tensors, held),
        beside=_beside(attributes, held if tensors else [], code),
    )


def _held(constants: object) -> _Pairs:
    """The tensors among the program's constants, under the names that the program calls them by."""
    values = constants if is_sequence(constants) else []
    return [(f"c{index}", value) for index, value in enumerate(values) if isinstance(value, TensorSpec | CompositeSpec)]


def _module(value: object, named: _Named) -> tuple[_Pairs, _Pairs]:
    """Parameters and buffers by path, as ``state_dict()`` of the loaded module has them, and the other attributes."""
    tensors: _Pairs = []
    attributes: _Pairs = []
    for path, kind, name, entry in _walk(value, "", 0, Steps(), Names()):
        weights = named.get(kind)
        if isinstance(entry, TensorSpec | CompositeSpec) and (weights is None or name in weights):
            tensors.append((path, entry))
        elif name not in ("training", "_is_full_backward_hook"):
            attributes.append((path, entry))
    return tensors, attributes


def _walk(value: object, path: str, depth: int, steps: Steps, names: Names) -> Iterator[tuple[str, str, str, object]]:
    """Every attribute: its path, its module's class, its own name, its value."""
    if not isinstance(value, Opaque) or not isinstance(value.state, PickledDict):
        return
    steps.enter(depth)
    names.look(len(value.state))
    children = []
    for name, entry in value.state.pairs:
        if isinstance(name, str):
            if isinstance(entry, Opaque) and isinstance(entry.state, PickledDict):
                children.append((name, entry))
            else:
                yield names.join(path, name), value.name, name, entry
    for name, entry in children:
        yield from _walk(entry, names.join(path, f"{name}."), depth + 1, steps, names)


def _code(source: FileBytes, records: Mapping[str, Record], root: str) -> dict[str, str]:
    """The program: path of each file in the archive → its text."""
    names = [name for name in records if name.startswith(f"{root}/code/") and name.endswith(".py")]
    total = sum(records[name].size for name in names)
    if total > limits.MAX_CODE_BYTES:
        raise torch_records.too_large(source, "its program", total, limits.MAX_CODE_BYTES)
    return {name.removeprefix(f"{root}/"): read_record(source, records[name], total).decode("utf-8", "replace") for name in names}


def _weights_of(code: Mapping[str, str]) -> _Named:
    return {
        f"{path.removeprefix('code/').removesuffix('.py').replace('/', '.')}.{name}": (*_NAME.findall(parameters), *_NAME.findall(buffers))
        for path, text in code.items()
        for name, parameters, buffers in _CLASS.findall(text)
    }


def _beside(attributes: _Pairs, constants: _Pairs, code: Mapping[str, str]) -> dict[str, object]:
    beside: dict[str, object] = dict(code)
    if attributes:
        beside["attributes"] = PickledDict(pairs=attributes)
    if constants:
        beside["constants"] = PickledDict(pairs=constants)
    return beside


def _written_by(records: Mapping[str, Record], root: str, version: int) -> str:
    if f"{root}/byteorder" in records:
        return f"torch.jit.save of torch 2.1 or later (record byteorder; archive version {version})"
    return f"torch.jit.save of torch {_SINCE[version]} or later (archive version {version})"


def _notes(records: Mapping[str, Record], root: str, tensors: _Pairs, constants: _Pairs) -> tuple[str, ...]:
    notes = ["It holds the whole network as a program; it runs with torch.jit.load(path) without the class."]
    if constants and not tensors:
        notes.append("The module was frozen: its weights are constants of the program, named c0, c1, … by their number.")
    if f"{root}/bytecode.pkl" in records:
        notes.append("It was saved for PyTorch Mobile too (record bytecode.pkl).")
    return tuple(notes)
