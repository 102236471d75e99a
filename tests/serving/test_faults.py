"""A real server, and everything that goes wrong around it: signals, overload, clients that are slow, gone, or mean no good."""

import gzip
import http.client
import io
import json
import os
import re
import signal
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.serving import networks
from tests.serving.servers import Answer, Server, alive, descriptors, head, read_all, resident, until

Bundles = dict[str, Path]
Start = Callable[..., Server]
ONE = json.dumps({"inputs": [1, 2, 3]}).encode()
SLOW = json.dumps({"inputs": np.zeros(networks.WORK).tolist()}).encode()
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def quick(bundles: Bundles) -> Iterator[Server]:
    """A server with little patience, for clients that try it."""
    settings = {"head_seconds": 0.7, "body_seconds": 0.7, "idle_seconds": 30, "max_body": 40 * MEBIBYTE}
    with Server(bundles["echo"], bundles["picture"], bundles["table"], settings=settings) as server:
        yield server


def is_well(server: Server) -> None:
    assert server.ask("/models/echo/predict", ONE).json["outputs"]["total"] == [6]


def is_error(answer: Answer, status: int, told: str) -> None:
    assert answer.status == status, answer
    assert re.search(told, answer.json["error"])


# --- signals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGTERM), (1, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_server_that_is_told_to_stop_answers_what_it_accepted_and_leaves_nothing(
    bundles: Bundles, start: Start, workers: int, number: int
) -> None:
    server = start(bundles["slow"], batch=1, workers=workers)
    started = server.workers
    assert len(started) == (0 if workers == 1 else workers)
    with ThreadPoolExecutor(24) as pool:
        answers = [pool.submit(server.ask, "/predict", SLOW) for _ in range(24)]
        until(lambda: server.metric("pthway_in_flight") >= 20)
        assert server.stop(number) == 0
        assert [each.result().status for each in answers].count(200) >= 20
        assert {each.result().status for each in answers} <= {200, 503}  # 503 to those that came too late
    assert not [pid for pid in started if alive(pid)]
    with pytest.raises(ConnectionRefusedError):
        server.connected()


def test_under_load_a_server_that_stops_loses_no_request_that_it_answered(bundles: Bundles, start: Start) -> None:
    server = start(bundles["slow"], batch=2)
    received: dict[str, int] = {}
    broken: list[Exception] = []

    def ask(client: int) -> None:
        for number in range(10_000):
            try:
                answer = server.ask("/predict", SLOW, X_Request_Id=f"{client}-{number}")
            except (OSError, http.client.HTTPException) as cause:
                broken.append(cause)
                return
            received[f"{client}-{number}"] = answer.status

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: len(received) > 20)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    logged = {entry["id"]: entry["status"] for entry in server.log if entry["path"] == "/predict"}
    assert logged == received  # whatever the server took note of, its client had the answer to
    assert not [cause for cause in broken if isinstance(cause, http.client.IncompleteRead)]


def test_a_worker_that_is_killed_is_replaced_and_its_clients_are_not_left_waiting(bundles: Bundles, start: Start) -> None:
    server = start(bundles["slow"], batch=1, workers=2)
    victim, other = server.workers
    outcomes: list[int | str] = []

    def ask() -> None:
        try:
            outcomes.append(server.ask("/predict", SLOW).status)
        except (ConnectionError, http.client.HTTPException):
            outcomes.append("broken")

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    until(lambda: server.metric("pthway_in_flight") >= 12)
    os.kill(victim, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {200, "broken"}
    assert 200 in outcomes
    until(lambda: len(server.workers) == 2 and victim not in server.workers)
    assert other in server.workers
    until(lambda: any("another one takes its place" in line for line in server.lines))
    for _ in range(8):
        assert server.ask("/predict", SLOW).status == 200
    assert server.stop() == 0


def test_no_worker_outlives_whoever_started_it(bundles: Bundles, start: Start) -> None:
    server = start(bundles["echo"], workers=2)
    started = server.workers
    server.process.kill()
    until(lambda: not any(alive(pid) for pid in started))


def test_a_signal_has_a_changed_bundle_served_by_every_worker(tmp_path: Path, start: Start) -> None:
    server = start(networks.write(tmp_path, networks.echo(), name="model"), workers=2)
    assert server.ask("/predict", {"inputs": [5]}).json["outputs"]["total"] == [5]
    networks.write(tmp_path, networks.folding(), name="model")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: sum("replaces" in line for line in server.lines) == 2)
    assert {tuple(server.ask("/predict", {"inputs": [5]}).json["outputs"]) for _ in range(8)} == {("y",)}


def test_a_bundle_is_watched_if_that_was_asked_for(tmp_path: Path, start: Start) -> None:
    server = start(networks.write(tmp_path, networks.echo(), name="model"), reload=True)
    networks.write(tmp_path, networks.folding(), name="model")
    until(lambda: "y" in server.ask("/predict", {"inputs": [5]}).json["outputs"])


# --- load ---------------------------------------------------------------------------------------------------------------


def test_ten_times_more_than_it_can_take_is_refused_at_once_and_fills_no_memory(bundles: Bundles, start: Start) -> None:
    server = start(bundles["slow"], batch=1, queue=8)
    server.ask("/predict", SLOW)
    before = resident(server.process.pid)
    with ThreadPoolExecutor(80) as pool:
        answers = list(pool.map(lambda _: server.ask("/predict", SLOW), range(400)))
    accepted = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 503]
    assert len(accepted) + len(refused) == 400
    assert len(accepted) >= 8
    assert len(refused) > 100
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert all("queue;dur" not in answer.headers["server-timing"] for answer in refused)  # they waited for nothing
    assert server.metric("pthway_requests_total", status="503") == len(refused)
    assert resident(server.process.pid) - before < 64 * MEBIBYTE


def test_clients_that_leave_are_dropped_before_they_cost_anything(bundles: Bundles, start: Start) -> None:
    server = start(bundles["slow"], batch=1)
    connections = [server.connected() for _ in range(40)]
    for connection in connections:
        connection.sendall(head("/predict", len(SLOW)) + SLOW)
    until(lambda: server.metric("pthway_in_flight") >= 20)
    for connection in connections:
        connection.close()
    until(lambda: server.metric("pthway_in_flight") == 1)
    left = server.metric("pthway_requests_total", status="499")
    assert left >= 10
    assert server.metric("pthway_compute_seconds_count") <= 40 - left
    assert server.ask("/predict", SLOW).status == 200


def test_one_poisonous_request_among_good_ones_fails_alone(quick: Server) -> None:
    def ask(number: int) -> Answer:
        return quick.ask("/models/table/predict", {"inputs": [[99 if number == 13 else number % 10]]})

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(32)))
    is_error(answers[13], 400, "does not run with this input")
    assert [answer.json["outputs"]["y"][0][0] for number, answer in enumerate(answers) if number != 13] == [
        (number % 10) ** 2 for number in range(32) if number != 13
    ]


# --- slow clients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent", [b"", b"POST /predict HT", b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "], ids=["nothing", "a line", "a header"]
)
def test_a_client_that_never_ends_its_head_is_cut_off(quick: Server, sent: bytes) -> None:
    with quick.connected() as connection:
        connection.sendall(sent)
        is_well(quick)
        assert read_all(connection) == b""
    is_well(quick)


def test_a_client_that_sends_its_head_byte_by_byte_is_cut_off_all_the_same(quick: Server) -> None:
    with quick.connected() as connection:
        connection.settimeout(0.1)
        with pytest.raises(ConnectionError):  # it happens somewhere in the loop
            for byte in b"GET /models HTTP/1.1\r\nX-Long: " + b"a" * 600:
                connection.sendall(bytes([byte]))
                try:
                    if connection.recv(1) == b"":
                        raise ConnectionResetError
                except TimeoutError:
                    continue
    is_well(quick)


def test_a_client_that_does_not_send_its_body_is_told_so_and_cut_off(quick: Server) -> None:
    with quick.connected() as connection:
        connection.sendall(head("/models/echo/predict", 100) + b'{"inputs"')
        is_well(quick)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    assert b'{"error":"The body did not arrive within 0.7 s.' in answer


def test_a_client_that_is_refused_and_goes_on_sending_for_ever_is_cut_off(quick: Server) -> None:
    with quick.connected() as connection:
        connection.sendall(head("/nowhere", 1000) + b"x")
        assert b"404" in read_all(connection).split(b"\r\n", 1)[0]
    is_well(quick)


def test_a_client_that_does_not_take_its_answer_is_cut_off(quick: Server) -> None:
    before = descriptors(quick.process.pid)
    body = json.dumps({"inputs": np.zeros(2_000_000, int).tolist()}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", quick.port))
        connection.sendall(head("/models/echo/predict", len(body)) + body)
        until(lambda: any(entry["path"] == "/models/echo/predict" and entry["status"] == 200 for entry in quick.log))
        until(lambda: descriptors(quick.process.pid) <= before)
    is_well(quick)


def test_a_client_that_closes_its_half_is_taken_for_one_that_left(quick: Server) -> None:
    with quick.connected() as connection:
        connection.sendall(head("/models/echo/predict", 100) + b'{"inputs"')
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""
    is_well(quick)


# --- what is no request, or too much of one -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),  # TLS, to a port without it
        (b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (head("/predict", 1, "Content-Length: 2") + b"xx", 400),
        (head("/predict", 1, "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /models HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /models HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Endless: " + b"a" * 900_000, 431),
        (b"GET /models HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(20_000)) + b"\r\n", 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 431),
        (b"GET /models HTTP/1.1\r\nConnection: close\r\n\r\n", 421),
    ],
    ids=[
        *("nonsense", "TLS", "bytes in the path", "two lengths", "length and chunks", "long length", "negative length"),
        *("long header", "endless header", "many headers", "long path", "no host"),
    ],
)
def test_what_is_no_request_is_answered_as_every_other_error_is(quick: Server, sent: bytes, status: int) -> None:
    with quick.connected() as connection:
        with suppress(ConnectionError):  # it may answer before it has all
            connection.sendall(sent)
        told, _, body = read_all(connection).partition(b"\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 %d " % status), told[:100]
        assert b"content-type: application/json" in told
        assert json.loads(body).keys() == {"error"}
    is_well(quick)


def test_a_long_head_within_the_limit_is_read(quick: Server) -> None:
    assert quick.ask("/models", X_Long="a" * 65_000).status == 200


def test_requests_in_a_row_are_answered_in_their_order(quick: Server) -> None:
    bodies = [json.dumps({"inputs": [number]}).encode() for number in range(20)]
    with quick.connected() as connection:
        connection.sendall(b"".join(head("/models/echo/predict", len(body)) + body for body in bodies[:-1]))
        connection.sendall(head("/models/echo/predict", len(bodies[-1]), "Connection: close") + bodies[-1])
        answer = read_all(connection)
    assert [float(each) for each in re.findall(rb'"total":\[([\d.]+)\]', answer)] == list(range(20))


def test_a_body_may_come_in_chunks_of_one_byte(quick: Server) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in ONE) + b"0\r\n\r\n"
    start = b"POST /models/echo/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with quick.connected() as connection:
        for byte in start + chunks:
            connection.sendall(bytes([byte]))
        assert b'"total":[6.0]' in read_all(connection)


def test_a_body_that_is_too_large_is_refused_and_the_client_can_read_that_and_go_on(quick: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", quick.port, timeout=60)
    connection.request("POST", "/models/echo/predict", bytes(40 * MEBIBYTE + 1))
    answer = connection.getresponse()
    assert answer.status == 413
    assert "more than 41,943,040 bytes" in json.loads(answer.read())["error"]
    connection.request("POST", "/models/echo/predict", ONE)
    assert connection.getresponse().status == 200
    connection.close()


def test_whoever_asks_before_sending_is_spared_to_send_what_is_too_large(quick: Server) -> None:
    with quick.connected() as connection:
        connection.sendall(head("/models/echo/predict", 41 * MEBIBYTE, "Expect: 100-continue"))
        answer = connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 413 ")


def bomb() -> bytes:
    """A picture of 60,000 × 60,000 pixels in some kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(MEBIBYTE), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


def compressed(data: bytes) -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as packed:
        packed.write(data)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "told"),
    [
        ("/models/picture/predict", bomb(), {}, 413, "pixels"),
        ("/models/echo/predict", compressed(bytes(300 * MEBIBYTE)), {"Content_Encoding": "gzip"}, 413, "more than"),
        ("/models/echo/predict", b'{"inputs": ' + b"[" * 5_000_000, {}, 413, "nested too deeply"),
        ("/v2/models/echo/infer", b'{"inputs": [{"a": ' + b"[" * 5_000_000, {}, 400, "nested|protocol"),
        (
            "/v2/models/echo/infer",
            b'{"inputs":[{"name":"x","datatype":"FP32","shape":[999999999,999999999],"data":[]}]}',
            {},
            400,
            "0 numbers",
        ),
        (
            "/v2/models/echo/infer",
            b'{"inputs":[{"name":"x","datatype":"FP32","shape":[999999,999999],"parameters":{"binary_data_size":8}}]}' + bytes(8),
            {"Inference_Header_Content_Length": "103"},
            400,
            "announces 8 bytes",
        ),
        ("/models/echo/predict", b'{"inputs": [NaN]}', {}, 400, "NaN"),
        ("/models/echo/predict", b'{"inputs": [1e999]}', {}, 400, ""),
        (
            "/models/echo/predict",
            b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999), }\n",
            {},
            400,
            "",
        ),
        ("/models/echo/predict", b"PK\x03\x04" + bytes(100), {}, 400, ""),
    ],
    ids=[
        "image bomb",
        "gzip bomb",
        "deep JSON",
        "deep message",
        "absurd shape",
        "absurd shape in bytes",
        "NaN",
        "infinity",
        "absurd npy",
        "no zip",
    ],
)
def test_what_would_fill_the_memory_is_refused_before_it_does(
    quick: Server, path: str, body: bytes, headers: dict[str, str], status: int, told: str
) -> None:
    is_well(quick)
    before = resident(quick.process.pid)
    is_error(quick.ask(path, body, **headers), status, told)
    assert resident(quick.process.pid) - before < 150 * MEBIBYTE
    is_well(quick)


def test_after_all_of_it_no_connection_is_left_open(quick: Server) -> None:
    is_well(quick)
    before = descriptors(quick.process.pid)
    connections = [quick.connected() for _ in range(30)]
    for number, connection in enumerate(connections):
        connection.sendall([b"", b"GET /mod", head("/models/echo/predict", 10), head("/models/echo/predict", len(ONE)) + ONE][number % 4])
    is_well(quick)
    for connection in connections:
        connection.close()
    until(lambda: descriptors(quick.process.pid) <= before)
