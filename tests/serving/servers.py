"""A real server in a process of its own, and clients that speak to it byte by byte."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PATIENCE = 60.0
"""Seconds after which a test fails that waits for something; nothing is timed with it."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


SCRIPT = """
import json, sys, pthway
paths, settings = json.loads(sys.argv[1])
told = lambda address, models: print(f"listening at {address}\\nready after all", file=sys.stderr, flush=True)
pthway.serve(*paths, settings=pthway.ServerSettings(port=0, log="json", **settings), on_ready=told)
"""
"""Serves with settings that have no option on the command line."""


class Server:
    """``pthway serve`` with *options* as on its command line; in the with block requests are answered, after it no process is left.

    *settings* are those of `pthway.ServerSettings`, for a server that a script starts instead.
    """

    def __init__(
        self,
        *paths: Path,
        wait: bool = True,
        environment: dict[str, str] | None = None,
        settings: dict[str, object] | None = None,
        **options: object,
    ) -> None:
        words = [f"--{name.replace('_', '-')}={value}" if value is not True else f"--{name}" for name, value in options.items()]
        log = [] if "log" in options else ["--log=json"]
        command = [sys.executable, "-m", "pthway", "serve", *map(str, paths), "--port=0", *log, *words]
        if settings is not None:
            command = [sys.executable, "-c", SCRIPT, json.dumps([list(map(str, paths)), settings])]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = 0
        if wait:
            until(lambda: self._is_ready() or self.process.poll() is not None)
            assert self.port, f"it did not start: {self.lines}"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def _is_ready(self) -> bool:
        found = re.search(r"listening at https?://\S*:(\d+)", "\n".join(self.lines))
        if found is None or not any(line.startswith("ready after") for line in self.lines):
            return False
        self.port = int(found[1])
        return True

    def end(self) -> None:
        """Stop it the hard way, with whatever it started, unless it ended by itself."""
        started = descendants(self.process.pid)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in started:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop, and return its exit code once it did."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(5)
        return code

    @property
    def log(self) -> list[dict[str, Any]]:
        """The access log: an entry a request."""
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def ask(
        self, path: str, body: bytes | dict[str, Any] | list[Any] | None = None, *, method: str | None = None, **headers: str
    ) -> Answer:
        """One request on a connection of its own. Headers are written with underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method or ("GET" if data is None else "POST"), path, data, named)
            return received(connection)
        finally:
            connection.close()

    def connected(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def metric(self, name: str, **labels: str) -> float:
        """A number of /metrics, over all that have these labels."""
        total = 0.0
        for line in self.ask("/metrics").body.decode().splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found is not None and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
                total += float(found[2])
        return total

    @property
    def workers(self) -> list[int]:
        """The processes that it started."""
        return descendants(self.process.pid)


def received(connection: http.client.HTTPConnection) -> Answer:
    """What comes back on a connection on which a request was sent."""
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def read_all(connection: socket.socket) -> bytes:
    """What a bare connection gives until it is closed."""
    parts = []
    try:
        while data := connection.recv(1 << 16):
            parts.append(data)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def head(path: str, length: int, *more: str, method: str = "POST") -> bytes:
    """The head of a request, as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def until(holds: Callable[[], Any]) -> None:
    """Return when *holds* does; fail after a long time."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """The processes that *pid* started, and those that they did."""
    try:
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in children for each in (child, *descendants(child))]


def alive(pid: int) -> bool:
    """Whether a process runs, and is not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def resident(pid: int, kind: str = "Rss") -> int:
    """Bytes of memory of a process; ``Pss`` shares out what several map."""
    found = re.search(rf"^{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) << 10


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def inference(**arrays: np.ndarray) -> dict[str, Any]:
    """An inference request in JSON alone."""
    names = {"float32": "FP32", "int64": "INT64"}
    return {
        "inputs": [
            {"name": name, "shape": list(array.shape), "datatype": names[array.dtype.name], "data": array.ravel().tolist()}
            for name, array in arrays.items()
        ]
    }
