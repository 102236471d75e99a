"""Serves everything at once for a while, good requests and bad ones, and tells what grew: ``make soak``.

Memory, descriptors and threads are taken each tenth of the time; what grew in its second half beyond the bounds is a leak.
"""

import argparse
import http.client
import json
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.serving import networks
from tests.serving.servers import Server, descriptors, head, resident

CLIENTS = 12
MEMORY_GROWTH = 16 << 20
"""Bytes that the allocator may keep: fragments, not requests."""


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def good(generator: random.Random) -> tuple[str, bytes]:
    """A request, and the path that it goes to."""
    match generator.randrange(4):
        case 0:
            return "/models/slow/predict", json.dumps({"inputs": np.zeros(networks.WORK).tolist()}).encode()
        case 1:
            return "/models/table/predict", b'{"inputs": [[3]]}'
        case _:
            size = generator.choice([3, 30, 3000, 30_000])
            return "/models/echo/predict", json.dumps({"inputs": [generator.random() for _ in range(size)]}).encode()


def trouble(server: Server, generator: random.Random) -> None:
    """Something that no client should do."""
    path, body = good(generator)
    match generator.randrange(6):
        case 0:
            server.ask(path, b'{"inputs": [')
        case 1:
            server.ask("/models/table/predict", b'{"inputs": [[77]]}')
        case 2:
            server.ask(f"/nothing/{generator.random()}")
        case 3:  # leaves in the middle of its body
            with server.connected() as connection:
                connection.sendall(head(path, len(body) + 10) + body)
        case 4:  # leaves before its answer
            with server.connected() as connection:
                connection.sendall(head(path, len(body)) + body)
                connection.shutdown(socket.SHUT_RD)
        case 5:
            with server.connected() as connection:
                connection.sendall(b"NONSENSE\r\n\r\n")
                connection.recv(1000)


def client(server: Server, seed: int, end: float, seen: Counter[str]) -> None:
    """Ask, on connections that live for a while, until *end*."""
    generator = random.Random(seed)
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            for _ in range(generator.randrange(1, 40)):
                connection.request("POST", *good(generator))
                answer = connection.getresponse()
                answer.read()
                seen[str(answer.status)] += 1
            trouble(server, generator)
        except (ConnectionError, http.client.HTTPException) as cause:
            seen[type(cause).__name__] += 1
        finally:
            connection.close()


def main() -> int:
    """1 if something grew, or a good request was not answered."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [networks.write(Path(folder), make(), name=make.__name__) for make in (networks.echo, networks.table, networks.slow)]
        with Server(*paths, log="off") as server:
            pid, begin = server.process.pid, time.monotonic()
            seen: Counter[str] = Counter()
            clients = [threading.Thread(target=client, args=(server, seed, begin + options.seconds, seen)) for seed in range(CLIENTS)]
            for each in clients:
                each.start()
            taken: list[tuple[int, int, int]] = []
            for part in range(1, 10):
                time.sleep(max(0.0, begin + part * options.seconds / 10 - time.monotonic()))
                taken.append((resident(pid), descriptors(pid), threads(pid)))
            for each in clients:
                each.join()
            taken.append((resident(pid), descriptors(pid), threads(pid)))
            waiting = server.metric("pthway_in_flight")
    print(dict(seen))
    for name, numbers in zip(("bytes of memory", "descriptors", "threads"), zip(*taken, strict=True), strict=True):
        print(f"{name}: {' '.join(f'{number:,}' for number in numbers)}")
    early, late = taken[4], taken[-1]
    grew = late[0] - early[0] > MEMORY_GROWTH or late[1] > early[1] or late[2] > early[2]
    return int(grew or waiting != 1 or seen.keys() != {"200"})


if __name__ == "__main__":
    sys.exit(main())
