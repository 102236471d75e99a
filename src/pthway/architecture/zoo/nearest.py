"""The networks of the index that are most like a checkpoint, or that it contains, counted over all of its tensors."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pthway.architecture.difference import Shape, Shaped
from pthway.architecture.zoo.index import SKETCH, Index, Row, line_hash
from pthway.architecture.zoo.lookup import INPUT_CHANNELS, comparable
from pthway.architecture.zoo.sizes import CHANNELS, CLASSES, at, is_open, solved, written

LARGEST: Final = 10_000
"""Tensors of a checkpoint that is compared; the largest network of the index has half as many."""
FEWEST: Final = 12
"""Tensors below a prefix that are looked at as a network of their own."""
PREFIXES: Final = 24
"""Prefixes that are looked at, those with the most tensors first."""
DEEPEST: Final = 5
"""Parts of a prefix."""
COMPARED: Final = 12
"""Listings that are unpacked and compared in full."""
ALIKE: Final = 0.5
"""The likeness from which on a network is a relative."""
AS_ALIKE: Final = 0.8
"""The share of the best relative's likeness from which on another one is worth naming."""
CONTAINED: Final = 0.9
"""The share of a network's tensors from which on a checkpoint contains it: all but a head."""
SHOWN: Final = 5
"""Relatives that are returned."""

Shapes = Mapping[str, tuple[int, ...]]


class Relative(NamedTuple):
    """A network of the index that shares weights with a checkpoint."""

    rows: tuple[Row, ...]
    """All that share this many tensors with the checkpoint and have this many: nothing here tells them apart."""
    prefix: str
    """Below which its names stand in the checkpoint; empty for the names as they are."""
    shared: int
    """Tensors with the same name and shape; classes and input channels may be of any number."""
    of_file: int
    """Tensors of the whole checkpoint."""
    below: int
    """Tensors of the checkpoint below the prefix."""
    of_network: int
    """Tensors of the network."""
    mixed: bool
    """Whether the checkpoint has tensors of its own inside modules of the network, so that it is a changed network."""
    listing: Mapping[str, str]
    """The network's names and shapes as the index has them."""
    numbers: Mapping[str, int]
    """The numbers of classes and channels that the checkpoint shows, or else the library's own."""

    @property
    def expected(self) -> dict[str, Shape]:
        """The network's names and shapes with these numbers."""
        return {name: Shape(at(text, self.numbers), "") for name, text in self.listing.items()}

    @property
    def coverage(self) -> float:
        """The share of the checkpoint's tensors that are the network's."""
        return self.shared / self.of_file

    @property
    def contained(self) -> bool:
        """Whether the checkpoint holds the network, but for its head, and more besides."""
        return self.shared >= CONTAINED * self.of_network and not self.mixed

    @property
    def likeness(self) -> float:
        """Dice's coefficient of the tensors below the prefix and the network's: 1 where they are the same."""
        return 2 * self.shared / (self.below + self.of_network)


def nearest(index: Index, tensors: Mapping[str, Shaped]) -> list[Relative]:
    """Return the relatives of a checkpoint, the most alike first; none where nothing is at least half alike.

    Candidates come from samples of names and shapes, and of names alone, below every prefix that has enough tensors; the best are
    compared in full. An empty list too for more than `LARGEST` tensors.
    """
    shapes = comparable(tensors)
    if len(shapes) > LARGEST:
        return []
    parts = dict(_parts(shapes))
    found = []
    for prefix, block in _candidates(index, parts):
        compared = _compared(index, len(shapes), prefix, parts[prefix], block)
        found += [each for each in compared if each.likeness >= ALIKE or each.contained]
    found.sort(key=lambda each: (-each.likeness, -each.shared, each.prefix))
    return [each for each in found if each.likeness >= AS_ALIKE * found[0].likeness][:SHOWN]


def _parts(shapes: Shapes) -> Iterator[tuple[str, Shapes]]:
    """The checkpoint as it is, and what stands below each of its larger prefixes."""
    yield "", shapes
    counts: Counter[str] = Counter()
    for name in shapes:
        path = name.split(".")[:-1][:DEEPEST]
        counts.update("".join(f"{part}." for part in path[: end + 1]) for end in range(len(path)))
    for prefix, count in counts.most_common(PREFIXES):
        if count >= FEWEST:
            yield prefix, {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}


def _candidates(index: Index, parts: Mapping[str, Shapes]) -> list[tuple[str, int]]:
    """Return the prefixes and blocks that are worth comparing in full, by the likeness that the samples suggest."""
    scores: dict[tuple[str, int], float] = {}
    for prefix, shapes in parts.items():
        lines, names = Counter[int](), Counter[int]()
        for name, shape in shapes.items():
            lines.update(index.rows_with(line_hash(f"{name} {written(shape)}")))
            names.update(index.blocks_with(line_hash(name)))
        for block, hits in names.items():
            size = index.tensors(block)
            rows = max((lines[number] for number in index.members(block)), default=0)
            scores[prefix, block] = 2 * size * (hits + 3 * rows) / (4 * min(size, SKETCH) * (len(shapes) + size))
    best = [key for key, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:COMPARED]]
    return sorted(best, key=lambda key: key[1])  # blocks that lie side by side are unpacked together


def _compared(index: Index, of_file: int, prefix: str, shapes: Shapes, block: int) -> list[Relative]:
    """Return the rows of a block beside what stands below a prefix; rows with the same shapes together."""
    listing = index.listing(block)
    alike: dict[tuple[str, ...], list[int]] = {}
    for number, texts in listing.shapes.items():
        alike.setdefault(texts, []).append(number)
    lines = {name: written(shapes[name]) for name in listing.names if name in shapes}
    found = []
    listed = set(listing.names)
    own = {name.partition(".")[0] for name in listed}
    mixed = any(name.partition(".")[0] in own for name in shapes if name not in listed)
    for texts, numbers in alike.items():
        named = dict(zip(listing.names, texts, strict=True))
        values = {CLASSES: index.rows[numbers[0]].classes or 1, CHANNELS: index.rows[numbers[0]].channels or INPUT_CHANNELS}
        shared = 0
        for name, text in named.items():
            if name not in shapes:
                continue
            solution = solved(text, shapes[name]) if is_open(text) else None
            values |= solution or {}
            shared += solution is not None or text == lines[name]
        rows = tuple(index.rows[number] for number in numbers)
        found.append(Relative(rows, prefix, shared, of_file, len(shapes), len(listed), mixed, named, values))
    return found
