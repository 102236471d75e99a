"""Which programs made a file, by what stands in it: every sentence says what is known, and from what."""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final

from pthway.checkpoint.state_dicts import StateDict
from pthway.formats.parts import Parts
from pthway.formats.values import Opaque, PickledDict

_REBUILD: Final = "torch._utils._rebuild_tensor"

_SINCE: Final[Mapping[str, tuple[int, int]]] = {
    f"{_REBUILD}_v3": (2, 0),
    "torch.storage.UntypedStorage": (1, 13),
    "torch._tensor._rebuild_from_type_v2": (1, 12),
    f"{_REBUILD}_v2": (0, 4),
}
"""A class or function that torch names since some version → that version, the newest first."""

_WHILE: Final[Mapping[str, str]] = {
    "torch.storage._UntypedStorage": "torch 1.11 or 1.12",
    _REBUILD: "torch 0.3 or earlier",
}
"""A class or function that only some versions of torch name → those versions."""

_FOLDERS: Final[Mapping[str, str]] = {
    "torch.nn.backends.thnn": "torch 1.3 or earlier",
    "numpy._core": "numpy 2",
    "numpy.core": "numpy 1",
}
"""A module path that only some versions have → which."""

_VERSION: Final = re.compile(r"torch (\d+)\.(\d+)")

_KEYS: Final[Mapping[str, str]] = {
    "pytorch-lightning_version": "Lightning",
    "ds_version": "DeepSpeed",
    "transformers_version": "transformers",
    "torch_version": "torch",
    "timm_version": "timm",
    "mmcv_version": "mmcv",
    "mmengine_version": "mmengine",
    "ultralytics_version": "Ultralytics",
}
"""A key under which a program notes its own version → the program."""


def origin(parts: Parts, states: Iterable[StateDict]) -> tuple[str, ...]:
    """What the content tells of the programs that made it, beside `Parts.written_by`, which the format tells."""
    names = {str(name) for name in parts.globals}
    weights = (sentence for state in states for sentence in _from_weights(state))
    found = [*_since(parts.written_by, names), *_from_names(names), *_from_keys(parts.root), *weights]
    return tuple(dict.fromkeys(found))


def _since(written_by: str, names: Set[str]) -> list[str]:
    """The newest of the names, unless the format is newer anyway."""
    if written_by.startswith("pthway"):
        return []
    told = _VERSION.search(written_by)
    oldest = (int(told[1]), int(told[2])) if told else (0, 0)
    found = [(version, name) for name, version in _SINCE.items() if name in names and version > oldest]
    return [f"torch {major}.{minor} or later (names {name})" for (major, minor), name in found[:1]]


def _from_names(names: Set[str]) -> Iterator[str]:
    for name, version in _WHILE.items():
        if name in names:
            yield f"{version} (names {name})"
    for folder, version in _FOLDERS.items():
        if any(name.startswith(f"{folder}.") for name in names):
            yield f"{version} (names {folder})"


def _from_keys(root: object) -> Iterator[str]:
    for key, value in root.pairs if isinstance(root, PickledDict) else ():
        if isinstance(key, str) and key in _KEYS:
            text = value.arguments[0] if isinstance(value, Opaque) and value.arguments else value
            if isinstance(text, str):
                yield f"{_KEYS[key]} {ascii(text[:40])[1:-1]} (key {key})"


def _from_weights(state: StateDict) -> Iterator[str]:
    norms = [name.removesuffix("running_mean") for name in state.tensors if name.endswith("running_mean")]
    if norms and not any(f"{norm}num_batches_tracked" in state.tensors for norm in norms):
        yield "trained with torch 0.4.0 or earlier, or stripped of its counters (no num_batches_tracked beside running_mean)"
    if state.modules and not any(held.state.get("_non_persistent_buffers_set") is not None for held in state.modules.values()):
        yield "pickled by torch 1.5 or earlier (modules without _non_persistent_buffers_set)"
