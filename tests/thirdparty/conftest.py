"""Packages with weights that nobody here wrote. Their model code needs torch alone; what else they import is stood in for."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

STOOD_IN = (
    "librosa",
    "requests",
    "requests.adapters",
    "resampy",
    "torchaudio",
    "torchvision",
    "torchvision.ops",
    "torchvision.ops.boxes",
    "torchvision.transforms",
    "torchvision.transforms.functional",
    "tqdm",
    "tqdm.auto",
)
"""Imported by the packages at their top, never called by the code of their models."""


def stand_in(name: str) -> ModuleType:
    """A module of that name with nothing in it, which gives an empty class for whatever is imported from it."""
    module = ModuleType(name)
    vars(module)["__getattr__"] = lambda attribute: type(attribute, (), {})
    return module


def imported(package: str) -> Iterator[ModuleType]:
    """The package, imported among stand-ins; afterwards neither it nor they are left in `sys.modules`."""
    before = dict(sys.modules)
    sys.modules.update({name: stand_in(name) for name in STOOD_IN})
    try:
        yield importlib.import_module(package)
    finally:
        for name in set(sys.modules) - set(before):
            if name in STOOD_IN or name.partition(".")[0] == package:
                del sys.modules[name]
        sys.modules.update({name: before[name] for name in STOOD_IN if name in before})


@pytest.fixture
def facenet_pytorch() -> Iterator[ModuleType]:
    yield from imported("facenet_pytorch")


@pytest.fixture
def torchcrepe() -> Iterator[ModuleType]:
    yield from imported("torchcrepe")
