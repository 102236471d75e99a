"""Tensors of a file as torch tensors on the CPU. The one file of this room that imports torch."""

from collections.abc import Mapping

import numpy as np
import torch

from pthway.checkpoint.arrays import check_booleans
from pthway.checkpoint.composite import scales, unreadable
from pthway.errors import CorruptFile, UnreadableFile
from pthway.formats import Container
from pthway.formats.tensors import DTYPES, AnyTensor, CompositeSpec, StorageSpec, parts_of

Blocks = dict[str, torch.UntypedStorage]
"""Storage → its memory."""


def tensors(container: Container, specs: Mapping[str, AnyTensor]) -> dict[str, torch.Tensor]:
    """Every tensor of *specs*, sharing memory as they did when they were saved.

    They are views of a private memory map of the file where it can be mapped: writing to them changes neither the file
    nor another process's view. All storages are checked against their checksums first, side by side.
    """
    storages = {part.storage.key: part.storage for spec in specs.values() for part in parts_of(spec)}
    container.check(list(storages.values()))
    blocks: Blocks = {}
    return {name: tensor(container, spec, name, blocks) for name, spec in specs.items()}


def tensor(container: Container, spec: AnyTensor, name: str, blocks: Blocks) -> torch.Tensor:
    """One tensor; *blocks* holds the storages that were made so far, by key.

    Raises `UnreadableFile` for kinds of tensor that cannot be made, or a dtype this torch lacks; `CorruptFile` for parts that do not fit.
    """
    if isinstance(spec, CompositeSpec):
        return _composite(container, spec, name, blocks)
    dtype = getattr(torch, spec.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise UnreadableFile(
            f"{name} is a {spec.dtype} tensor of shape {list(spec.shape)}.",
            f"torch {torch.__version__} has no such type.",
            "Install a newer torch, or convert it to another type and save it again.",
        )
    made = torch.empty(0, dtype=dtype)
    made.set_(_storage(container, spec.storage, blocks), spec.offset, spec.shape, spec.stride)
    if spec.dtype == "bool":
        check_booleans(made.view(torch.uint8).numpy(), name)
    if spec.conjugate:
        made = made.conj()
    if spec.negative:
        made = torch._neg_view(made)
    return made


def _composite(container: Container, spec: CompositeSpec, name: str, blocks: Blocks) -> torch.Tensor:
    if spec.kind == "quantized":
        return _quantized(container, spec, name, blocks)
    if not spec.kind.startswith("sparse_") and spec.kind not in ("nested", "nested_jagged"):
        raise unreadable(spec, name)
    parts = [tensor(container, part, name, blocks) for part in spec.parts]
    try:
        match spec.kind, parts:
            case "sparse_coo", [indices, values]:
                coalesced = spec.settings[:1] == (True,)
                return torch.sparse_coo_tensor(indices, values, spec.shape, check_invariants=True, is_coalesced=coalesced or None)
            case "nested", [buffer, sizes, strides, offsets]:
                return torch.nested.as_nested_tensor(_inner(buffer, sizes, strides, offsets))
            case "nested_jagged", [values, offsets]:
                return torch.nested.nested_tensor_from_jagged(values, _rising(offsets, len(values)))
        compressed, plain, values = parts
        layout = getattr(torch, spec.kind)
        return torch.sparse_compressed_tensor(compressed, plain, values, spec.shape, layout=layout, check_invariants=True)
    except (RuntimeError, ValueError, IndexError) as cause:
        raise CorruptFile(
            f"{name} is a {spec.kind} tensor whose parts do not fit: {str(cause).splitlines()[0]}",
            "Its tables of places contradict its shape.",
            "Download or save the file again.",
        ) from cause


def _quantized(container: Container, spec: CompositeSpec, name: str, blocks: Blocks) -> torch.Tensor:
    codes, dtype = spec.parts[0], getattr(torch, spec.dtype)
    match spec.settings:
        case ("per_tensor", float() as scale, int() as zero):
            made = torch._empty_affine_quantized([0], scale=scale, zero_point=zero, dtype=dtype)
        case (_, int() as axis):
            scales(container, spec, name)  # refuses what cannot be
            steps, zeros = (tensor(container, part, name, blocks) for part in spec.parts[1:])
            made = torch._empty_per_channel_affine_quantized(spec.shape, scales=steps, zero_points=zeros, axis=axis, dtype=dtype)
    made.set_(_storage(container, codes.storage, blocks), codes.offset, codes.shape, codes.stride)
    return made


def _inner(buffer: torch.Tensor, sizes: torch.Tensor, strides: torch.Tensor, offsets: torch.Tensor) -> list[torch.Tensor]:
    """The tensors of a nested one. Raises `ValueError` for one that reaches outside the buffer."""
    found = []
    for size, stride, offset in zip(sizes.tolist(), strides.tolist(), offsets.tolist(), strict=True):
        last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
        if min([*size, *stride, offset]) < 0 or (0 not in size and last >= buffer.numel()):
            raise ValueError("a tensor lies outside the buffer")
        found.append(buffer.as_strided(size, stride, buffer.storage_offset() + offset))
    return found


def _rising(offsets: torch.Tensor, count: int) -> torch.Tensor:
    """The offsets of jagged rows, if they are such. Raises `ValueError`."""
    if offsets.dim() != 1 or offsets[:1].tolist() != [0] or bool((offsets.diff() < 0).any()) or offsets[-1] > count:
        raise ValueError("the offsets do not rise from 0 to the number of values")
    return offsets


def _storage(container: Container, spec: StorageSpec, blocks: Blocks) -> torch.UntypedStorage:
    if spec.key not in blocks:
        blocks[spec.key] = _block(container, spec)
    return blocks[spec.key]


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
