"""How far a pass over the bytes has come."""

from collections.abc import Callable
from threading import Lock

Progress = Callable[[int, int], None]
"""Is told how many bytes of how many are done."""


class Meter:
    """Counts what several threads have done."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress, self.done, self.lock = total, progress, 0, Lock()

    def add(self, count: int) -> None:
        """Count *count* more bytes."""
        if self.progress is not None:
            with self.lock:
                self.done += count
                self.progress(self.done, self.total)
