"""Which networks of the index have exactly the weights of a checkpoint, names and shapes, whatever its number of classes or channels."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pthway.architecture.difference import BATCH_COUNTER, EXTRA_STATE, Shaped
from pthway.architecture.zoo.index import Index, Listing, Row, names_hash
from pthway.architecture.zoo.sizes import CHANNELS, CLASSES, is_open, place, solved, written


class Reading(NamedTuple):
    """One network that has exactly the weights of a checkpoint."""

    row: Row
    number: int
    """Of the row in the index."""
    classes: int | None
    """The number of classes that the weights show; None where the network has no say in it."""
    channels: int | None
    """The number of input channels that they show."""
    evidence: Mapping[str, str]
    """``n`` (classes) and ``c`` (channels) → the tensor that shows it, such as ``fc.weight is [5, 512]: dimension 0``."""

    @property
    def buildable(self) -> bool:
        """Whether the library's builder can be told of these channels."""
        return self.channels in (None, INPUT_CHANNELS) or self.row.channels is not None

    @property
    def arguments(self) -> dict[str, object]:
        """What the library's builder has to be passed."""
        classes = {} if self.classes is None else {"num_classes": self.classes}
        channels = {} if self.channels in (None, self.row.channels) or self.row.channels is None else {"in_chans": self.channels}
        return {**self.row.arguments, **classes, **channels}


INPUT_CHANNELS = 3
"""What a builder without an argument for it makes."""


class Exact(NamedTuple):
    """All networks of the index that have exactly the weights of a checkpoint."""

    readings: tuple[Reading, ...]
    ruled_out: int
    """How many more there are that have other modules than the checkpoint's ``_metadata`` notes."""

    @property
    def networks(self) -> list[list[Reading]]:
        """The readings, those that give the same answers together."""
        groups: dict[tuple[int | None, int], list[Reading]] = {}
        for reading in self.readings:
            groups.setdefault((reading.row.group, reading.row.network if reading.row.group is not None else reading.number), []).append(
                reading
            )
        return list(groups.values())


def comparable(tensors: Mapping[str, Shaped]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that the index is asked about: without batch counters and the modules' own extra state."""
    return {name: tensor.shape for name, tensor in tensors.items() if name.rpartition(".")[2] not in (BATCH_COUNTER, EXTRA_STATE)}


def exact(index: Index, tensors: Mapping[str, Shaped], tree: Iterable[str] | None = None) -> Exact:
    """Return every network whose weights are *tensors*, name by name and shape by shape, the head and the input channels left open.

    *tree* is the paths of all modules, where the file notes them (``_metadata``): it keeps networks apart that have the same
    weights. Where no network has this very tree (other releases of a library add and drop modules without weights), it is no evidence.
    """
    shapes = comparable(tensors)
    block = index.block(shapes)
    if block is None:
        return Exact((), 0)
    listing = index.listing(block)
    found = [reading for number in listing.shapes if (reading := _reading(index, number, listing, shapes)) is not None]
    wanted = None if tree is None else tree_hash(tree)
    kept = [reading for reading in found if reading.row.tree == wanted] or found
    return Exact(tuple(kept), len(found) - len(kept))


def tree_hash(paths: Iterable[str]) -> int:
    """Return the number that stands for a module tree in the index."""
    return names_hash(path for path in paths if path)


def _reading(index: Index, number: int, listing: Listing, shapes: Mapping[str, tuple[int, ...]]) -> Reading | None:
    values: dict[str, int] = {}
    evidence: dict[str, str] = {}
    for name, text in zip(listing.names, listing.shapes[number], strict=True):
        shape = shapes[name]
        if not is_open(text) and text == written(shape):
            continue
        found = solved(text, shape)
        if found is None or any(values.setdefault(letter, value) != value for letter, value in found.items()):
            return None
        for letter in found:
            evidence.setdefault(letter, f"{name} is {list(shape)}: dimension {place(text, letter)}")
    return Reading(index.rows[number], number, values.get(CLASSES), values.get(CHANNELS), evidence)
