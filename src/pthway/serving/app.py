"""The ASGI application: from a request to the model that it names, and back."""

import asyncio
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, final

import msgspec

from pthway import __version__
from pthway.errors import InputRefused, PthwayError
from pthway.runtime.session import Taken
from pthway.serving import open_inference, page, plain
from pthway.serving.batcher import Closed, Computed, DeadlinePassed, Overloaded
from pthway.serving.guard import Guard
from pthway.serving.hosted import Hosted, host
from pthway.serving.http import ClientLeft, HttpError, Receive, Request, Response, Scope, Send, error_of
from pthway.serving.metrics import Metrics
from pthway.serving.openapi import openapi
from pthway.serving.settings import Settings

LARGE_BODY: Final = 1 << 16
"""Bytes beyond which a body is read by a thread: the event loop has others to hear."""
READERS: Final = 2
EXTENSIONS: Final = ("binary_tensor_data",)
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
OPEN: Final = frozenset({"/v2/health/live", "/v2/health/ready", "/ping"})
"""Asked for by what has no keys: load balancers and orchestrators."""

ASKED: Final = {
    "": "_page",
    "metrics": "_metrics_text",
    "openapi.json": "_openapi",
    "models": "_list",
    "ping": "_ping",
    "v2": "_server",
    "v2/health/live": "_live",
    "v2/health/ready": "_is_ready",
}
"""What is asked about the server, by its path."""

_log = logging.getLogger("pthway.serving")

Handler = Callable[[Request, "Note"], Awaitable[Response]]


class Note:
    """What the log and the metrics tell of a request."""

    __slots__ = ("computed", "hosted")

    def __init__(self) -> None:
        self.hosted: Hosted | None = None
        self.computed: Computed | None = None


@final
class Application:
    """Models behind HTTP. `create_app` makes one."""

    def __init__(self, bundles: Sequence[Any], settings: Settings) -> None:
        self.settings = settings
        self.ready = asyncio.Event()
        self.failure: BaseException | None = None
        self.models: dict[str, dict[str, Hosted]] = {}
        self._bundles = bundles
        self._guard = Guard(settings)
        self._metrics = Metrics()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="pthway-read")
        self._draining = False
        self._loading: asyncio.Task[None] | None = None

    # --- life ---------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection of the server."""
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
                self._loading = asyncio.create_task(self._load())
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.drain()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _load(self) -> None:
        """Host every bundle; the server answers meanwhile that it is not ready."""
        try:
            for bundle in self._bundles:
                self.add(await asyncio.to_thread(host, bundle, self.settings))
        except BaseException as cause:
            self.failure = cause
            _log.error("not ready: %s", cause)
            raise
        self.ready.set()

    def add(self, hosted: Hosted) -> None:
        """Serve a model beside the others. Raises `PthwayError` if its name and version are served already."""
        versions = self.models.setdefault(hosted.name, {})
        if hosted.version in versions:
            raise PthwayError(
                f"Two bundles are {hosted.name} version {hosted.version}.",
                "Requests name a model by these.",
                "Pack one of them with another name or version.",
            )
        versions[hosted.version] = hosted
        self._metrics.models.labels(hosted.name, hosted.version, hosted.session.runtime, hosted.session.bundle.digest[:12]).set(1)

    async def drain(self) -> None:
        """Refuse what comes, and finish what was accepted."""
        self._draining = True
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_seconds):
                await asyncio.gather(*(hosted.close() for hosted in self._hosted()))
        self._readers.shutdown(wait=False)

    def _hosted(self) -> list[Hosted]:
        return [hosted for versions in self.models.values() for hosted in versions.values()]

    # --- one request --------------------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.perf_counter()
        request, note = Request(scope, receive), Note()
        self._metrics.inside.inc()
        try:
            response = await self._answered(request, note)
        except ClientLeft:
            response = None
        finally:
            self._metrics.inside.dec()
        seconds = time.perf_counter() - begin
        self._tell(request, note, response.status if response is not None else 499, seconds)
        if response is not None:
            extra = {**HEADERS, "x-request-id": request.id, "server-timing": _timing(note, seconds)}
            await response.send(send, extra)

    async def _answered(self, request: Request, note: Note) -> Response:
        try:
            handler = self._route(request)
            self._guard.check_origin(request.headers)
            if request.path not in OPEN:
                self._guard.check_key(request.headers)
            return await handler(request, note)
        except HttpError as error:
            return error.response
        except PthwayError as refusal:
            return error_of(refusal).response
        except Exception:  # noqa: BLE001  # a bug of ours or of the network's: logged in full, told in brief
            _log.exception("request %s failed", request.id)
            return HttpError(
                500, "The request failed inside the server.", f"Its log has the reason under {request.id}.", "Tell whoever runs it."
            ).response

    def _route(self, request: Request) -> Handler:
        """The handler of a path. Raises `HttpError` 404 or 405."""
        segments = request.segments
        asked = ASKED.get("/".join(segments))
        if asked is not None:
            return _only(request, ("GET", "HEAD"), getattr(self, asked))
        match segments:
            case ["page", name]:
                return _only(request, ("GET", "HEAD"), partial(self._asset, name=name))
            case ["predict"]:
                return _only(request, ("POST", "PUT"), self._predict)
            case ["models", name, "predict"] | ["predictions", name]:
                return _only(request, ("POST", "PUT"), partial(self._predict, name=name))
            case ["models", name, "versions", version, "predict"] | ["predictions", name, version]:
                return _only(request, ("POST", "PUT"), partial(self._predict, name=name, version=version))
            case ["v2", "models", name, "versions", version, *rest]:
                return self._protocol(request, rest, name, version)
            case ["v2", "models", name, *rest]:
                return self._protocol(request, rest, name, None)
            case ["v2", "repository", "index"]:
                return _only(request, ("POST",), self._index)
            case ["v2", "repository", "models", _, "load" | "unload"]:
                raise HttpError(403, "Models are not managed over HTTP.", "Whoever runs the server decides what it serves.", "Restart it.")
        raise _nothing_at(request)

    def _protocol(self, request: Request, rest: Sequence[str], name: str, version: str | None) -> Handler:
        """The handlers of a model by the Open Inference Protocol."""
        match rest:
            case []:
                return _only(request, ("GET", "HEAD"), partial(self._metadata, name=name, version=version))
            case ["ready"]:
                return _only(request, ("GET", "HEAD"), partial(self._model_ready, name=name, version=version))
            case ["infer"]:
                return _only(request, ("POST",), partial(self._infer, name=name, version=version))
        raise _nothing_at(request)

    # --- models -------------------------------------------------------------------------------------------------------

    def _model(self, name: str, version: str | None) -> Hosted:
        """The model that is named; the newest version if none is. Raises `HttpError` 404, or 503 while models are loading."""
        self._require_ready()
        versions = self.models.get(name)
        if versions is None:
            raise HttpError(404, f"There is no model {name[:80]!r}.", f"Served are {', '.join(self.models)}.", "Name one of these.")
        found = versions.get(version) if version is not None else versions[max(versions, key=_order)]
        if found is None:
            raise HttpError(
                404,
                f"{name} has no version {(version or '')[:80]!r}.",
                f"It has {', '.join(versions)}.",
                "Name one of these, or none for the newest.",
            )
        return found

    def _single(self) -> Hosted:
        self._require_ready()
        if len(self.models) != 1:
            raise HttpError(
                404, "Several models are served, and none is named.", f"Served are {', '.join(self.models)}.", "POST /models/NAME/predict"
            )
        return self._model(next(iter(self.models)), None)

    def _require_ready(self) -> None:
        if self._draining:
            raise HttpError(
                503,
                "The server is stopping.",
                "It finishes what it has accepted.",
                "Ask again.",
                {"retry-after": "1", "connection": "close"},
            )
        if not self.ready.is_set():
            raise HttpError(503, "The models are not ready.", "They are being loaded and verified.", "Ask again.", {"retry-after": "1"})

    async def _predict(self, request: Request, note: Note, name: str | None = None, version: str | None = None) -> Response:
        """Plain prediction: whatever the body is, one answer a sample."""
        note.hosted = hosted = self._single() if name is None else self._model(name, version)
        body = await request.body(self.settings.max_body, self.settings.body_seconds)
        content_type = request.headers.get("content-type", "")
        taken: Taken = await self._read(body, plain.take, hosted.session, body, content_type)
        computed = await self._compute(request, note, hosted, taken.arrays, taken.rows, self._timeout(request))
        answer = hosted.session.answer(computed.outputs, taken)
        return plain.answer_with(hosted.name, hosted.version, answer, request.headers.get("accept", "*/*"))

    async def _infer(self, request: Request, note: Note, name: str, version: str | None) -> Response:
        """Inference by the Open Inference Protocol."""
        note.hosted = hosted = self._model(name, version)
        signature = hosted.session.signature
        body = await request.body(self.settings.max_body, self.settings.body_seconds)
        header = request.headers.get(open_inference.HEADER_LENGTH)
        asked: open_inference.InferRequest = await self._read(body, open_inference.read, body, header, signature.inputs, signature.outputs)
        taken: Taken = await self._read(body, hosted.session.take, asked.arrays)
        timeout = asked.timeout if asked.timeout is not None else self._timeout(request)
        computed = await self._compute(request, note, hosted, taken.arrays, taken.rows, timeout)
        outputs = {name: computed.outputs[name] for name in hosted.axes.outputs}
        return open_inference.write(hosted.name, hosted.version, asked, outputs)

    async def _read(self, body: bytes, reader: Callable[..., Any], *given: Any) -> Any:
        """What *reader* makes of a body: at once if it is small numbers, by a thread if it is large or an image."""
        if len(body) <= LARGE_BODY and body[:1] in (b"{", b"["):
            return reader(*given)
        return await asyncio.get_running_loop().run_in_executor(self._readers, reader, *given)

    def _timeout(self, request: Request) -> float:
        text = request.headers.get("x-timeout")
        if text is None:
            return self.settings.timeout
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise HttpError(400, f"X-Timeout is {text[:40]!r}.", "It is a number of seconds above 0.", "X-Timeout: 2.5")
        return min(seconds, self.settings.timeout)

    async def _compute(
        self, request: Request, note: Note, hosted: Hosted, arrays: Mapping[str, Any], rows: int, timeout: float
    ) -> Computed:
        """The outputs of the model; dropped if the client leaves meanwhile. Raises `HttpError`."""
        answer = asyncio.ensure_future(hosted.batcher.submit(arrays, rows, timeout))
        if hosted.inline:
            return await self._settled(request, note, hosted, answer)
        gone = asyncio.ensure_future(request.disconnected())
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                answer.cancel()
                raise ClientLeft
            return await self._settled(request, note, hosted, answer)
        finally:
            gone.cancel()

    async def _settled(self, request: Request, note: Note, hosted: Hosted, answer: "asyncio.Future[Computed]") -> Computed:
        try:
            note.computed = await answer
        except Overloaded as overload:
            wait = str(max(1, math.ceil(overload.seconds)))
            raise HttpError(
                503,
                "The model has as many requests waiting as it may.",
                f"They take about {wait} s.",
                "Ask again then.",
                {"retry-after": wait},
            ) from overload
        except DeadlinePassed as passed:
            raise HttpError(
                504, "The request waited too long.", "Its deadline passed before it was computed.", "Ask again, or allow more time."
            ) from passed
        except Closed as closed:
            raise HttpError(
                503, "The model is being replaced.", "It finishes what it has accepted.", "Ask again.", {"retry-after": "1"}
            ) from closed
        except InputRefused as refusal:
            _log.warning("request %s: %s", request.id, refusal.what)
            wanted = "; ".join(map(str, hosted.session.signature.inputs))
            raise HttpError(
                400, "The network does not run with this input.", f"It takes {wanted}.", "Send sizes that it was trained on."
            ) from refusal
        return note.computed

    # --- what is asked about the server -------------------------------------------------------------------------------

    async def _live(self, *_: Any) -> Response:
        return Response(200, b'{"live":true}')

    async def _is_ready(self, *_: Any) -> Response:
        self._require_ready()
        return Response(200, b'{"ready":true}')

    async def _ping(self, *_: Any) -> Response:
        self._require_ready()
        return Response(200, b'{"status":"Healthy"}')

    async def _server(self, *_: Any) -> Response:
        return _json({"name": "pthway", "version": __version__, "extensions": EXTENSIONS})

    async def _model_ready(self, *_: Any, name: str, version: str | None) -> Response:
        return _json({"name": self._model(name, version).name, "ready": True})

    async def _metadata(self, *_: Any, name: str, version: str | None) -> Response:
        hosted = self._model(name, version)
        signature = hosted.session.signature
        told = open_inference.described(
            hosted.name, hosted.version, f"pthway_{hosted.session.runtime}", signature.inputs, signature.outputs
        )
        return _json({**told, "versions": list(self.models[hosted.name]), "parameters": {"digest": hosted.session.bundle.digest}})

    async def _index(self, *_: Any) -> Response:
        self._require_ready()
        return _json([{"name": each.name, "version": each.version, "state": "READY", "reason": ""} for each in self._hosted()])

    async def _list(self, *_: Any) -> Response:
        self._require_ready()
        return _json([page.described(each) for each in self._hosted()])

    async def _openapi(self, *_: Any) -> Response:
        self._require_ready()
        return _json(openapi(self._hosted()))

    async def _page(self, *_: Any) -> Response:
        return Response(200, page.read("index.html"), "text/html; charset=utf-8", page.POLICY)

    async def _asset(self, *_: Any, name: str) -> Response:
        return Response(200, page.read(name), page.TYPES[name.rpartition(".")[2]], page.POLICY)

    async def _metrics_text(self, *_: Any) -> Response:
        return Response(200, self._metrics.text(), "text/plain; version=0.0.4; charset=utf-8")

    def _tell(self, request: Request, note: Note, status: int, seconds: float) -> None:
        """Count the request and log it."""
        if note.hosted is not None:
            name = note.hosted.name
            self._metrics.requests.labels(name, note.hosted.version, str(status)).inc()
            self._metrics.seconds.labels(name).observe(seconds)
            if note.computed is not None:
                self._metrics.queue_seconds.labels(name).observe(note.computed.waited)
                self._metrics.compute_seconds.labels(name).observe(note.computed.computed)
                self._metrics.batch.labels(name).observe(note.computed.batch)
        if self.settings.log == "off":
            return
        told: dict[str, object] = {
            "id": request.id,
            "method": request.method,
            "path": request.path,
            "status": status,
            "milliseconds": round(seconds * 1e3, 3),
        }
        if note.hosted is not None:
            told["model"] = f"{note.hosted.name}:{note.hosted.version}"
        if note.computed is not None:
            told |= {"queue_milliseconds": round(note.computed.waited * 1e3, 3), "batch": note.computed.batch}
        _log.info(json.dumps(told) if self.settings.log == "json" else " ".join(f"{key}={_plain(value)}" for key, value in told.items()))


def create_app(*bundles: Any, settings: Settings | None = None) -> Application:
    """The ASGI application that serves *bundles*: paths of folders or .zip files, or opened ones.

    It loads and verifies them when the server starts it, and is ready when all of them are. Raises `PthwayError` if there is none.
    """
    if not bundles:
        raise PthwayError("No bundle is given to serve.", "A server serves at least one.", "pthway.create_app('model.bundle')")
    return Application(bundles, settings or Settings())


def _only(request: Request, methods: Sequence[str], handler: Handler) -> Handler:
    """*handler* if the request has one of *methods*. Raises `HttpError` 405."""
    if request.method not in methods:
        raise HttpError(
            405,
            f"{request.path[:200]} does not take {request.method}.",
            f"It takes {' or '.join(methods)}.",
            f"Send it as {methods[0]}.",
            {"allow": ", ".join(methods)},
        )
    return handler


def _nothing_at(request: Request) -> HttpError:
    return HttpError(404, f"There is nothing at {request.path[:200]!r}.", "GET /openapi.json tells what there is.", "Correct the path.")


def _json(value: object) -> Response:
    return Response(200, msgspec.json.encode(value))


def _order(version: str) -> tuple[tuple[int, str], ...]:
    """Versions as people count them: 10 after 9."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.replace("-", ".").split("."))


def _timing(note: Note, seconds: float) -> str:
    total = f"total;dur={seconds * 1e3:.3f}"
    if note.computed is None:
        return total
    return f"queue;dur={note.computed.waited * 1e3:.3f}, compute;dur={note.computed.computed * 1e3:.3f}, {total}"


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)
