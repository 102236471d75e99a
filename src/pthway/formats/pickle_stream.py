"""Pickles that follow each other in a file, as torch wrote them before the zip."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from pthway.errors import LimitExceeded
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
    """The pickles of a stream in order, read through a window that grows while one goes on."""

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
        if not self.window_at <= self.position < self.window_at + len(self.window):
            self.window, self.window_at = b"", self.position
        begin = self.position - self.window_at
        try:
            found = decode(self.window, begin, self.constructors, self.persistent, self.budget, self.more)
        except NeedMoreBytes as cause:
            raise refuse_truncation(cause, str(self.source.path)) from cause
        self.position = self.window_at + found.end
        return found

    def more(self, missing: int) -> bytes:
        """The bytes after the window, which grows by them: enough that reading a long pickle takes few steps."""
        if len(self.window) + missing > limits.MAX_PICKLE_BYTES:
            raise LimitExceeded(
                f"{self.source.path} has a pickle of more than {limits.MAX_PICKLE_BYTES:,} bytes.",
                "It holds names, shapes and settings; the weights are apart from it.",
                "Check where the file came from.",
            )
        at = self.window_at + len(self.window)
        count = min(max(missing, _FIRST_READ, len(self.window)), self.source.size - at, limits.MAX_PICKLE_BYTES - len(self.window))
        following = self.source.read(at, count)
        self.window += following
        return following

    def take(self, count: int) -> bytes:
        """The next bytes, which are no pickle."""
        taken = self.source.read(self.position, count)
        self.position += count
        return taken
