"""A clean state dict in torch's zip: one ordered dictionary of tensors and nothing else, every storage at a multiple of 64 bytes."""

import json
from collections.abc import Mapping, Sequence

from pthway.checkpoint.writing import archive, pickling
from pthway.checkpoint.writing.layout import Block, Layout
from pthway.checkpoint.writing.sharing import Shared
from pthway.formats.tensors import TensorSpec


def layout(
    root: str,
    names: Sequence[str],
    storages: Sequence[tuple[Shared, Block]],
    metadata: Mapping[str, Mapping[str, object]] | None,
    provenance: Mapping[str, str],
) -> Layout:
    """The planned archive; *storages* are the groups of tensors that share memory, each with the block that it becomes."""
    views: dict[str, pickling.View] = {}
    for index, (shared, block) in enumerate(storages):
        for name, spec in shared.tensors.items():
            offset, stride = (0, _rows(spec)) if shared.whole else (spec.offset - shared.spec.offset, spec.stride)
            views[name] = pickling.View(index, block.spec.elements, block.nbytes, block.dtype, offset, spec.shape, stride)
    pickled = pickling.state_dict({name: views[name] for name in names}, metadata)
    return archive.layout(
        [
            archive.Entry(f"{root}/data.pkl", pickled),
            archive.Entry(f"{root}/byteorder", b"little"),
            *(archive.Entry(f"{root}/data/{index}", b"", block) for index, (_, block) in enumerate(storages)),
            archive.Entry(f"{root}/version", b"3\n"),
            archive.Entry(f"{root}/.data/pthway", json.dumps(dict(provenance)).encode()),
        ]
    )


def _rows(spec: TensorSpec) -> tuple[int, ...]:
    """The strides of row-major order, as torch counts them: a dimension of size 0 counts as 1."""
    strides: list[int] = []
    step = 1
    for size in reversed(spec.shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
