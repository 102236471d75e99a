"""A checkpoint in several files, with a JSON index that says which tensor is in which, as Hugging Face's libraries write it."""

from collections.abc import Mapping
from typing import Final

from pthway.errors import CorruptFile, LimitExceeded, NotWeights
from pthway.formats import json_text, limits, recognise
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Format, Parts
from pthway.formats.tensors import CompositeSpec, StorageSpec, TensorSpec
from pthway.formats.values import PickledDict

_READ: Final = (Format.SAFETENSORS, Format.TORCH_ZIP, Format.TORCH_LEGACY)


def read(source: FileBytes) -> Parts:
    """Take an index and its shards apart, as if they were one file.

    Raises `MissingFile` for a shard that is not there, `CorruptFile` for an index that does not fit its shards or names files elsewhere.
    """
    if source.size > limits.MAX_HEADER_BYTES:
        raise LimitExceeded(f"{source.path} has {source.size:,} bytes.", f"At most {limits.MAX_HEADER_BYTES:,} are read.", "Check it.")
    index = json_text.parse(source.read(0, source.size), f"The index {source.path}")
    shards = _shards(source, index)
    parts = {name: _shard(source, name) for name in shards}
    tensors = {tensor: spec for name, held in parts.items() for tensor, spec in _tensors(source, name, held, shards[name]).items()}
    first = next(iter(parts.values()))
    metadata = index.get("metadata") if isinstance(index, PickledDict) else None
    return first._replace(
        format=Format.SHARDED,
        root=PickledDict(pairs=[*tensors.items()]),
        storages={_key(name, key): _moved(name, spec) for name, held in parts.items() for key, spec in held.storages.items()},
        places={_key(name, key): place for name, held in parts.items() for key, place in held.places.items()},
        calls=tuple(call for held in parts.values() for call in held.calls),
        classes=tuple(dict.fromkeys(kind for held in parts.values() for kind in held.classes)),
        stem=None,
        written_by=f"{len(parts)} files, the first by {first.written_by}",
        notes=tuple(f"{name}: {note}" for name, held in parts.items() for note in held.notes) + _unlisted(parts, tensors),
        beside={"metadata": metadata} if isinstance(metadata, PickledDict) else {},
    )


def _shards(source: FileBytes, index: object) -> dict[str, list[str]]:
    """Shard → the tensors that the index says it holds."""
    weight_map = index.get("weight_map") if isinstance(index, PickledDict) else None
    if not isinstance(weight_map, PickledDict) or not weight_map.pairs:
        raise _corrupt(source, "has no table weight_map")
    shards: dict[str, list[str]] = {}
    for tensor, name in weight_map.pairs:
        if not isinstance(name, str) or not isinstance(tensor, str):
            raise _corrupt(source, "has an entry in its weight_map that is no text")
        if name not in shards and (not name.isprintable() or set(name) & set("/\\:") or name in ("", ".", "..")):
            raise _corrupt(source, f"names a shard {name[:80]!a}; shards lie beside their index")
        shards.setdefault(name, []).append(tensor)
    if len(shards) > limits.MAX_SHARDS:
        raise LimitExceeded(f"{source.path} names {len(shards):,} files.", f"At most {limits.MAX_SHARDS:,} are opened.", "Check it.")
    return shards


def _shard(source: FileBytes, name: str) -> Parts:
    shard = FileBytes.open(source.path.parent / name)
    if shard.read(0, min(shard.size, limits.SNIFF_BYTES)).lstrip().startswith(b"{"):
        raise _corrupt(source, f"names {name!a} as a shard, which is JSON itself")
    parts = recognise.read(shard)
    if parts.format not in _READ or parts.byteorder != "little":
        raise NotWeights(
            f"{shard.path} is a {parts.format}, named as a shard by {source.path}.", f"Shards are {', '.join(_READ)}.", "Check it."
        )
    return parts


def _tensors(source: FileBytes, name: str, parts: Parts, listed: list[str]) -> dict[str, TensorSpec | CompositeSpec]:
    """What the index says the shard holds, in its order."""
    pairs = parts.root.pairs if isinstance(parts.root, PickledDict) else []
    held = {key: value for key, value in pairs if isinstance(key, str) and isinstance(value, TensorSpec | CompositeSpec)}
    if len(held) != sum(isinstance(key, str) and isinstance(value, TensorSpec | CompositeSpec) for key, value in pairs):
        raise _corrupt(source, f"leads to {name!a}, which holds one name twice")
    absent = [tensor for tensor in listed if tensor not in held]
    if absent:
        raise _corrupt(source, f"says that {name!a} holds {absent[0][:80]!a}, and {len(absent) - 1} more, which it does not")
    return {tensor: _rekeyed(name, held[tensor]) for tensor in listed}


def _unlisted(parts: Mapping[str, Parts], tensors: Mapping[str, object]) -> tuple[str, ...]:
    held = [key for of in parts.values() for key in (of.root if isinstance(of.root, PickledDict) else ())]
    more = len(held) - len(tensors)
    return (f"{more} entries of the shards are not in the index, and are left out.",) if more > 0 else ()


def _key(name: str, key: str) -> str:
    return f"{name}/{key}"


def _moved(name: str, spec: StorageSpec) -> StorageSpec:
    return spec._replace(key=_key(name, spec.key))


def _rekeyed(name: str, spec: TensorSpec | CompositeSpec) -> TensorSpec | CompositeSpec:
    """The tensor with its storages under the name of its shard."""
    if isinstance(spec, TensorSpec):
        return spec._replace(storage=_moved(name, spec.storage))
    return spec._replace(parts=tuple(part._replace(storage=_moved(name, part.storage)) for part in spec.parts))


def _corrupt(source: FileBytes, how: str) -> CorruptFile:
    return CorruptFile(
        f"The index {source.path} {how}.",
        "An index lists every tensor with the file beside it that holds the tensor.",
        "Download the index and its files again, from the same place.",
    )
