"""Requests and responses of HTTP as ASGI gives them: bodies within limits, errors in one form."""

import asyncio
import re
import secrets
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from pthway.errors import LimitExceeded, PthwayError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON: Final = "application/json"
LONGEST_NUMBER: Final = 18
"""Digits of a size; Python itself refuses numbers of thousands."""
REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")
"""What is taken over of a client's request id: printable, so that it can stand in a log and in a header."""


class HttpError(Exception):
    """An answer that is no success, told as what, why and fix."""

    def __init__(self, status: int, what: str, why: str, fix: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, what)
        self.status, self.what, self.why, self.fix = status, what, why, fix
        self.headers = dict(headers or {})

    @property
    def response(self) -> "Response":
        """As ``{"error": text}``, the one form of every error on every path."""
        return Response(self.status, msgspec.json.encode({"error": f"{self.what} {self.why} {self.fix}"}), JSON, self.headers)


def error_of(cause: PthwayError) -> HttpError:
    """A refusal as an HTTP error: what the client gave was too large, or wrong."""
    return HttpError(413 if isinstance(cause, LimitExceeded) else 400, cause.what, cause.why, _sentence(cause.fix))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


class ClientLeft(Exception):
    """The client closed its connection before it had an answer."""


class Held:
    """The bytes of all bodies that are held at once: many clients together must not fill the memory either."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.bytes = 0

    def take(self, count: int) -> None:
        """Count *count* bytes more. Raises `HttpError` 503 beyond the limit."""
        if self.bytes + count > self._limit:
            raise HttpError(
                503, "The server holds as many requests as it may.", "Their bodies fill its memory.", "Ask again.", {"retry-after": "1"}
            )
        self.bytes += count

    def give_back(self, count: int) -> None:
        """Count *count* bytes less."""
        self.bytes -= count


class Response:
    """What is sent back."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, content_type: str = JSON, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.body = status, body
        self.headers = {"content-type": content_type, **(headers or {})}

    async def send(self, send: Send, extra: Mapping[str, str]) -> None:
        """Send it, with *extra* headers."""
        named = {**self.headers, "content-length": str(len(self.body)), **extra}
        headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in named.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class Request:
    """One request."""

    __slots__ = ("_held", "_holds", "_raw_path", "_receive", "headers", "id", "method", "path")

    def __init__(self, scope: Scope, receive: Receive, held: Held) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._raw_path: bytes | None = scope.get("raw_path")
        self.headers: dict[str, str] = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = self.headers.get("x-request-id", "")
        self.id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        self._receive = receive
        self._held, self._holds = held, 0

    @property
    def segments(self) -> list[str]:
        """The parts of the path between its slashes, each unquoted for itself: a name may hold a slash."""
        if self._raw_path is None:  # ASGI allows a server to give the unquoted path alone
            return self.path.strip("/").split("/")
        return [unquote(part) for part in self._raw_path.decode("latin-1").partition("?")[0].strip("/").split("/")]

    async def body(self, limit: int, seconds: float) -> bytes:
        """The whole body, decompressed. Raises `HttpError` for one that is too large, too slow or no such compression."""
        declared = self.headers.get("content-length", "")
        if len(declared) > LONGEST_NUMBER or (declared.isascii() and declared.isdigit() and int(declared) > limit):
            raise _too_large(limit)
        try:
            async with asyncio.timeout(seconds):
                data = await self._read(limit)
        except TimeoutError as cause:
            raise HttpError(
                408,
                f"The body did not arrive within {seconds:g} s.",
                "A slow client would hold a place.",
                "Send it faster, or in parts.",
                {"connection": "close"},
            ) from cause
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return data
        plain = _decompressed(data, encoding, limit)
        self._hold(len(plain))
        return plain

    def release(self) -> None:
        """Give back what the body took. To be called once the request is answered."""
        self._held.give_back(self._holds)
        self._holds = 0

    def _hold(self, count: int) -> None:
        self._held.take(count)
        self._holds += count

    async def _read(self, limit: int) -> bytes:
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            part = message.get("body", b"")
            if self._holds + len(part) > limit:
                raise _too_large(limit)
            if part:
                self._hold(len(part))
                parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def disconnected(self) -> None:
        """Return when the client closes its connection. For after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _decompressed(data: bytes, encoding: str, limit: int) -> bytes:
    windows = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
    if encoding not in windows:
        raise HttpError(415, f"The body is encoded as {encoding}.", "Bodies may be encoded as gzip or deflate.", "Send it as it is.")
    machine = zlib.decompressobj(windows[encoding])
    try:
        plain = machine.decompress(data, limit + 1)
    except zlib.error as cause:
        raise HttpError(400, f"The body is no {encoding} stream.", "Its header says so.", "Leave Content-Encoding out.") from cause
    if len(plain) > limit:
        raise _too_large(limit)
    if not machine.eof:
        raise HttpError(400, f"The {encoding} stream of the body ends early.", "It was cut.", "Send it again.")
    return plain


def _too_large(limit: int) -> HttpError:
    return HttpError(
        413, f"The body has more than {limit:,} bytes.", "It is refused before it fills the memory.", "Send fewer samples at a time."
    )
