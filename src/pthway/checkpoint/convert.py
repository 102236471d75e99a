"""The weights of a file, written as another kind of file: without torch, without the network's class, and with nothing run."""

import os
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from pthway.checkpoint import noted
from pthway.checkpoint.checkpoint import Checkpoint
from pthway.checkpoint.meter import Progress
from pthway.checkpoint.state_dicts import StateDict
from pthway.checkpoint.writing import npz, safetensors, state_dict
from pthway.checkpoint.writing.layout import Block, Layout
from pthway.checkpoint.writing.new_file import destination
from pthway.checkpoint.writing.sharing import Shared, groups
from pthway.checkpoint.writing.transfer import transfer
from pthway.errors import NoWeights, Unrepresentable, UsageError
from pthway.formats.tensors import DTYPES, TensorSpec

SHOWN: Final = 4
"""Names of a message."""


class Target(StrEnum):
    """Kinds of file that are written."""

    SAFETENSORS = "safetensors"
    NPZ = "npz"
    STATE_DICT = "torch zip"
    """A state dict as ``torch.save`` writes it, plain."""


ENDINGS: Final = {
    ".safetensors": Target.SAFETENSORS,
    ".npz": Target.NPZ,
    ".pth": Target.STATE_DICT,
    ".pt": Target.STATE_DICT,
    ".bin": Target.STATE_DICT,
    ".ckpt": Target.STATE_DICT,
}
"""What the ending of the new file's name means."""


class Precision(StrEnum):
    """Types that floating-point tensors can be converted to."""

    HALF = "float16"
    BFLOAT16 = "bfloat16"


class Converted(NamedTuple):
    """What was written."""

    path: Path
    target: Target
    source: Path
    weights: str
    """Path of the state dict in the source; empty if it is the source."""
    tensors: int
    nbytes: int
    """Size of the file."""
    changed: Mapping[str, int]
    """``"float32 to float16"`` → number of tensors whose type was changed."""
    shared: tuple[tuple[str, ...], ...]
    """Names of tensors that share memory in the source."""
    shares: bool
    """Whether they still share it in the new file; if not, each was written in full."""
    left_behind: tuple[str, ...]
    """What else the source holds and the new file does not: an ``.npz`` has no place for it, others none for long data."""


def convert(
    checkpoint: Checkpoint,
    path: str | os.PathLike[str],
    *,
    weights: str | None = None,
    precision: Precision | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Write the chosen state dict to *path*, whose ending says as what, and return what was done.

    The file appears whole and checked, or not at all; memory stays bounded whatever its size. With *precision*, floating-point
    tensors are converted, rounding to nearest. *progress* is told the bytes that are written. Raises `UsageError`, `NoWeights` or
    `AmbiguousWeights` before anything is written, `Unrepresentable` for numbers or names that have no place in the format,
    `CorruptFile` for damaged weights, and `NotWritten` for what the system refuses.
    """
    place = _place(checkpoint, Path(path))
    target = ENDINGS[place.suffix.lower()]
    state = checkpoint.choose(weights)
    tensors = _strided(state)
    if not tensors:
        raise NoWeights(
            f"{state.path or checkpoint.path} has no tensors.", "A file without weights would be of no use.", "Choose other weights."
        )
    dtypes = {name: _dtype(name, spec, target, precision) for name, spec in tensors.items()}
    shared = groups(tensors)
    kept, left_behind = ({}, tuple(checkpoint.extras)) if target is Target.NPZ else noted.fitting(checkpoint.extras)
    layout = _layout(checkpoint, state, place, dtypes, shared, kept)
    transfer(checkpoint.container, layout, place, progress)
    changed = Counter(f"{tensors[name].dtype} to {dtype}" for name, dtype in dtypes.items() if dtype != tensors[name].dtype)
    twins = tuple(group.names for group in shared if len(group.names) > 1)
    return Converted(
        path=place,
        target=target,
        source=checkpoint.path,
        weights=state.path,
        tensors=len(tensors),
        nbytes=layout.size,
        changed=dict(changed),
        shared=twins,
        shares=target is Target.STATE_DICT,
        left_behind=left_behind,
    )


def _place(checkpoint: Checkpoint, path: Path) -> Path:
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"{path} does not end in a format.", f"The formats are {', '.join(ENDINGS)}.", f"{path.with_suffix('.safetensors')}"
        )
    return destination(path, checkpoint.container)


def _strided(state: StateDict) -> dict[str, TensorSpec]:
    strided = {name: spec for name, spec in state.tensors.items() if isinstance(spec, TensorSpec)}
    others = [f"{name} ({spec.kind})" for name, spec in state.tensors.items() if not isinstance(spec, TensorSpec)]
    if others:
        raise Unrepresentable(
            f"{len(others)} tensors are not plain: {', '.join(others[:SHOWN])}{', …' if len(others) > SHOWN else ''}.",
            "A weights file holds dense numbers; leaving tensors out would leave a network that cannot be run.",
            "Load it with torch, make them dense (tensor.to_dense(), .dequantize()), and save it again.",
        )
    return strided


def _dtype(name: str, spec: TensorSpec, target: Target, precision: Precision | None) -> str:
    """The type that a tensor is written as. Raises `Unrepresentable` if the format has none for it."""
    dtype = precision.value if precision and spec.dtype.startswith(("float", "bfloat")) and spec.dtype != "float4_e2m1fn_x2" else spec.dtype
    if target is Target.NPZ:
        dtype = npz.WIDER.get(dtype, dtype)
    types = {Target.SAFETENSORS: safetensors.TYPES, Target.NPZ: npz.TYPES, Target.STATE_DICT: DTYPES}[target]
    if dtype not in types:
        fits = [kind for kind, known in ((".npz", npz.TYPES), (".pth", DTYPES)) if dtype in known]
        raise Unrepresentable(f"{name} is of type {dtype}.", f"{target} has no such type.", f"Convert to {' or '.join(fits)}.")
    return dtype


def _layout(
    checkpoint: Checkpoint, state: StateDict, place: Path, dtypes: Mapping[str, str], shared: list[Shared], extras: Mapping[str, object]
) -> Layout:
    provenance = _provenance(checkpoint, state) | ({noted.EXTRAS: noted.text(extras)} if extras else {})
    target = ENDINGS[place.suffix.lower()]
    if target is Target.STATE_DICT:
        storages = [(group, Block(group.names[0], group.spec, dtypes[group.names[0]])) for group in shared]
        root = place.stem if place.stem.isprintable() and place.stem not in ("", ".", "..") and "\\" not in place.stem else "archive"
        return state_dict.layout(root, list(dtypes), storages, state.metadata, provenance)
    blocks = {name: Block(name, spec, dtypes[name]) for name, spec in _strided(state).items()}
    if target is Target.NPZ:
        return npz.layout(blocks)
    twins = [group.names for group in shared if len(group.names) > 1]
    notes = {"pthway.shared": noted.text(twins)} if twins else {}
    versions = {noted.METADATA: noted.text(state.metadata)} if state.metadata is not None else {}
    return safetensors.layout(blocks, {"format": "pt", **provenance, **notes, **versions})


def _provenance(checkpoint: Checkpoint, state: StateDict) -> dict[str, str]:
    """Where the weights come from, as text."""
    parts = checkpoint.container.parts
    known = {
        "source": checkpoint.path.name,
        "source_format": str(parts.format),
        "source_written_by": parts.written_by,
        "source_saved_as": parts.stem,
        "weights": state.path,
        "module": state.module,
        "renames": noted.text([str(rule) for rule in state.renames]) if state.renames else None,
    }
    return {f"pthway.{key}": ascii(value)[1:-1] for key, value in known.items() if value}
