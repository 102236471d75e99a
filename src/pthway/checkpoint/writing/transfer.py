"""The bytes of the tensors on their way from the file they are in to the file that is written."""

from pathlib import Path

from pthway import _lazy
from pthway.checkpoint.meter import Meter, Progress
from pthway.checkpoint.streams import Reading, Take, check_booleans, feed
from pthway.checkpoint.writing.layout import Layout, Placed
from pthway.checkpoint.writing.new_file import new_file, write
from pthway.formats import Container


def transfer(container: Container, layout: Layout, path: Path, progress: Progress | None) -> None:
    """Write the planned file to *path*: whole and checked, or not at all. Raises `CorruptFile` or `NotWritten`."""
    with new_file(path, layout.size) as descriptor:
        meter = Meter(sum(placed.block.nbytes for placed in layout.blocks), progress)
        writers = [_Writer(descriptor, placed, meter) for placed in layout.blocks]
        feed(container, [Reading(writer.block.spec, writer.taker()) for writer in writers], path.parent)
        for at, content in layout.frame([writer.checksum for writer in writers]):
            write(descriptor, content, at)


class _Writer:
    """Writes one block, piece after piece, and sums its checksum up."""

    def __init__(self, descriptor: int, placed: Placed, meter: Meter) -> None:
        self.descriptor, self.block, self.meter = descriptor, placed.block, meter
        self.at = placed.at
        self.checksummed = placed.before is not None
        self.crc32 = _lazy.load("zlib_ng.zlib_ng:crc32")
        self.checksum: int = self.crc32(placed.before or b"")

    def taker(self) -> Take:
        """What takes the stored bytes, and changes them first where they have to be."""
        spec, dtype, name = self.block.spec, self.block.dtype, self.block.name
        if spec.conjugate or spec.negative or dtype != spec.dtype:
            change = _lazy.load("pthway.checkpoint.casting:change")(spec, dtype, name)
            return lambda piece: self.write(change(piece))
        if dtype == "bool":
            return self.write_booleans
        return self.write

    def write_booleans(self, piece: memoryview) -> None:
        """Write a piece that must hold nothing but 0 and 1."""
        check_booleans(piece, self.block.name)
        self.write(piece)

    def write(self, piece: memoryview) -> None:
        """Write the next piece."""
        if self.checksummed:
            self.checksum = self.crc32(piece, self.checksum)
        write(self.descriptor, piece, self.at)
        self.at += len(piece)
        self.meter.add(len(piece))
