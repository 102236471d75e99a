"""What is told of requests: metrics, a line of the log each, and the header Server-Timing."""

import json
import logging
from typing import Final, final

from pthway.serving.batcher import Computed
from pthway.serving.hosted import Hosted
from pthway.serving.http import Request
from pthway.serving.metrics import Metrics
from pthway.serving.settings import Settings

CLIENT_LEFT: Final = 499
"""The status, which nobody sees, of a request whose client left before it had an answer."""

_log: Final = logging.getLogger("pthway.serving")


class Note:
    """What becomes of a request."""

    __slots__ = ("computed", "hosted")

    def __init__(self) -> None:
        self.hosted: Hosted | None = None
        self.computed: Computed | None = None

    def timing(self, seconds: float) -> str:
        """The header Server-Timing, in milliseconds."""
        total = f"total;dur={seconds * 1e3:.3f}"
        if self.computed is None:
            return total
        return f"queue;dur={self.computed.waited * 1e3:.3f}, compute;dur={self.computed.computed * 1e3:.3f}, {total}"


@final
class Account:
    """Keeps the account of one process."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self._form = settings.log

    def served(self, hosted: Hosted, is_served: int) -> None:
        """Take down that a model is served from now on (1), or no more (0)."""
        digest = hosted.session.bundle.digest[:12]
        self.metrics.models.labels(hosted.name, hosted.version, hosted.session.runtime, digest).set(is_served)

    def tell(self, request: Request, note: Note, status: int, seconds: float) -> None:
        """Count a request and log it. Those that reached no model count as of the model "", so that no client makes up names."""
        name, version = (note.hosted.name, note.hosted.version) if note.hosted is not None else ("", "")
        self.metrics.requests.labels(name, version, str(status)).inc()
        self.metrics.seconds.labels(name).observe(seconds)
        if note.computed is not None:
            self.metrics.queue_seconds.labels(name).observe(note.computed.waited)
            self.metrics.compute_seconds.labels(name).observe(note.computed.computed)
            self.metrics.batch.labels(name).observe(note.computed.batch)
        if self._form == "off":
            return
        told: dict[str, object] = {
            "id": request.id,
            "method": request.method,
            "path": request.path,
            "status": status,
            "milliseconds": round(seconds * 1e3, 3),
        }
        if name:
            told["model"] = f"{name}:{version}"
        if note.computed is not None:
            told |= {"queue_milliseconds": round(note.computed.waited * 1e3, 3), "batch": note.computed.batch}
        _log.info(json.dumps(told) if self._form == "json" else " ".join(f"{key}={_plain(value)}" for key, value in told.items()))


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and '"' not in text else json.dumps(text)
