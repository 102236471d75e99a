"""One of several processes that serve at the same socket; `supervise` starts it, tells it what to serve, and is told how it goes."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from pthway.errors import PthwayError
from pthway.serving.server import Served, configure_log, run, told
from pthway.serving.settings import Settings


class Work(Struct, frozen=True):
    """What a worker is told, as one line of JSON on its standard input, which stays open as long as whoever started it lives."""

    listener: int
    """The descriptor of the socket."""
    report: int
    """The descriptor to which it tells how it goes."""
    paths: Sequence[str]
    settings: Settings
    tls: tuple[str, str] | None


class Report(Struct, frozen=True):
    """What a worker tells, once: that it is ready, or why it never will be."""

    ready: Sequence[Served] = ()
    error: tuple[str, str, str, str] | None = None
    """The class, the what, the why and the fix."""


def main() -> None:
    """Serve as the standard input says, until a signal or the end of whoever started it."""
    work = msgspec.json.decode(_line(sys.stdin.fileno()), type=Work)
    configure_log(work.settings)
    threading.Thread(target=_outlive_nobody, daemon=True).start()

    def report(message: Report) -> None:
        os.write(work.report, msgspec.json.encode(message) + b"\n")  # and stays open: its end is the process's

    try:
        with socket.socket(fileno=work.listener) as listener:
            run(listener, work.paths, work.settings, work.tls, lambda models: report(Report(told(models))))
    except PthwayError as error:
        report(Report(error=(type(error).__name__, error.what, error.why, error.fix)))
        sys.exit(1)


def _outlive_nobody() -> None:
    """Stop in good order when the standard input ends: whoever started this process is gone, however that happened."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _line(descriptor: int) -> bytes:
    """One line, and not a byte more: Python's own reading would take what is behind it, too."""
    data = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"\n", b""):
        data += byte
    return bytes(data)


if __name__ == "__main__":
    main()
