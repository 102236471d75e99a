"""Runs the application: on one event loop, or on one in each of several processes, by uvicorn on uvloop and httptools."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
import uvicorn
from msgspec import Struct

from pthway.errors import UsageError
from pthway.serving.app import Application, create_app
from pthway.serving.connection import bounded
from pthway.serving.guard import LOOPBACK
from pthway.serving.hosted import Hosted
from pthway.serving.models import Models
from pthway.serving.openapi import example
from pthway.serving.settings import Settings
from pthway.serving.supervisor import supervise

BACKLOG: Final = 2048
"""Connections that may wait to be accepted; the system's own bound is usually 4096."""

LONGEST_EXAMPLE: Final = 400
"""Characters that are shown."""
IMAGE_RANK: Final = 3
IMAGE_CHANNELS: Final = (1, 3, 4)

_log: Final = logging.getLogger("pthway.serving")

Tls = tuple[str, str]


class Served(Struct, frozen=True):
    """What is told of a model when it is ready."""

    name: str
    version: str
    runtime: str
    because: str
    """Why this runtime."""
    read: float
    """Seconds of checking the files."""
    verify: float
    """Of loading the program and comparing its answers with the recorded ones."""
    warm: float
    """Of measuring batches."""
    largest_batch: int
    reason: str
    """Why no larger batches."""
    curl: str
    """The options of curl that send something which the model takes."""


OnReady = Callable[[str, Sequence[Served]], None]
"""Is told the address and the models, once requests are answered."""


def serve(
    *bundles: str | os.PathLike[str], settings: Settings | None = None, tls: Tls | None = None, on_ready: OnReady = lambda *_: None
) -> None:
    """Serve *bundles*, paths of folders or .zip files, until SIGTERM or SIGINT; what was accepted is answered first.

    *tls* is the certificate's and the key's file. SIGHUP serves anew what changed. Raises `UsageError` for settings that make no sense and
    an address that cannot be had, and what made a model unservable, as `open_bundle` and `open_session` do.
    """
    chosen = settings or Settings()
    create_app(*bundles, settings=chosen)  # refuses here what no worker could serve
    configure_log(chosen)
    if chosen.host not in LOOPBACK and not chosen.keys:
        _log.warning("whoever reaches %s can use this server: it asks for no API key", chosen.host)
    paths = [str(Path(each).absolute()) for each in bundles]
    with listening(chosen) as listener:
        port = listener.getsockname()[1]
        host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        address = f"{'https' if tls else 'http'}://{host}:{port}"
        if chosen.workers == 1:
            run(listener, paths, chosen, tls, lambda models: on_ready(address, told(models)))
        else:
            supervise(listener, paths, chosen, tls, lambda models: on_ready(address, [msgspec.convert(each, Served) for each in models]))


def told(models: Iterable[Hosted]) -> list[Served]:
    """What there is to tell of *models*."""
    return [
        Served(
            each.name,
            each.version,
            each.session.runtime,
            each.session.because,
            each.started.read,
            each.started.session,
            each.started.warm,
            each.curve.largest,
            each.curve.reason,
            _curl(each),
        )
        for each in models
    ]


def _curl(hosted: Hosted) -> str:
    sample = hosted.session.signature.inputs[0].sample or ()
    if len(hosted.session.signature.inputs) == 1 and len(sample) == IMAGE_RANK and sample[0] in IMAGE_CHANNELS:
        return "-T image.png"
    found = example(hosted)
    text = msgspec.json.encode({"inputs": found}).decode() if found is not None else ""
    return f"-d '{text}'" if 0 < len(text) <= LONGEST_EXAMPLE else "--data-binary @input.npy"


def listening(settings: Settings) -> socket.socket:
    """The socket at which clients arrive. Raises `UsageError` if the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as cause:
        reason = os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno and cause.errno > 0 else str(cause)
        raise UsageError(
            f"{settings.host}:{settings.port} cannot be listened at: {reason}.",
            "A server needs an address of this machine and a port that nobody else has.",
            "Another --port, or --port 0 for any that is free",
        ) from cause


def run(listener: socket.socket, paths: Sequence[str], settings: Settings, tls: Tls | None, on_ready: Callable[[Models], None]) -> None:
    """Serve in this process until a signal. Raises what made a model unservable."""
    app = create_app(*paths, settings=settings, on_ready=on_ready)
    certificate, key = tls or (None, None)
    config = uvicorn.Config(
        app,
        http=bounded(settings),  # type: ignore[arg-type]  # a class made for it
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.idle_seconds,  # type: ignore[arg-type]  # given to the loop's timer as it is
        timeout_graceful_shutdown=int(settings.drain_seconds) + 1,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    _load_certificate(config, tls)
    _Server(config, app).run(sockets=[listener])
    if app.failure is not None:
        raise app.failure


def _load_certificate(config: uvicorn.Config, tls: Tls | None) -> None:
    try:
        config.load()
    except OSError as cause:  # as which ssl tells everything
        raise UsageError(
            f"The certificate {tls[0] if tls else ''} cannot be used: {cause}.",
            "It is a PEM file, and the other one has its key.",
            "--tls-cert FILE --tls-key FILE",
        ) from cause


class _Server(uvicorn.Server):
    """Answers until a signal, and finishes what it accepted before it stops to listen."""

    def __init__(self, config: uvicorn.Config, app: Application) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if threading.current_thread() is threading.main_thread():  # no other hears of signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._app.reload)

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._app.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.drain()  # meanwhile whoever asks anew, or for readiness, is told that this server stops
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # the signature of a handler
        """Stop; at once if a person insists. Nothing is raised once more at the end: to have stopped as told is a success."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def configure_log(settings: Settings) -> None:
    """Send the log to stderr, in the form that was chosen."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s" if settings.log == "json" else "%(asctime)s %(message)s"))
    for name, level in (("pthway.serving", logging.WARNING if settings.log == "off" else logging.INFO), ("uvicorn", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.getLogger("python_multipart").addHandler(logging.NullHandler())  # what it says of a form, the answer says
