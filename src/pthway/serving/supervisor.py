"""Keeps several workers at one socket: starts them, replaces those that die, and leaves none behind."""

import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, final

import msgspec
from prometheus_client import multiprocess

from pthway import errors
from pthway.errors import PthwayError
from pthway.serving.metrics import MULTIPROCESS
from pthway.serving.settings import Settings

COMMAND: Final = (sys.executable, "-P", "-m", "pthway.serving.worker")
AGAIN_SECONDS: Final = 1.0
"""Before a worker is started in the place of one that died before it was ready: the next one may fare no better."""
KILL_SECONDS: Final = 5.0
"""That a worker has beyond its time to drain."""

_log: Final = logging.getLogger("pthway.serving")


@final
class _Worker:
    """A process, and the pipe on which it tells how it goes."""

    def __init__(self, work: Mapping[str, Any], listener: socket.socket) -> None:
        self.report, telling = os.pipe()
        os.set_blocking(self.report, False)
        try:
            self.process: Any = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, pass_fds=(listener.fileno(), telling))
        finally:
            os.close(telling)
        self._told = bytearray()
        self.ready = False
        stdin: Any = self.process.stdin
        with suppress(BrokenPipeError):  # it died at once, as will be seen
            stdin.write(msgspec.json.encode({**work, "listener": listener.fileno(), "report": telling}) + b"\n")
            stdin.flush()

    def heard(self) -> dict[str, Any] | None:
        """What it told since, once that is complete; an empty mapping when it says no more."""
        with suppress(BlockingIOError):
            data = os.read(self.report, 1 << 20)
            if not data:
                return {}
            self._told += data
        return msgspec.json.decode(self._told) if self._told.endswith(b"\n") else None

    def signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def buried(self) -> int:
        """How it ended. To be called when it did, or was killed."""
        os.close(self.report)
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        code: int = self.process.wait()
        multiprocess.mark_process_dead(self.process.pid)  # type: ignore[no-untyped-call]
        return code


def supervise(
    listener: socket.socket,
    paths: Sequence[str],
    settings: Settings,
    tls: tuple[str, str] | None,
    on_ready: Callable[[Sequence[Mapping[str, Any]]], None],
) -> None:
    """Serve by `Settings.workers` processes until SIGTERM or SIGINT. Raises what made a model unservable, if that is so from the start."""
    with _shared_metrics(), _signals() as (wake, signals):
        _Supervisor(listener, {"paths": paths, "settings": settings, "tls": tls}, settings, on_ready).run(wake, signals)


@final
class _Supervisor:
    def __init__(
        self,
        listener: socket.socket,
        work: Mapping[str, Any],
        settings: Settings,
        on_ready: Callable[[Sequence[Mapping[str, Any]]], None],
    ) -> None:
        self._listener, self._work, self._settings, self._on_ready = listener, work, settings, on_ready
        self._workers: dict[int, _Worker] = {}
        self._due: list[float] = []
        """When workers are to be started in the place of dead ones."""
        self._announced = False

    def run(self, wake: int, signals: list[int]) -> None:
        """Watch over the workers until a signal says to stop."""
        try:
            for _ in range(self._settings.workers):
                self._start()
            while not {signal.SIGTERM, signal.SIGINT} & set(signals):
                self._turn(wake, signals)
        finally:
            self._stop()

    def _start(self) -> None:
        worker = _Worker(self._work, self._listener)
        self._workers[worker.report] = worker

    def _turn(self, wake: int, signals: list[int]) -> None:
        """Wait until something happens, and do what follows from it."""
        wait = min(self._due) - time.monotonic() if self._due else None
        found, _, _ = select.select([wake, *self._workers], [], [], None if wait is None else max(0.0, wait))
        if wake in found:
            os.read(wake, 1 << 10)
        while signal.SIGHUP in signals:
            signals.remove(signal.SIGHUP)
            for worker in self._workers.values():
                worker.signal(signal.SIGHUP)
        for report in set(found) - {wake}:
            self._hear(self._workers[report])
        for due in [each for each in self._due if each <= time.monotonic()]:
            self._due.remove(due)
            self._start()

    def _hear(self, worker: _Worker) -> None:
        message = worker.heard()
        if message is None:
            return
        if not message:
            self._replace(worker)
        elif message["error"] is not None:
            kind, *texts = message["error"]
            failure: PthwayError = getattr(errors, kind)(*texts)
            if not self._announced:
                raise failure
            _log.error("no worker can be started: %s", failure)
        else:
            worker.ready = True
            if not self._announced and all(each.ready for each in self._workers.values()):
                self._announced = True
                self._on_ready(message["ready"])

    def _replace(self, worker: _Worker) -> None:
        del self._workers[worker.report]
        code = worker.buried()
        if not self._announced:
            raise PthwayError(
                f"A worker ended with {code} before it was ready.", "Its own output has the reason.", "Try with one worker: --workers 1"
            )
        _log.error("worker %d ended with %d, and another one takes its place", worker.process.pid, code)
        self._due.append(time.monotonic() + (0.0 if worker.ready else AGAIN_SECONDS))

    def _stop(self) -> None:
        """Let every worker finish what it accepted, and end it if it does not."""
        for worker in self._workers.values():
            worker.signal(signal.SIGTERM)
        end = time.monotonic() + self._settings.drain_seconds + KILL_SECONDS
        for worker in self._workers.values():
            try:
                worker.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
            worker.buried()


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder where workers put their numbers, so that any of them tells of all."""
    before = os.environ.get(MULTIPROCESS)
    folder = tempfile.mkdtemp(prefix="pthway-metrics-")
    os.environ[MULTIPROCESS] = folder
    try:
        yield
    finally:
        del os.environ[MULTIPROCESS]
        if before is not None:
            os.environ[MULTIPROCESS] = before
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _signals() -> Iterator[tuple[int, list[int]]]:
    """A descriptor that can be read when a signal came, and those that came."""
    came: list[int] = []
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    handlers = {
        number: signal.signal(number, lambda each, _: came.append(each)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    old = signal.set_wakeup_fd(waker)
    try:
        yield wake, came
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(wake)
        os.close(waker)
