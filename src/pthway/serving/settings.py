"""How a server is to behave. Every limit is a named number with a reason."""

import math
from typing import Literal

from msgspec import Struct

from pthway.errors import UsageError

MEBIBYTE = 1 << 20
POSITIVE = ("workers", "queue", "timeout", "head_seconds", "body_seconds", "idle_seconds", "max_body", "max_bodies", "drain_seconds")


class Settings(Struct, frozen=True, kw_only=True):
    """The choices of whoever runs the server."""

    host: str = "127.0.0.1"
    """Loopback: whoever wants to be reached from elsewhere says so."""
    port: int = 8000
    workers: int = 1
    """Processes. The runtime computes without Python's lock, so that one is enough for large networks."""
    threads: int | None = None
    """Processors of one call, in one worker; those that are available, divided among the workers, if None."""
    runtime: str | None = None
    """Which of the bundle's runtimes; the fastest that is verified if None."""
    queue: int = 512
    """Samples that may wait for a model; a request beyond them is refused at once, since it would only wait longer."""
    largest_batch: int | None = None
    """Samples of one call; found by measuring if None. 1 switches batching off."""
    window: float = 0.0
    """Seconds that a batch waits to be filled. Without waiting a batch is what came while the runtime was busy."""
    timeout: float = 60.0
    """Seconds after which a request without an answer is given up, unless it names fewer itself."""
    head_seconds: float = 10.0
    """Seconds that a client may take to send the head of a request, once connected."""
    body_seconds: float = 30.0
    """Seconds that a client may take to send a body, and to take an answer."""
    idle_seconds: float = 60.0
    """Seconds that a connection may rest between two requests."""
    max_body: int = 64 * MEBIBYTE
    """Bytes of a body, before and after it is decompressed."""
    max_bodies: int = 1 << 30
    """Bytes of all bodies that are held at once; a request beyond them is refused at once."""
    keys: tuple[str, ...] = ()
    """API keys, one of which a request has to bear; none are asked for if there are none."""
    hosts: tuple[str, ...] = ()
    """Names by which the server may be addressed, beside those of loopback and *host*; ``*`` for any."""
    origins: tuple[str, ...] = ()
    """Web pages of other origins that may send requests, such as ``https://example.org``."""
    log: Literal["text", "json", "off"] = "text"
    reload: bool = False
    """Whether bundles are watched, and served anew when they change."""
    drain_seconds: float = 30.0
    """Seconds that accepted requests have to finish when the server is told to stop."""

    def require_sound(self) -> None:
        """Raise `UsageError` for a setting that makes no sense."""
        wrong = [name for name in POSITIVE if not 0 < getattr(self, name) < math.inf]
        wrong += [name for name in ("threads", "largest_batch") if getattr(self, name) is not None and getattr(self, name) < 1]
        if not 0 <= self.window < math.inf:
            wrong.append("window")
        if wrong:
            raise UsageError(f"{wrong[0]} is {getattr(self, wrong[0])}.", "It is a number above 0.", f"Leave {wrong[0]} out, or correct it")
        if any(not key or not key.isascii() or key != key.strip() for key in self.keys):
            raise UsageError(
                "An API key is empty, or holds more than plain characters.",
                "An empty one would let everybody in; a header can bear ASCII alone.",
                "python -c 'import secrets; print(secrets.token_urlsafe())' makes a key",
            )
