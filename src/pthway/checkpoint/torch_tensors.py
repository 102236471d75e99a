"""Tensors of a file as torch tensors on the CPU. The one file of this room that imports torch."""

from collections.abc import Mapping

import numpy as np
import torch

from pthway.checkpoint.arrays import check_booleans
from pthway.errors import UnreadableFile
from pthway.formats import Container
from pthway.formats.tensors import DTYPES, AnyTensor, StorageSpec, TensorSpec


def tensors(container: Container, specs: Mapping[str, AnyTensor]) -> dict[str, torch.Tensor]:
    """Every tensor of *specs*, sharing memory as they did when they were saved.

    They are views of a private memory map of the file where it can be mapped: writing to them changes neither the file
    nor another process's view. All storages are checked against their checksums first, side by side.
    """
    storages = {spec.storage.key: spec.storage for spec in specs.values() if isinstance(spec, TensorSpec)}
    container.check(list(storages.values()))
    blocks: dict[str, torch.UntypedStorage] = {}
    return {name: tensor(container, spec, name, blocks) for name, spec in specs.items()}


def tensor(container: Container, spec: AnyTensor, name: str, blocks: dict[str, torch.UntypedStorage]) -> torch.Tensor:
    """One tensor; *blocks* holds the storages that were made so far, by key.

    Raises `UnreadableFile` for kinds of tensor that are not plain strided ones, or a dtype this torch lacks.
    """
    dtype = getattr(torch, spec.dtype, None)
    if not isinstance(spec, TensorSpec) or not isinstance(dtype, torch.dtype):
        kind = spec.dtype if isinstance(spec, TensorSpec) else spec.kind
        raise UnreadableFile(
            f"{name} is a {kind} tensor of shape {list(spec.shape)}.",
            "This version of pthway loads plain strided tensors of the types that the installed torch has.",
            "Load it with torch, make it dense or convert it (tensor.to_dense(), .dequantize()), and save it again.",
        )
    if spec.storage.key not in blocks:
        blocks[spec.storage.key] = _block(container, spec.storage)
    made = torch.empty(0, dtype=dtype)
    made.set_(blocks[spec.storage.key], spec.offset, spec.shape, spec.stride)
    if spec.dtype == "bool":
        check_booleans(made.view(torch.uint8).numpy(), name)
    if spec.conjugate:
        made = made.conj()
    if spec.negative:
        made = torch._neg_view(made)
    return made


def _block(container: Container, spec: StorageSpec) -> torch.UntypedStorage:
    if spec.nbytes == 0:
        return torch.empty(0, dtype=torch.uint8).untyped_storage()
    buffer = container.storage(spec)
    flat = torch.frombuffer(buffer, dtype=torch.uint8)
    width = 8 if spec.dtype == "uint8" else min(DTYPES[spec.dtype], 8)  # untyped storage may hold numbers of any width
    if flat.data_ptr() % width:
        # Legacy streams place storages at any byte; torch's kernels may assume that numbers are aligned.
        flat = torch.from_numpy(np.array(np.frombuffer(buffer, np.uint8)))
    return flat.untyped_storage()
