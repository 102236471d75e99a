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
from tests.corpus.entry import Entry, Read
from tests.formats.test_against_torch import raw

STRICTER: Final[Mapping[str, str]] = {}
"""Files that torch accepts and pthway refuses, with the reason."""


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
    return not (entry.heavy or entry.meanwhile or "holds itself" in entry.name or "without end" in entry.name or "nested" in entry.name or "GiB" in entry.name)


@pytest.mark.parametrize("entry", list(filter(comparable, CORPUS)), ids=lambda entry: entry.name.replace(" ", "-"))
def test_torch_and_pthway_agree(entry: Entry, tmp_path: Path) -> None:
    path = entry.write(tmp_path)
    if not path.is_file():
        return
    value = loaded(path)
    if value is None:
        return
    if not isinstance(entry.answer, Read):
        print("STRICTER", entry.name)
        return
    checkpoint = pthway.open(path)
    specs = dict(tensors(checkpoint.container.parts.root))
    found = {name: one for name, one in tensors(value) if one.layout == torch.strided and not one.is_quantized and not one.is_nested}
    assert list(specs) == list(found)
    print("SAME", entry.name, len(found))
    blocks: dict[str, torch.UntypedStorage] = {}
    for name, spec in specs.items():
        read = tensor(checkpoint.container, spec, name, blocks)
        assert (read.dtype, read.shape, read.stride()) == (found[name].dtype, found[name].shape, found[name].stride())
        assert raw(read) == raw(found[name])
