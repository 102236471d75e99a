"""The tar archive that torch up to 0.1.9 wrote: storages and tensors in tables, and a pickle that refers to them by number."""

from collections.abc import Mapping
from pathlib import Path
from struct import Struct, error
from typing import Final, NamedTuple

from pthway.errors import CorruptFile, NotWeights, TruncatedFile
from pthway.formats import limits, torch_records
from pthway.formats.file_bytes import FileBytes
from pthway.formats.nested import Nested
from pthway.formats.parts import Format, Parts, Place
from pthway.formats.pickle_stream import Pickles
from pthway.formats.rebuild import storage_dtype, strided, whole
from pthway.formats.tensors import StorageSpec, StorageView, TensorSpec
from pthway.formats.values import Global, is_sequence

_BLOCK: Final = 512
_MEMBERS: Final = frozenset(("sys_info", "pickle", "storages", "tensors"))
_COUNT: Final = Struct("<q")
_DIMENSIONS: Final = Struct("<ii")
_REGULAR: Final = (b"0", b"\0")


class _Member(NamedTuple):
    """One file of the archive, read like a file of its own."""

    source: FileBytes
    offset: int
    size: int

    @property
    def path(self) -> Path:
        """The archive."""
        return self.source.path

    def read(self, offset: int, count: int) -> bytes:
        """Exactly *count* bytes from *offset*. Raises `TruncatedFile` at its end."""
        if offset + count > self.size:
            raise TruncatedFile(
                f"A member of {self.path} ends {offset + count - self.size:,} bytes too early.",
                "Its tables describe more than it holds.",
                "Download or copy it again.",
            )
        return self.source.read(self.offset + offset, count)


def read(source: FileBytes) -> Parts:
    """Take a tar archive apart. Raises `NotWeights` for one of anything else, `CorruptFile` for one that contradicts itself."""
    members = _members(source)
    if set(members) != _MEMBERS:
        raise NotWeights(
            f"{source.path} is a tar archive, but not of weights: it holds {torch_records.listed(members)}.",
            "torch up to 0.1.9 wrote tar archives of exactly sys_info, pickle, storages and tensors.",
            "Unpack it and look for the weights inside: tar -xf FILE",
        )
    table: dict[int, StorageSpec | StorageView] = {}
    places: dict[str, Place] = {}
    _read_storages(members["storages"], table, places)
    objects: dict[int, object] = {**table, **_read_tensors(members["tensors"], table)}
    sources: dict[str, str] = {}
    nested = Nested(source, members["pickle"].size)
    pickles = Pickles(members["pickle"], lambda identifier: _persistent(identifier, objects, sources), nested.constructors, nested.budget)
    found = nested.joined([pickles.next()])
    stored = {spec.key: spec for spec in table.values() if isinstance(spec, StorageSpec)}
    nested.check_beside(stored)
    return Parts(
        format=Format.TORCH_TAR,
        root=found.value,
        storages=stored | nested.storages,
        places=places | nested.places(),
        calls=found.calls,
        classes=found.classes,
        globals=found.globals,
        byteorder="little",
        stem=None,
        written_by="torch 0.1.9 or earlier (tar archive)",
        notes=(),
        beside={f"source of {name}": text for name, text in sources.items()},
    )


def _members(source: FileBytes) -> Mapping[str, _Member]:
    """The files of the archive by name. Links, devices and extensions are refused: torch wrote none."""
    members: dict[str, _Member] = {}
    at = 0
    while at + _BLOCK <= source.size:
        header = source.read(at, _BLOCK)
        if not header.strip(b"\0"):
            break
        name = header[:100].rstrip(b"\0").decode("utf-8", "replace").removeprefix("./")
        size = _octal(header[124:136])
        checksum = _octal(header[148:156])
        if size is None or checksum != sum(header[:148]) + 8 * ord(" ") + sum(header[156:]):
            raise _corrupt(source, f"has a header at byte {at:,} whose checksum does not fit")
        if header[156:157] in _REGULAR and name not in members:
            members[name] = _Member(source, at + _BLOCK, size)
        elif header[156:157] != b"5":
            raise _corrupt(source, f"has a member {name[:80]!a} that is a link, a device, an extension, or stands twice")
        if at + _BLOCK + size > source.size:
            raise TruncatedFile(
                f"{source.path} has {source.size:,} of at least {at + _BLOCK + size:,} bytes.",
                f"It breaks off in {name[:80]!a}.",
                "Download or copy it again.",
            )
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if len(members) > limits.MAX_TAR_MEMBERS:
            break
    return members


def _octal(field: bytes) -> int | None:
    text = field.strip(b"\0 ")
    return int(text, 8) if text and all(digit in b"01234567" for digit in text) else None


def _read_storages(member: _Member, table: dict[int, StorageSpec | StorageView], places: dict[str, Place]) -> None:
    stream = Pickles(member, _nothing)
    for _ in range(_count(member, stream.next().value)):
        match stream.next().value:
            case (int() as key, str() as location, Global() as kind) if key not in table:
                pass
            case _:
                raise _corrupt(member.source, "has a storage that is described by no key, location and type")
        (elements,) = _COUNT.unpack(stream.take(_COUNT.size))
        try:
            spec = StorageSpec(str(key), storage_dtype(kind), whole(elements, "its number of elements"), location)
        except ValueError as cause:
            raise _corrupt(member.source, f"has a storage that cannot be: {cause}") from cause
        table[key] = spec
        places[spec.key] = Place(member.source, member.offset + stream.position, spec.nbytes, None)
        if stream.position + spec.nbytes > member.size:
            raise TruncatedFile(
                f"{member.path} lacks {stream.position + spec.nbytes - member.size:,} bytes of a storage.",
                f"Storage {len(places)} has {elements:,} elements by its description.",
                "Download or copy it again.",
            )
        stream.position += spec.nbytes
    views = stream.next().value
    for view in views if is_sequence(views) else [None]:
        match view:
            case (int() as key, int() as root, int() as offset, int() as elements) if isinstance(table.get(root), StorageSpec):
                if offset < 0 or elements < 0:
                    raise _corrupt(member.source, "has a view of a storage that begins before it")
                table[key] = StorageView(table[root], offset, elements)  # type: ignore[arg-type]  # just checked
            case _:
                raise _corrupt(member.source, "has a view of a storage that is not there")


def _read_tensors(member: _Member, table: Mapping[int, StorageSpec | StorageView]) -> dict[int, TensorSpec]:
    stream = Pickles(member, _nothing)
    tensors: dict[int, TensorSpec] = {}
    for _ in range(_count(member, stream.next().value)):
        match stream.next().value:
            case (int() as key, int() as storage, Global()):
                pass
            case _:
                raise _corrupt(member.source, "has a tensor that is described by no key, storage and type")
        dimensions, _unused = _DIMENSIONS.unpack(stream.take(_DIMENSIONS.size))
        if not 0 <= dimensions <= limits.MAX_DIMENSIONS:
            raise _corrupt(member.source, f"has a tensor of {dimensions} dimensions")
        try:
            numbers = Struct(f"<{2 * dimensions + 1}q").unpack(stream.take((2 * dimensions + 1) * _COUNT.size))
            shape, stride, offset = numbers[:dimensions], numbers[dimensions:-1], numbers[-1]
            tensors[key] = strided(table.get(storage), offset, shape, stride)
        except (ValueError, error) as cause:
            raise _corrupt(member.source, f"has a tensor that cannot be: {cause}") from cause
    return tensors


def _count(member: _Member, value: object) -> int:
    if type(value) is not int or not 0 <= value <= limits.MAX_RECORDS:
        raise _corrupt(member.source, "does not say how many entries a table has")
    return value


def _persistent(identifier: object, objects: Mapping[int, object], sources: dict[str, str]) -> object:
    """A number stands for a tensor or storage, a tuple for the class at its beginning, whose source text ends it."""
    if type(identifier) is tuple and identifier and isinstance(identifier[0], Global):
        if isinstance(identifier[-1], str):
            sources[str(identifier[0])] = identifier[-1]
        return identifier[0]
    number = int(identifier) if isinstance(identifier, str) and identifier.isdigit() else identifier
    if type(number) is not int or number not in objects:
        raise ValueError("it names no tensor and no storage")
    return objects[number]


def _nothing(identifier: object) -> object:
    raise ValueError("tables refer to nothing")


def _corrupt(source: FileBytes, how: str) -> CorruptFile:
    return CorruptFile(f"The tar archive {source.path} {how}.", "torch up to 0.1.9 did not write such.", "Download it again.")
