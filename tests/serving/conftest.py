"""Bundles for every test, written once, and servers that end with the test, whatever becomes of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.serving import networks
from tests.serving.servers import Server

SMALL = (networks.echo, networks.mirror, networks.table, networks.relative, networks.folding, networks.picture, networks.slow)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of each small network, by its name."""
    folder = tmp_path_factory.mktemp("bundles")
    return {make.__name__: networks.write(folder, make(), name=make.__name__) for make in SMALL}


@pytest.fixture(scope="session")
def everything(bundles: dict[str, Path]) -> Iterator[Server]:
    """A server of all small networks, for tests that leave it as it was."""
    with Server(*bundles.values(), batch=8, queue=4096) as server:
        yield server


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts a server, as `Server` does, for the length of the test."""
    with ExitStack() as stack:

        def begin(*paths: Path, **options: Any) -> Server:
            return stack.enter_context(Server(*paths, **options))

        yield begin
