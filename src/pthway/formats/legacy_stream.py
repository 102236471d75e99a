"""The legacy stream taken apart: five pickles, then each storage with its length. It may lie inside a pickle."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pthway.errors import CorruptFile, NotWeights, TruncatedFile
from pthway.formats.pickle_machine import Budget, Constructor, Pickled, describe
from pthway.formats.pickle_stream import Pickles, Readable
from pthway.formats.rebuild import CONSTRUCTORS, of_one_type, storages, whole
from pthway.formats.tensors import StorageSpec, StorageView
from pthway.formats.values import Global, PickledDict

MAGIC: Final = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
"""The pickle of the number 0x1950a86a20f9469cfc6c, without its STOP."""

_PROTOCOL: Final = 1001
_COUNT_BYTES: Final = 8


class Stream(NamedTuple):
    """A legacy stream taken apart."""

    saved: Pickled
    storages: dict[str, StorageSpec]
    offsets: Mapping[str, int]
    """Storage → where its bytes begin in the stream."""
    end: int
    """Where the stream ends; more may follow in the file."""
    sources: Mapping[str, str]
    """Class of a pickled module → the source text that was saved with it."""


def take_apart(
    source: Readable,
    constructors: Mapping[tuple[str, str], Constructor] = CONSTRUCTORS,
    budget: Budget | None = None,
    folder: str = "",
) -> Stream:
    """Take a stream apart; *folder* is put before the key of each storage.

    Raises `TruncatedFile` with the missing bytes, or `CorruptFile`.
    """
    table, persistent = storages(folder)
    sources: dict[str, str] = {}
    stream = Pickles(source, _persistent(of_one_type(persistent, table), sources), constructors, budget)
    stream.next()
    protocol, system = stream.next().value, stream.next().value
    if protocol != _PROTOCOL:
        raise CorruptFile(
            f"{source.path} has the protocol number {describe(protocol)}.", f"Legacy streams have {_PROTOCOL}.", "Save it again."
        )
    if isinstance(system, PickledDict) and system.get("little_endian") is False:
        raise NotWeights(
            f"{source.path} was written on a big-endian machine.", "Its numbers would be read in the wrong order.", "Save it as a zip."
        )
    saved = stream.next()
    keys = stream.next().value
    offsets, end = _offsets(source, stream.position, _names(source, keys, folder, table), table)
    return Stream(saved, table, offsets, end, sources)


def _persistent(storage: Callable[[object], StorageSpec], sources: dict[str, str]) -> Callable[[object], object]:
    """Ids of the legacy form: ``("module", class, file, source)`` is the class; a storage may be a view of another."""

    def persistent(identifier: object) -> object:
        match identifier if type(identifier) is tuple else None:
            case ("module", Global() as kind, _, source):
                if isinstance(source, str):
                    sources[str(kind)] = source
                return kind
            case (_, _, _, _, _, (_, offset, size)):
                return StorageView(storage(identifier), whole(offset, "the view's offset"), whole(size, "the view's size"))
            case _:
                return storage(identifier)

    return persistent


def _names(source: Readable, keys: object, folder: str, table: Mapping[str, StorageSpec]) -> list[str]:
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise CorruptFile(f"{source.path} has no list of storages.", "A legacy stream names them after its pickle.", "Save it again.")
    names = [folder + str(key) for key in keys]
    if len(set(names)) != len(names) or set(table) - set(names):
        raise CorruptFile(
            f"{source.path} lists {len(names)} storages, and its tensors need {len(table)}.", "The two lists differ.", "Save it again."
        )
    return names


def _offsets(source: Readable, at: int, names: list[str], table: Mapping[str, StorageSpec]) -> tuple[dict[str, int], int]:
    offsets: dict[str, int] = {}
    for name in names:
        if name not in table:
            raise CorruptFile(f"{source.path} lists a storage {name!a} of unknown type.", "No tensor uses it.", "Save it again.")
        spec = table[name]
        if at + _COUNT_BYTES + spec.nbytes > source.size:
            needed = sum(_COUNT_BYTES + table[rest].nbytes for rest in names[len(offsets) :] if rest in table)
            raise TruncatedFile(
                f"{source.path} has {source.size:,} of {at + needed:,} bytes; {at + needed - source.size:,} are missing.",
                f"It breaks off in storage {len(offsets) + 1} of {len(names)}.",
                "Download or copy it again.",
            )
        count = int.from_bytes(source.read(at, _COUNT_BYTES), "little", signed=True)
        if count != spec.elements:
            raise CorruptFile(
                f"A storage of {source.path} is said to have {count:,} elements, and by its tensors {spec.elements:,}.",
                "Description and data do not belong together.",
                "Download or save it again.",
            )
        offsets[name] = at + _COUNT_BYTES
        at += _COUNT_BYTES + spec.nbytes
    return offsets, at
