"""The ASGI application: what becomes of each request, from its head to its answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, final

from pthway.errors import PthwayError, UsageError
from pthway.serving.account import CLIENT_LEFT, Account, Note
from pthway.serving.guard import PREFLIGHT, Guard
from pthway.serving.http import ClientLeft, Held, HttpError, Receive, Request, Response, Scope, Send, error_of
from pthway.serving.models import Models
from pthway.serving.routes import HEALTH, Routes
from pthway.serving.settings import Settings

HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
WATCH_SECONDS: Final = 1.0
"""Between two looks at the bundles."""

_log: Final = logging.getLogger("pthway.serving")


@final
class Application:
    """Models behind HTTP. `create_app` makes one."""

    def __init__(self, bundles: Sequence[Any], settings: Settings, on_ready: Callable[[Models], None]) -> None:
        self._settings, self._on_ready = settings, on_ready
        self._account = Account(settings)
        self.models = Models(bundles, settings, self._account.served)
        self.failure: Exception | None = None
        """Why the models cannot be served."""
        self._routes = Routes(self.models, settings, self._account)
        self._guard = Guard(settings)
        self._held = Held(settings.max_bodies)
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life ---------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the life of the server."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case other:
                raise RuntimeError(f"there is no {other} here")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._begin(self._load())
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.drain()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self) -> None:
        """Load every model, while the server answers that it is not ready; then watch them, if that was asked for."""
        try:
            await self.models.load()
        except Exception as cause:  # noqa: BLE001  # told to whoever runs the server, which is of no use any more
            self.failure, self._routes.failed = cause, True
            _log.error("the models cannot be served: %s", cause)
            return
        self._on_ready(self.models)
        while self._settings.reload:
            await asyncio.sleep(WATCH_SECONDS)
            await self.models.reload()

    def reload(self) -> None:
        """Look, as soon as there is time, whether bundles were changed, and serve those anew."""
        self._begin(self.models.reload())

    async def drain(self) -> None:
        """Refuse what comes, and finish what was accepted, if that does not take longer than the settings allow."""
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self.models.close()
        self._routes.close()

    # --- one request --------------------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.perf_counter()
        request, note = Request(scope, receive, self._held), Note()
        self._account.metrics.inside.inc()
        try:
            response = await self._answered(request, note)
        except ClientLeft:
            self._account.tell(request, note, CLIENT_LEFT, time.perf_counter() - begin)
            return
        finally:
            self._account.metrics.inside.dec()
            request.release()
        seconds = time.perf_counter() - begin
        self._account.tell(request, note, response.status, seconds)
        told = {"x-request-id": request.id, "server-timing": note.timing(seconds)}
        await response.send(send, {**HEADERS, **self._guard.allowed(request.headers), **told})

    async def _answered(self, request: Request, note: Note) -> Response:
        try:
            return await self._handled(request, note)
        except HttpError as error:
            return error.response
        except PthwayError as refusal:
            return error_of(refusal).response
        except ClientLeft:
            raise
        except Exception:  # noqa: BLE001  # a bug of ours or of the network's: logged in full, told in brief
            _log.exception("request %s failed", request.id)
            return HttpError(
                500, "The request failed inside the server.", f"Its log has the reason under {request.id}.", "Tell whoever runs it."
            ).response

    async def _handled(self, request: Request, note: Note) -> Response:
        segments = request.segments
        health = "/".join(segments) in HEALTH
        if not health:
            self._guard.check_origin(request.headers)
        if request.method == "OPTIONS" and self._guard.allowed(request.headers):
            return Response(204, b"", headers=PREFLIGHT)
        handler = self._routes.find(request)
        if not health and segments[0] not in ("", "page"):  # the page has nothing to hide, and asks for the key itself
            self._guard.check_key(request.headers)
        return await handler(request, note)


def create_app(*bundles: Any, settings: Settings | None = None, on_ready: Callable[[Models], None] = lambda _: None) -> Application:
    """The ASGI application that serves *bundles*: paths of folders or .zip files, or opened ones.

    It loads and verifies them when the server starts it, calls *on_ready* and is ready when all of them are. If one cannot be served,
    it is not live either, and its log says why. Raises `UsageError` if there is none, or if a setting makes no sense.
    """
    if not bundles:
        raise UsageError("No bundle is given to serve.", "A server serves at least one.", "pthway.create_app('model.bundle')")
    chosen = settings or Settings()
    chosen.require_sound()
    return Application(bundles, chosen, on_ready)
