"""The elements of tensors in row-major order, in bounded memory, whatever the tensors' strides and the archive's packing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

from pthway import _lazy
from pthway.errors import CorruptFile
from pthway.formats import Container
from pthway.formats.tensors import DTYPES, StorageSpec, TensorSpec

Take = Callable[[memoryview], None]
"""Takes the next bytes of a tensor; always whole elements."""


class Reading(NamedTuple):
    """A tensor that is wanted, and who takes its bytes."""

    spec: TensorSpec
    take: Take


class Place(NamedTuple):
    """Where the bytes of a storage can be read by position."""

    descriptor: int
    offset: int


class _Run(NamedTuple):
    """Bytes of a storage that follow each other."""

    start: int
    stop: int
    take: Take


def feed(container: Container, readings: Sequence[Reading], folder: Path) -> None:
    """Give every tensor's bytes to its taker: in row-major order, as they are stored (a conjugate view is not resolved).

    Every storage is read once, several side by side, and its checksum compared; what was taken is to be trusted when this
    returns. Packed storages with tensors that do not lie in one piece are unpacked to an unnamed file in *folder*. Raises
    `CorruptFile`.
    """
    storages = {reading.spec.storage.key: reading.spec.storage for reading in readings}
    with ExitStack() as stack:
        runs: dict[str, list[_Run]] = {key: [] for key in storages}
        for spec, take in readings:
            if spec.contiguous and spec.elements:
                start = spec.offset * DTYPES[spec.dtype]
                runs[spec.storage.key].append(_Run(start, start + spec.nbytes, take))
        scattered = [reading for reading in readings if not reading.spec.contiguous]
        unpacked = {
            key: stack.enter_context(_unnamed_file(folder))
            for key in {spec.storage.key for spec, _ in scattered}
            if not container.maps(storages[key])
        }
        for key, file in unpacked.items():
            runs[key].append(_Run(0, storages[key].nbytes, _writer(file)))
        cursors = {key: _Cursor(of) for key, of in runs.items()}
        container.check(list(storages.values()), lambda storage, chunk: cursors[storage.key].show(chunk), copies=True)
        for spec, take in scattered:
            for piece in gathered(_place(container, spec.storage, unpacked), spec):
                take(piece)


class _Cursor:
    """The way through one storage, chunk by chunk; every run that a chunk touches gets its part."""

    def __init__(self, runs: list[_Run]) -> None:
        self.runs = sorted(runs, key=lambda run: run.start)
        self.position = self.next = 0
        self.open: list[_Run] = []

    def show(self, chunk: memoryview) -> None:
        """Hand the next chunk of the storage on."""
        begin, end = self.position, self.position + len(chunk)
        while self.next < len(self.runs) and self.runs[self.next].start < end:
            self.open.append(self.runs[self.next])
            self.next += 1
        for run in self.open:
            run.take(chunk[max(run.start - begin, 0) : run.stop - begin])
        self.open = [run for run in self.open if run.stop > end]
        self.position = end


class Readable:
    """Checked tensors that can be read piece by piece at any time; to be closed."""

    def __init__(self, container: Container, tensors: Sequence[TensorSpec], folder: Path) -> None:
        self.container = container
        self._stack = ExitStack()
        storages = {spec.storage.key: spec.storage for spec in tensors}
        self._unpacked = {key: self._stack.enter_context(_unnamed_file(folder)) for key, of in storages.items() if not container.maps(of)}
        container.check(list(storages.values()), self._look if self._unpacked else None, copies=True)

    def _look(self, storage: StorageSpec, chunk: memoryview) -> None:
        if storage.key in self._unpacked:
            self._unpacked[storage.key].write(chunk)

    def pieces(self, spec: TensorSpec) -> Iterator[memoryview]:
        """The tensor's bytes in row-major order; the cuts depend on the shape alone."""
        return gathered(_place(self.container, spec.storage, self._unpacked), spec)

    def __enter__(self) -> "Readable":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def gathered(place: Place, spec: TensorSpec) -> Iterator[memoryview]:
    """The bytes of a tensor of any strides in row-major order, in pieces whose cuts depend on the shape alone."""
    pieces: Iterator[memoryview] = _lazy.load("pthway.checkpoint.strided:pieces")(*place, spec)
    return pieces


def _place(container: Container, storage: StorageSpec, unpacked: dict[str, IO[bytes]]) -> Place:
    if storage.key in unpacked:
        unpacked[storage.key].flush()
        return Place(unpacked[storage.key].fileno(), 0)
    place = container.parts.places[storage.key]
    return Place(place.source.descriptor, place.offset)


def _unnamed_file(folder: Path) -> Any:
    return _lazy.load("tempfile:TemporaryFile")(dir=folder)


def _writer(file: IO[bytes]) -> Take:
    def take(piece: memoryview) -> None:
        file.write(piece)

    return take


def check_booleans(piece: memoryview, name: str) -> None:
    """Raise `CorruptFile` if a byte of a boolean tensor is neither 0 nor 1: computing with it is undefined."""
    if bytes(piece).strip(b"\0\1"):
        raise CorruptFile(f"{name} is boolean, but has bytes other than 0 and 1.", "torch never writes such.", "Save it again.")
