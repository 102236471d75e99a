"""The index of networks: one file of the package, read in a few milliseconds, whose listings are unpacked when they are asked for.

The file is of the form that `pthway.architecture.zoo.packed` describes:

    head       libraries with releases, rows, what separates groups, the sizes of what follows
    u64 × b    for each block, sorted: the hash of its names …
    u16 × b    … and its number
    u32 × s    sketches of names and shapes, sorted: the hash of a line …
    u16 × s    … and the row that has it
    u32 × t    sketches of names alone, sorted …
    u16 × t    … and the block
    pages      the texts of the blocks

A *row* is one way to build one network. Rows whose weights have the same names share a *block*: its text is the names, a line each,
then one line a row with the shapes in the order of the names. The counters of batch norms are left out, since old files lack them.
A *sketch* is the lines of a listing with the smallest hashes: a sample that is the same one wherever the lines occur.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, final

from pthway.architecture.zoo.packed import Form, Pages, arrays

FORM: Final = Form("index.bin", b"pthway zoo index", 1)
SKETCH: Final = 48
"""Lines of a listing that stand for it when relatives are looked for."""


class Row(NamedTuple):
    """One way to build one network of a library."""

    library: str
    name: str
    arguments: Mapping[str, Any]
    """What the builder is passed besides the numbers of classes and input channels."""
    classes: int | None
    """The library's own number of classes; None where none can be chosen."""
    channels: int | None
    """The library's own number of input channels; None where its builder has no argument for it."""
    block: int
    tree: int
    """The hash of its module paths."""
    group: int | None
    """Rows of one group have weights of the same names and shapes."""
    network: int
    """Within a group: rows of the same number gave the same answers with the same weights when the index was made."""

    @property
    def spelling(self) -> str:
        """How `pthway.load` is told of it."""
        return f"{self.library}:{self.name}"


class Listing(NamedTuple):
    """The names of the weights of a block, and the shapes of each of its rows as `sizes` writes them."""

    names: tuple[str, ...]
    shapes: Mapping[int, tuple[str, ...]]


@final
class Index:
    """The index in memory."""

    def __init__(self, data: bytes) -> None:
        head, at = FORM.head(data)
        self.libraries: dict[str, str] = head["libraries"]
        """Each library with the release that was indexed."""
        self.rows = [Row(*values) for values in head["rows"]]
        self.separations: list[dict[str, dict[str, list[int]]]] = head["separations"]
        """For each group: setting → its value → the rows that have it."""
        self._tensors: list[int] = head["tensors"]
        blocks = len(self._tensors)
        self._members: list[list[int]] = [[] for _ in range(blocks)]
        for number, row in enumerate(self.rows):
            self._members[row.block].append(number)
        sizes = [("Q", blocks), ("H", blocks), *((kind, count) for count in head["sketches"] for kind in "IH")]
        (self._names, self._blocks, *self._sketches), at = arrays(memoryview(data), at, sizes)
        self._pages = Pages(memoryview(data), head["pages"], at)

    def block(self, names: Iterable[str]) -> int | None:
        """Return the block of the networks whose weights have exactly these names, if there is one."""
        wanted = names_hash(names)
        at = bisect_left(self._names, wanted)
        return self._blocks[at] if at < len(self._names) and self._names[at] == wanted else None

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return len(self._tensors)

    def members(self, block: int) -> list[int]:
        """Return the rows of a block."""
        return self._members[block]

    def listing(self, block: int) -> Listing:
        """Return names and shapes of a block."""
        text = self._pages.text(block).split("\n\n")
        shapes = (tuple(line.split(" ")) for line in text[1].split("\n"))
        return Listing(tuple(text[0].split("\n")), dict(zip(self._members[block], shapes, strict=True)))

    def tensors(self, block: int) -> int:
        """Return the number of tensors that a block lists."""
        return self._tensors[block]

    def rows_with(self, line: int) -> Iterator[int]:
        """The rows with the hash *line* in their sketch of names and shapes."""
        return _having(self._sketches[0], self._sketches[1], line)

    def blocks_with(self, line: int) -> Iterator[int]:
        """The blocks with the hash *line* in their sketch of names."""
        return _having(self._sketches[2], self._sketches[3], line)


@cache
def the_index() -> Index:
    """Return the index that ships with the package."""
    return Index(FORM.read())


def names_hash(names: Iterable[str]) -> int:
    """Return 64 bits that stand for a set of names."""
    return int.from_bytes(blake2b("\n".join(sorted(names)).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def line_hash(line: str) -> int:
    """Return 32 bits that stand for a line: a name, or a name, a space and a shape."""
    return int.from_bytes(blake2b(line.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little")


def _having(hashes: "array[int]", owners: "array[int]", line: int) -> Iterator[int]:
    at = bisect_left(hashes, line)
    while at < len(hashes) and hashes[at] == line:
        yield owners[at]
        at += 1
