"""The tensors of a bundle, mapped from its files for torch."""

import json
from typing import Any, Final

from safetensors import safe_open
from torch import Tensor

from pthway.bundle.folder import CONSTANTS, WEIGHTS, Bundle

SHARED: Final = "pthway.shared"
"""In the metadata of the weights: names whose tensor is stored under another name, as JSON."""
INNER: Final = "module."
"""What an exported graph puts before the names of the network's own tensors."""


def read_weights(bundle: Bundle) -> dict[str, Tensor]:
    """The state dict, mapped from the file; names that share a tensor share it here too."""
    with safe_open(bundle.file(WEIGHTS), framework="pt") as file:
        shared: Any = json.loads((file.metadata() or {}).get(SHARED, "{}"))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    return tensors | {name: tensors[kept] for name, kept in shared.items()}


def graph_tensors(bundle: Bundle) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights, and the constants that are in no state dict, by the names that an exported graph has for them."""
    weights = {INNER + name: tensor for name, tensor in read_weights(bundle).items()}
    path = bundle.file(CONSTANTS)
    if not path.exists():
        return weights, {}
    with safe_open(path, framework="pt") as file:
        return weights, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
