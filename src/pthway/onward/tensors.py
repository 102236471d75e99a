"""The weights alone, as one safetensors file: every name of the state dict, also those whose tensor is stored under another one."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from pthway.bundle.folder import WEIGHTS, Bundle
from pthway.errors import NotExportable
from pthway.onward.target import Written

SHARED: Final = "pthway.shared"
"""In the metadata of the bundle's weights: names whose tensor is stored under another name, as JSON."""


def write(bundle: Bundle, out: Path) -> Written:
    """Write the weights under all their names, and compare every one with the bundle's."""
    tensors, shared = _read(bundle.file(WEIGHTS))
    whole = tensors | {name: tensors[kept].copy() for name, kept in shared.items()}
    save_file(whole, out, metadata={"format": "pt"})
    again, _ = _read(out)
    if again.keys() != whole.keys() or any(not _same(again[name], array) for name, array in whole.items()):
        raise NotExportable(f"{out.name} does not hold what was written.", "It was read back and compared.", "Check the disk")
    notes = (f"{len(shared)} names share their tensor with another one; each was written in full.",) if shared else ()
    return Written(None, f"safetensors {version('safetensors')}", notes)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads((file.metadata() or {}).get(SHARED, "{}"))  # noqa: SIM118


def _same(one: Any, other: Any) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one.view(np.uint8), other.view(np.uint8))
