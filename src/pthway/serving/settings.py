"""How a server is to behave. Every limit is a named number with a reason."""

from typing import Literal

from msgspec import Struct

MEBIBYTE = 1 << 20


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
    """Seconds after which a request that still waits is given up, unless it names its own."""
    body_seconds: float = 30.0
    """Seconds that a client may take to send a body."""
    max_body: int = 64 * MEBIBYTE
    """Bytes of a body, before and after it is decompressed."""
    keys: tuple[str, ...] = ()
    """API keys, one of which a request has to bear; none are asked for if there are none."""
    hosts: tuple[str, ...] = ()
    """Names by which the server may be addressed, beside those of loopback and *host*; ``*`` for any."""
    origins: tuple[str, ...] = ()
    """Web pages of other origins that may send requests, such as ``https://example.org``."""
    log: Literal["text", "json", "off"] = "text"
    drain_seconds: float = 30.0
    """Seconds that accepted requests have to finish when the server is told to stop."""
