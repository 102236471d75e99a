"""A client's connection within bounds of time and size, which uvicorn leaves open: its head, its body, its taking of the answer.

Whoever sends a byte a minute, or never reads what it asked for, would else hold a place for ever. What is no HTTP is answered as every
other error is.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pthway.serving.settings import Settings

MAX_HEAD: Final = 1 << 16
"""Bytes of a request line with its headers. Ours and those of proxies take a few thousand."""


class _HeadTooLong(Exception):
    """The head has more bytes than are read."""


class Connection(HttpToolsProtocol):
    """One connection. `bounded` fixes its settings."""

    bounds: Settings

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for the first request."""
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = False
        self._too_long = False
        super().connection_made(transport)
        self._await_sending(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._await_sending(None)
        self._await_taking(None)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    # --- reading ------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read on; a head that has no end is not read to it."""
        in_head = self._in_head
        super().data_received(data)
        if in_head and self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._too_long = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Wait for the end of the head."""
        self._in_head, self._head_bytes = True, 0
        self._await_sending(self.bounds.head_seconds)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Wait for the end of the body, a little longer than the application does, which tells the client.

        What is raised here, the parser gives back as an error of its own.
        """
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._too_long = True
            raise _HeadTooLong
        self._await_sending(self.bounds.body_seconds + self.bounds.head_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no more: the request is here."""
        self._await_sending(None)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # uvicorn's text, which is not told
        """Answer what is no HTTP, or has too long a head, and close."""
        status, what, why, fix = (
            (431, f"The head of the request has more than {MAX_HEAD:,} bytes.", "It is not read to its end.", "Send the data as the body.")
            if self._too_long
            else (400, "This is no HTTP/1.1 request.", "Its head does not read.", "Send one: curl shows how.")
        )
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # an answer is being written: another one would end up inside of it
            return
        body = msgspec.json.encode({"error": f"{what} {why} {fix}"})
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self._close()

    # --- writing ------------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Wait for the client to take what is there for it."""
        super().pause_writing()
        self._await_taking(self.bounds.body_seconds)

    def resume_writing(self) -> None:
        """Wait no more: it takes it."""
        super().resume_writing()
        self._await_taking(None)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing happens, also if its client does not take the last answer."""
        self._close()

    # --- patience -----------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        self.transport.close()
        self._await_taking(self.bounds.head_seconds)

    def _await_sending(self, seconds: float | None) -> None:
        """Give the client *seconds* from now to send what is due; None if nothing is."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None if seconds is None else self.loop.call_later(seconds, self._not_sent, seconds)

    def _not_sent(self, seconds: float) -> None:
        if self.flow.read_paused:  # it is not the client that is slow: nobody reads what it sends
            self._await_sending(seconds)
        else:
            self.transport.abort()

    def _await_taking(self, seconds: float | None) -> None:
        """Give the client *seconds* from now to take what is there for it; None if nothing is."""
        if self._writing is not None:
            self._writing.cancel()
        self._writing = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


def bounded(settings: Settings) -> Callable[..., Any]:
    """The class of connections that keep to *settings*."""
    return type("BoundedConnection", (Connection,), {"bounds": settings})
