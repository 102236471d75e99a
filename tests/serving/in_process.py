"""The application without a socket: requests as an ASGI server would give them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pthway.serving import Application, Settings, create_app
from tests.serving.servers import Answer


class Client:
    """Asks an application that was started."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def ask(
        self,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        *,
        method: str | None = None,
        parts: Sequence[bytes] = (),
        **headers: str,
    ) -> Answer:
        """One request, whose body comes in *parts* if these are given. Headers are written with underscores."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body or b""
        pieces = list(parts) or [data]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if pieces:
                return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        named = {"host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
        await self.app(scope(path, method or ("POST" if body is not None or parts else "GET"), named), receive, send)
        start, rest = sent
        return Answer(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, rest["body"])


def scope(path: str, method: str, headers: dict[str, str]) -> dict[str, Any]:
    """A request's head as ASGI has it."""
    return {
        "type": "http",
        "method": method,
        "path": unquote(path.partition("?")[0]),
        "raw_path": path.partition("?")[0].encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }


@asynccontextmanager
async def started(app: Application) -> AsyncIterator[Client]:
    """A client of *app*, in the life of a server."""
    messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    done: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(message: Any) -> None:
        await done.put(message)

    life = asyncio.ensure_future(app({"type": "lifespan"}, messages.get, send))
    await messages.put({"type": "lifespan.startup"})
    assert (await done.get())["type"] == "lifespan.startup.complete"
    try:
        yield Client(app)
    finally:
        await messages.put({"type": "lifespan.shutdown"})
        assert (await done.get())["type"] == "lifespan.shutdown.complete"
        await life


def with_client(scenario: Callable[[Client], Awaitable[None]], *bundles: Path, **settings: Any) -> None:
    """Run *scenario* with an application that is ready."""

    async def run() -> None:
        async with started(create_app(*bundles, settings=Settings(log="off", **settings))) as client:
            while not client.app.models.ready:
                assert client.app.failure is None, client.app.failure
                await asyncio.sleep(0.01)
            await scenario(client)

    asyncio.run(asyncio.wait_for(run(), 120))
