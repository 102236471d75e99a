"""From a request to what answers it: which path, which model, and what of it is done by threads."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, final

import msgspec

from pthway import __version__
from pthway.errors import InputRefused
from pthway.runtime.session import Taken
from pthway.serving import open_inference, page, plain
from pthway.serving.account import Account, Note
from pthway.serving.batcher import Computed, DeadlinePassed, Overloaded
from pthway.serving.hosted import Hosted
from pthway.serving.http import ClientLeft, HttpError, Request, Response
from pthway.serving.models import Models
from pthway.serving.openapi import openapi
from pthway.serving.settings import Settings

LARGE: Final = 1 << 16
"""Bytes beyond which a body is read, or an answer written, by a thread: the event loop has others to hear."""
READERS: Final = 2
EXTENSIONS: Final = ("binary_tensor_data",)

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

HEALTH: Final = frozenset({"v2/health/live", "v2/health/ready", "ping"})
"""Asked for by what has neither keys nor names of hosts: load balancers and orchestrators."""

_log: Final = logging.getLogger("pthway.serving")

Handler = Callable[[Request, Note], Awaitable[Response]]


@final
class Routes:
    """What answers the requests to a server."""

    def __init__(self, models: Models, settings: Settings, account: Account) -> None:
        self._models, self._settings, self._account = models, settings, account
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="pthway-read")
        self.failed = False
        """Whether the models cannot be had: the process is of no use any more."""

    def close(self) -> None:
        """End the threads. To be called when all requests are answered."""
        self._readers.shutdown(wait=False)

    def find(self, request: Request) -> Handler:
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

    # --- answers of models --------------------------------------------------------------------------------------------

    async def _predict(self, request: Request, note: Note, name: str | None = None, version: str | None = None) -> Response:
        """Plain prediction: whatever the body is, one answer a sample."""
        hosted = self._models.single() if name is None else self._models.find(name, version)
        with self._used(hosted, note):
            body = await request.body(self._settings.max_body, self._settings.body_seconds)
            content_type = request.headers.get("content-type", "")
            taken: Taken = await self._read(body, plain.take, hosted.session, body, content_type)
            computed = await self._compute(request, note, hosted, taken, self._timeout(request))
            accept = request.headers.get("accept", "")
            return await self._write(computed.outputs, plain.answer_with, hosted, computed.outputs, taken, accept)

    async def _infer(self, request: Request, note: Note, name: str, version: str | None) -> Response:
        """Inference by the Open Inference Protocol."""
        hosted = self._models.find(name, version)
        with self._used(hosted, note):
            signature = hosted.session.signature
            body = await request.body(self._settings.max_body, self._settings.body_seconds)
            header = request.headers.get(open_inference.HEADER_LENGTH)
            asked: open_inference.InferRequest = await self._read(
                body, open_inference.read, body, header, signature.inputs, signature.outputs
            )
            taken: Taken = await self._read(body, hosted.session.take, asked.arrays)
            timeout = self._timeout(request) if asked.timeout is None else min(asked.timeout, self._settings.timeout)
            computed = await self._compute(request, note, hosted, taken, timeout)
            outputs = {name: computed.outputs[name] for name in hosted.axes.outputs}
            return await self._write(outputs, open_inference.write, hosted.name, hosted.version, asked, outputs)

    @contextmanager
    def _used(self, hosted: Hosted, note: Note) -> Iterator[None]:
        """Hold a model for a request. Raises `HttpError` 503 if its queue is full, before anything is read."""
        note.hosted = hosted
        if hosted.batcher.full:
            raise _overloaded(hosted.batcher.expected_wait)
        with hosted.used():
            yield

    async def _read(self, body: bytes, reader: Callable[..., Any], *given: Any) -> Any:
        """What *reader* makes of a body: at once if it is small numbers, by a thread if it is large or an image."""
        if len(body) <= LARGE and body[:1] in (b"{", b"["):
            return reader(*given)
        return await asyncio.get_running_loop().run_in_executor(self._readers, reader, *given)

    async def _write(self, outputs: Mapping[str, Any], writer: Callable[..., Response], *given: Any) -> Response:
        """The answer that *writer* makes of outputs: by a thread if they are large."""
        if sum(array.nbytes for array in outputs.values()) <= LARGE:
            return writer(*given)
        return await asyncio.get_running_loop().run_in_executor(self._readers, writer, *given)

    def _timeout(self, request: Request) -> float:
        text = request.headers.get("x-timeout")
        if text is None:
            return self._settings.timeout
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise HttpError(400, f"X-Timeout is {text[:40]!r}.", "It is a number of seconds above 0.", "X-Timeout: 2.5")
        return min(seconds, self._settings.timeout)

    async def _compute(self, request: Request, note: Note, hosted: Hosted, taken: Taken, timeout: float) -> Computed:
        """The outputs of the model; dropped if the client leaves meanwhile. Raises `HttpError` and `ClientLeft`."""
        submitted = hosted.batcher.submit(taken.arrays, taken.rows, timeout)
        try:
            quick = hosted.batcher.is_quick(taken.arrays)
            note.computed = await (submitted if quick else _unless_left(request, submitted))
        except Overloaded as overload:
            raise _overloaded(overload.seconds) from overload
        except DeadlinePassed as passed:
            raise HttpError(
                504, "The request took too long.", f"It had no answer within {timeout:g} s.", "Ask again, or allow more time."
            ) from passed
        except InputRefused as refusal:
            _log.warning("request %s: %s", request.id, refusal.what)
            wanted = "; ".join(map(str, hosted.session.signature.inputs))
            raise HttpError(
                400, "The network does not run with this input.", f"It takes {wanted}.", "Send sizes that it was trained on."
            ) from refusal
        return note.computed

    # --- what is asked about the server -------------------------------------------------------------------------------

    async def _live(self, *_: Any) -> Response:
        if self.failed:
            raise HttpError(503, "The models cannot be served.", "The log of the server has the reason.", "Restart the server.")
        return Response(200, b'{"live":true}')

    async def _is_ready(self, *_: Any) -> Response:
        self._models.require_ready()
        return Response(200, b'{"ready":true}')

    async def _ping(self, *_: Any) -> Response:
        self._models.require_ready()
        return Response(200, b'{"status":"Healthy"}')

    async def _server(self, *_: Any) -> Response:
        return _json({"name": "pthway", "version": __version__, "extensions": EXTENSIONS})

    async def _model_ready(self, *_: Any, name: str, version: str | None) -> Response:
        return _json({"name": self._models.find(name, version).name, "ready": True})

    async def _metadata(self, *_: Any, name: str, version: str | None) -> Response:
        hosted = self._models.find(name, version)
        signature = hosted.session.signature
        told = open_inference.described(
            hosted.name, hosted.version, f"pthway_{hosted.session.runtime}", signature.inputs, signature.outputs
        )
        return _json({**told, "versions": self._models.versions(hosted.name), "parameters": {"digest": hosted.session.bundle.digest}})

    async def _index(self, *_: Any) -> Response:
        self._models.require_ready()
        return _json([{"name": each.name, "version": each.version, "state": "READY", "reason": ""} for each in self._models])

    async def _list(self, *_: Any) -> Response:
        self._models.require_ready()
        return _json([page.described(each) for each in self._models])

    async def _openapi(self, *_: Any) -> Response:
        self._models.require_ready()
        return _json(openapi(list(self._models)))

    async def _page(self, *_: Any) -> Response:
        return Response(200, page.read("index.html"), "text/html; charset=utf-8", page.POLICY)

    async def _asset(self, *_: Any, name: str) -> Response:
        return Response(200, page.read(name), page.TYPES[name.rpartition(".")[2]], page.POLICY)

    async def _metrics_text(self, *_: Any) -> Response:
        return Response(200, self._account.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")


async def _unless_left(request: Request, submitted: Coroutine[Any, Any, Computed]) -> Computed:
    """What was submitted. Raises `ClientLeft`, and gives it up, when the client closes its connection."""
    gone = asyncio.ensure_future(request.disconnected())
    await asyncio.sleep(0)  # it may have left while its body was read
    if gone.done():
        submitted.close()
        raise ClientLeft
    answer = asyncio.ensure_future(submitted)
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientLeft
        return answer.result()
    finally:
        gone.cancel()
        answer.cancel()


def _overloaded(seconds: float) -> HttpError:
    wait = str(max(1, math.ceil(seconds)))
    return HttpError(
        503,
        "The model has as many requests waiting as it may.",
        f"They take about {wait} s.",
        "Ask again then.",
        {"retry-after": wait},
    )


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
