"""Who may ask: names of the host against DNS rebinding, origins against other sites' pages, API keys against everybody else."""

import hmac
from collections.abc import Mapping
from typing import Final, final
from urllib.parse import urlsplit

from pthway.serving.http import HttpError
from pthway.serving.settings import Settings

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # compared with, not bound to
EXPOSED: Final = "inference-header-content-length, retry-after, server-timing, x-request-id"
PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, HEAD, POST, PUT",
    "access-control-allow-headers": "accept, authorization, content-encoding, content-type, inference-header-content-length, "
    "x-api-key, x-request-id, x-timeout",
    "access-control-max-age": "600",
}
"""The answer to a browser that asks beforehand what an allowed page may send."""


@final
class Guard:
    """What a server asks of every request, fixed when it starts."""

    def __init__(self, settings: Settings) -> None:
        self._any_host = "*" in settings.hosts or (settings.host in EVERYWHERE and not settings.hosts)
        """Whoever listens everywhere without naming hosts is behind something that checks them."""
        self._hosts = LOOPBACK | {settings.host.lower()} | {name.lower() for name in settings.hosts}
        self._origins = frozenset(settings.origins)
        self._keys = tuple(key.encode() for key in settings.keys)

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Raise `HttpError` if the request was meant for another host, or comes from another site's page."""
        host = headers.get("host", "")
        if not self._any_host and _host(f"//{host}")[0] not in self._hosts:
            raise HttpError(
                421,
                f"This server is not {host[:80]!r}.",
                "A page of another site could reach it under such a name.",
                "Start it with --allow-host NAME.",
            )
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins and _host(origin)[1] != host:
            raise HttpError(
                403,
                f"The request comes from a page of {origin[:80]!r}.",
                "Pages of other origins may not use this server.",
                "Start it with --allow-origin ORIGIN.",
            )

    def allowed(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers by which a browser lets a page of an allowed origin read the answer; none for anybody else."""
        origin = headers.get("origin")
        if origin is None or origin not in self._origins:
            return {}
        return {"access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, "vary": "origin"}

    def check_key(self, headers: Mapping[str, str]) -> None:
        """Raise `HttpError` unless one of the keys is borne. Every key is compared, in constant time."""
        if not self._keys:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = (token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")).encode()
        if not any([hmac.compare_digest(given, key) for key in self._keys]):  # noqa: C419  # all of them, whatever the first says
            raise HttpError(
                401,
                "The request bears no valid API key.",
                "This server was started with keys.",
                "Send it as Authorization: Bearer KEY, or as X-API-Key.",
                {"www-authenticate": "Bearer"},
            )


def _host(url: str) -> tuple[str, str]:
    """The name of the host in *url*, and the name with its port; empty for what is no URL."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").lower(), parts.netloc
    except ValueError:
        return "", ""
