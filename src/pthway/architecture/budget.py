"""How much a search may spend: builds, and time."""

import time
from dataclasses import dataclass, field
from typing import Final

MAX_BUILDS: Final = 1500
"""The hardest of the test networks needs some 450, most under 50; a build takes 1 to 100 ms."""
MAX_SECONDS: Final = 20.0
"""Of computing by the searching thread: what else the machine does changes nothing of what is found."""


@dataclass(slots=True)
class Budget:
    """Counts what a search spends."""

    builds: int = 0
    started: float = field(default_factory=time.thread_time)
    refusal: str = ""
    """Why the last point that could not be built was refused."""

    @property
    def spent(self) -> bool:
        """Whether nothing more may be built."""
        return self.builds >= MAX_BUILDS or time.thread_time() - self.started > MAX_SECONDS

    def __str__(self) -> str:
        return f"the search ended after {self.builds} builds and {time.thread_time() - self.started:.0f} s of computing"
