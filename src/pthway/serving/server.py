"""Runs the application: one process or several, by uvicorn on uvloop and httptools."""

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn

from pthway.serving.app import Application, create_app
from pthway.serving.metrics import MULTIPROCESS
from pthway.serving.settings import Settings

CHOICES: Final = "PTHWAY_SERVING"
"""The environment variable by which workers are told what to serve."""
BACKLOG: Final = 2048


def serve(*bundles: str | os.PathLike[str], settings: Settings | None = None, tls: tuple[str, str] | None = None) -> None:
    """Serve *bundles* until a signal stops it; what was accepted is answered first.

    *tls* is the certificate's and the key's file. Raises as `create_app` does.
    """
    chosen = settings or Settings()
    _configure_log(chosen)
    create_app(*bundles, settings=chosen)  # refuses here what no worker could serve
    certificate, key = tls or (None, None)
    common: dict[str, Any] = {
        "host": chosen.host,
        "port": chosen.port,
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "date_header": False,
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": int(chosen.drain_seconds) + 1,
        "ssl_certfile": certificate,
        "ssl_keyfile": key,
    }
    if chosen.workers == 1:
        uvicorn.run(create_app(*bundles, settings=chosen), **common)
        return
    with _shared_metrics():
        os.environ[CHOICES] = msgspec.json.encode([[str(Path(each).absolute()) for each in bundles], chosen]).decode()
        uvicorn.run("pthway.serving.server:worker", factory=True, workers=chosen.workers, **common)


def worker() -> Application:
    """The application of one of several workers, by what `serve` left in the environment."""
    bundles, settings = msgspec.json.decode(os.environ[CHOICES], type=tuple[list[str], Settings])
    _configure_log(settings)
    return create_app(*bundles, settings=settings)


@contextmanager
def _shared_metrics() -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="pthway-metrics-")
    os.environ[MULTIPROCESS] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure_log(settings: Settings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s" if settings.log == "json" else "%(asctime)s %(message)s"))
    logger = logging.getLogger("pthway.serving")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.ERROR if settings.log == "off" else logging.INFO)
