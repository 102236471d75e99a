"""Pickles that follow each other in a file, as torch wrote them before the zip."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from pthway.formats import limits
from pthway.formats.pickle_machine import Budget, Constructor, NeedMoreBytes, Pickled, decode, refuse_truncation
from pthway.formats.rebuild import CONSTRUCTORS

_FIRST_READ: Final = limits.MIB


class Readable(Protocol):
    """A run of bytes: a file, a member of an archive, or a text inside a pickle."""

    @property
    def path(self) -> Path:
        """The file it lies in."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    def read(self, offset: int, count: int) -> bytes:
        """Exactly *count* bytes from *offset*; `TruncatedFile` when there are fewer."""


class Pickles:
    """The pickles of a stream in order, read in a window that grows when one does not end in it."""

    def __init__(
        self,
        source: Readable,
        persistent: Callable[[object], object],
        constructors: Mapping[tuple[str, str], Constructor] = CONSTRUCTORS,
        budget: Budget | None = None,
    ) -> None:
        self.source, self.persistent, self.constructors, self.position = source, persistent, constructors, 0
        self.budget = budget or Budget()
        self.window, self.window_at = b"", 0

    def next(self) -> Pickled:
        """The next pickle."""
        length = max(_FIRST_READ, len(self.window))
        while True:
            if not self.window_at <= self.position < self.window_at + len(self.window):
                self.load(length)
            try:
                found = decode(self.window, self.position - self.window_at, self.constructors, self.persistent, self.budget)
            except NeedMoreBytes as cause:
                if self.window_at + len(self.window) >= self.source.size or length >= limits.MAX_PICKLE_BYTES:
                    raise refuse_truncation(cause, str(self.source.path)) from cause
                length = min(4 * max(length, cause.missing), limits.MAX_PICKLE_BYTES)
                self.load(length)
                continue
            self.position = self.window_at + found.end
            return found

    def load(self, length: int) -> None:
        """Read a window that begins at the next pickle."""
        self.window_at = self.position
        self.window = self.source.read(self.position, min(length, self.source.size - self.position))

    def take(self, count: int) -> bytes:
        """The next bytes, which are no pickle."""
        taken = self.source.read(self.position, count)
        self.position += count
        return taken
