"""Which tensors share memory, and what has to be written so that they still do."""

from collections.abc import Mapping
from typing import NamedTuple

from pthway.formats.tensors import DTYPES, TensorSpec


class Shared(NamedTuple):
    """Tensors whose bytes touch each other: one storage of a clean file."""

    names: tuple[str, ...]
    spec: TensorSpec
    """The numbers of that storage: a tensor, or the flat span of the source that several different views need."""
    tensors: Mapping[str, TensorSpec]

    @property
    def whole(self) -> bool:
        """Whether the storage is the tensor itself, row by row, rather than a span that holds views."""
        return all(tensor == self.spec for tensor in self.tensors.values())


def groups(tensors: Mapping[str, TensorSpec]) -> list[Shared]:
    """The tensors by the memory that they share, in file order.

    Tensors of different types in one place, and conjugate or negative views beside the numbers themselves, each become a group of
    their own: what is written for one would be wrong for the other.
    """
    chains: dict[str, list[tuple[int, int, str]]] = {}
    found: list[list[str]] = []
    for name, spec in tensors.items():
        if spec.elements:
            start, stop = _span(spec)
            chains.setdefault(spec.storage.key, []).append((start, stop, name))
        else:
            found.append([name])
    for chain in chains.values():
        reach = -1
        for start, stop, name in sorted(chain, key=lambda entry: entry[:2]):
            found.append([name]) if start >= reach else found[-1].append(name)
            reach = max(reach, stop)
    order = {name: index for index, name in enumerate(tensors)}
    for names in found:
        names.sort(key=order.__getitem__)
    made = [shared for names in found for shared in _shared({name: tensors[name] for name in names})]
    return sorted(made, key=lambda shared: order[shared.names[0]])


def _shared(tensors: Mapping[str, TensorSpec]) -> list[Shared]:
    views: dict[object, list[str]] = {}
    for name, spec in tensors.items():
        views.setdefault((spec.dtype, spec.offset, spec.shape, spec.stride, spec.conjugate, spec.negative), []).append(name)
    first = next(iter(tensors.values()))
    start, stop = min(_span(spec)[0] for spec in tensors.values()), max(_span(spec)[1] for spec in tensors.values())
    plain = all(spec.dtype == first.dtype and not spec.conjugate and not spec.negative for spec in tensors.values())
    width = DTYPES[first.dtype]
    if plain and first.elements and (len(views) > 1 or stop - start < first.nbytes):
        span = first._replace(shape=((stop - start) // width,), stride=(1,), offset=start // width)
        return [Shared(tuple(tensors), span, tensors)]
    return [Shared(tuple(names), tensors[names[0]], dict.fromkeys(names, tensors[names[0]])) for names in views.values()]


def _span(spec: TensorSpec) -> tuple[int, int]:
    """The first byte in the storage, and the one after the last."""
    width = DTYPES[spec.dtype]
    last = (
        spec.offset + sum((size - 1) * step for size, step in zip(spec.shape, spec.stride, strict=True)) if spec.elements else spec.offset
    )
    return spec.offset * width, (last + 1) * width
