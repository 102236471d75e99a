"""Where torch's safe loader accepts a file of the corpus, its tensors are ours, bit for bit."""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import torch

import pthway
from pthway.checkpoint.torch_tensors import tensor
from pthway.formats.tensors import TensorSpec
from pthway.formats.values import PickledDict
from tests.corpus.catalogue import CORPUS
from tests.corpus.entry import Entry, Refused
from tests.formats.test_against_torch import raw

STRICTER: Final[Mapping[str, tuple[str, ...]]] = {
    "torch compares no checksums": ("bit of a storage", "checksum of a storage"),
    "another program would read another archive": (
        "two pickles, the hostile last", "two storages of one name", "another name in its place", "longer name in its place",
        "pickle of another name in its place", "another size in its place", "another packed size in its place",
        "another checksum in its place", "another method in its place", "other flags in its place", "flags: reserved",
        "record that reaches into the directory", "64-bit end that is none", "end in the comment", "archive in the comment",
        "two directories", "bytes after", "bytes before, and offsets to match", "legacy stream and a zip",
        "legacy stream and a hostile zip", "name: upwards", "name: nul", "name: terminal escape", "names that differ in case",
            "two pickles",
    ),
    "the stream of opcodes is none that a pickler writes": ("pickle: opcodes after the stop", "pickle: protocol 6", "pickle: protocol 255"),
    "one tensor would be lost without a word": (
        "dictionary: number as the name of a tensor", "dictionary: None as the name of a tensor", "dictionary: name twice",
    ),
    "no network has it": (
        "dictionary: name of 10 MB", "tensor: expanded to 8 TB", "tensor: expanded to 2**63 bytes", "tensor: 65 dimensions",
        "tensor: 10,000 dimensions",
    ),
    "two descriptions of one storage contradict each other": ("one storage, two sizes", "one storage, two types"),
    "its numbers would be undefined": (
        "quantised with the scale 0", "quantised with the scale NaN", "quantised with the zero point 900", "booleans that are none",
    ),
    "its numbers were never saved": ("meta",),
    "numpy has no such type; pthway.load reads it": ("complex32", "float4"),
}  # fmt: skip
"""Why pthway refuses what torch accepts, and the files."""

REFUSED: Final = frozenset(name for names in STRICTER.values() for name in names)

SLOW: Final = ("holds itself", "without end", "nested", "GiB", "collide", "300 MiB", "under ", "prefix")
"""Words in the names of files that torch takes seconds for, or of which there are many alike."""


def tensors(value: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """The tensors in what torch loaded or pthway described, by path; what is shared is looked at once."""
    seen = set() if seen is None else seen
    if isinstance(value, torch.Tensor | TensorSpec):
        yield path, value
    elif id(value) not in seen:
        seen.add(id(value))
        pairs: Any = ()
        if isinstance(value, PickledDict):
            pairs = value.pairs
        elif isinstance(value, dict):
            pairs = value.items()
        elif type(value) in (list, tuple):
            pairs = enumerate(value)
        for key, entry in pairs:
            yield from tensors(entry, f"{path}/{key}", seen)


def loaded(path: Path) -> Any:
    """What torch's safe loader makes of the file; None if it refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, weights_only=True)
    except Exception:  # noqa: BLE001  # torch raises what it likes
        return None


def comparable(entry: Entry) -> bool:
    return not (entry.heavy or entry.meanwhile or any(word in entry.name for word in SLOW))


COMPARED: Final = tuple(filter(comparable, CORPUS))


@pytest.mark.parametrize("entry", COMPARED, ids=lambda entry: entry.name.replace(" ", "-"))
def test_torch_and_pthway_agree(entry: Entry, tmp_path: Path) -> None:
    path = entry.write(tmp_path)
    value = loaded(path) if path.is_file() else None
    assert (value is not None and isinstance(entry.answer, Refused)) == (entry.name in REFUSED)
    if value is None or isinstance(entry.answer, Refused):
        return
    checkpoint = pthway.open(path)
    specs = dict(tensors(checkpoint.container.parts.root))
    found = {name: one for name, one in tensors(value) if one.layout == torch.strided and not one.is_quantized and not one.is_nested}
    assert list(specs) == list(found)
    blocks: dict[str, torch.UntypedStorage] = {}
    for name, spec in specs.items():
        read = tensor(checkpoint.container, spec, name, blocks)
        assert (read.dtype, read.shape, read.stride()) == (found[name].dtype, found[name].shape, found[name].stride())
        assert raw(read) == raw(found[name])


def test_every_stricter_answer_was_compared() -> None:
    assert {entry.name for entry in COMPARED} >= REFUSED
