"""Bodies within limits of size, time and memory."""

import asyncio
import gzip
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from pthway.serving.http import ClientLeft, Held, HttpError, Request
from tests.serving.in_process import scope

LIMIT = 1000


def request(parts: Sequence[bytes | None], held: Held | None = None, path: str = "/predict", **headers: str) -> Request:
    """One whose body comes in *parts*; at None the client leaves, and at the end it sends no more for ever."""
    pieces = list(parts)

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.Event().wait()
        part = pieces.pop(0)
        return {"type": "http.disconnect"} if part is None else {"type": "http.request", "body": part, "more_body": True}

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(scope(path, "POST", named), receive, held or Held(1 << 30))


def whole(data: bytes, held: Held | None = None, **headers: str) -> bytes:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(Request(scope("/predict", "POST", named), receive, held or Held(1 << 30)).body(LIMIT, 30))


def test_a_body_may_have_as_many_bytes_as_the_limit_and_not_one_more() -> None:
    assert whole(bytes(LIMIT)) == bytes(LIMIT)
    with pytest.raises(HttpError, match="413"):
        whole(bytes(LIMIT + 1))


def test_a_body_that_announces_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(HttpError, match="413"):
        asyncio.run(request([], content_length=str(LIMIT + 1)).body(LIMIT, 30))
    with pytest.raises(HttpError, match="413"):
        asyncio.run(request([], content_length="9" * 5000).body(LIMIT, 30))


def test_a_body_that_does_not_end_is_refused_when_it_is_too_large() -> None:
    with pytest.raises(HttpError, match="413"):
        asyncio.run(request([bytes(600), bytes(600)]).body(LIMIT, 30))


def test_a_body_that_does_not_come_is_given_up() -> None:
    with pytest.raises(HttpError, match=r"408.*0\.01 s"):
        asyncio.run(request([b"{"]).body(LIMIT, 0.01))


def test_a_client_that_leaves_in_the_middle_is_noticed() -> None:
    with pytest.raises(ClientLeft):
        asyncio.run(request([b"{", None]).body(LIMIT, 30))


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_compressed_body_may_unfold_to_the_limit_and_not_one_byte_further(encoding: str, pack: Any) -> None:
    assert whole(pack(bytes(LIMIT)), content_encoding=encoding) == bytes(LIMIT)
    with pytest.raises(HttpError, match="413"):
        whole(pack(bytes(LIMIT + 1)), content_encoding=encoding)


def test_a_bomb_is_refused_without_being_unfolded() -> None:
    with pytest.raises(HttpError, match="413"):
        whole(gzip.compress(bytes(200_000)), content_encoding="gzip")


@pytest.mark.parametrize(
    ("data", "encoding", "status"),
    [
        (b"plain", "gzip", 400),
        (gzip.compress(b"cut")[:-5], "gzip", 400),
        (b"", "deflate", 400),
        (b"x", "br", 415),
        (b"x", "gzip, gzip", 415),
    ],
)
def test_what_is_no_such_stream_is_refused(data: bytes, encoding: str, status: int) -> None:
    with pytest.raises(HttpError, match=str(status)):
        whole(data, content_encoding=encoding)


def test_all_bodies_together_may_hold_as_much_as_the_limit_and_not_one_byte_more() -> None:
    held = Held(100)

    async def scenario() -> None:
        first = request([bytes(60)], held)
        reading = asyncio.ensure_future(first.body(LIMIT, 30))
        await asyncio.sleep(0.01)
        second = request([bytes(40), bytes(1)], held)
        with pytest.raises(HttpError, match="503") as refused:
            await second.body(LIMIT, 30)
        assert refused.value.headers == {"retry-after": "1"}
        second.release()
        assert held.bytes == 60
        reading.cancel()
        first.release()
        assert held.bytes == 0

    asyncio.run(scenario())


def test_what_a_body_unfolds_to_is_held_too() -> None:
    held = Held(300)
    with pytest.raises(HttpError, match="503"):
        whole(gzip.compress(bytes(LIMIT)), held, content_encoding="gzip")


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", [""]),
        ("/v2/", ["v2"]),
        ("/models/a%2Fb/predict", ["models", "a/b", "predict"]),
        ("/models/a%252Fb", ["models", "a%2Fb"]),
        ("//x", ["x"]),
    ],
)
def test_a_path_is_parted_first_and_unquoted_once(path: str, segments: list[str]) -> None:
    assert request([], path=path).segments == segments


@pytest.mark.parametrize(
    ("given", "taken"), [("a-1", True), ("!~" * 64, True), ("a" * 129, False), ("a b", False), ("a\n", False), ("ä", False)]
)
def test_a_request_id_is_taken_over_if_it_can_stand_in_a_log(given: str, taken: bool) -> None:
    assert (request([], x_request_id=given).id == given) is taken
