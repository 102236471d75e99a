"""A file that is to be written, as a plan: every tensor's place, and what stands around them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pthway.formats.tensors import DTYPES, TensorSpec


class Block(NamedTuple):
    """Numbers of the source that become one run of bytes in the file."""

    name: str
    """The first tensor that they belong to, for messages."""
    spec: TensorSpec
    dtype: str
    """Type as it is written."""

    @property
    def nbytes(self) -> int:
        """Bytes in the file that is written."""
        return self.spec.elements * DTYPES[self.dtype]


class Placed(NamedTuple):
    """A block and where it begins in the file."""

    block: Block
    at: int
    before: bytes | None = None
    """What the checksum of the block begins with; None if the format needs no checksum."""


Frame = Callable[[Sequence[int]], list[tuple[int, bytes]]]
"""From the checksums of the blocks to everything else in the file, each piece with its offset."""


class Layout(NamedTuple):
    """A planned file."""

    size: int
    blocks: tuple[Placed, ...]
    frame: Frame
