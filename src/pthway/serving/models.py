"""The models that a server has, by name and version: loaded, found, and replaced while it runs."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, final

from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import NAME
from pthway.errors import PthwayError
from pthway.serving.hosted import Hosted, host
from pthway.serving.http import HttpError
from pthway.serving.settings import Settings

_log: Final = logging.getLogger("pthway.serving")

Stamp = tuple[int, int, int] | None
"""Tells whether a bundle may have changed: file number, size and time of its manifest; None if it is not there."""


@final
class Models:
    """What is served. Lives on one event loop."""

    def __init__(self, sources: Sequence[Any], settings: Settings, changed: Callable[[Hosted, int], None] = lambda *_: None) -> None:
        self._sources, self._settings, self._changed = sources, settings, changed
        """*changed* is told of each model that is served from now on, with 1, or no more, with 0."""
        self._served: dict[str, dict[str, Hosted]] = {}
        self._of_source: list[Hosted] = []
        self._stamps: list[Stamp] = []
        self._turn = asyncio.Lock()
        self.ready = False
        self.draining = False

    def __iter__(self) -> Any:
        return (hosted for versions in self._served.values() for hosted in versions.values())

    async def load(self) -> None:
        """Serve every source. Raises as `host` does, and `PthwayError` if two are the same version of the same model."""
        for source in self._sources:
            self._stamps.append(_stamp(source))
            hosted = await asyncio.to_thread(host, source, self._settings)
            self._add(hosted)
            self._of_source.append(hosted)
        self.ready = True

    async def reload(self) -> None:
        """Serve anew what changed: the new one is ready before the old one is left, which stays if the new one cannot be served."""
        async with self._turn:
            for index, source in enumerate(self._sources):
                stamp = _stamp(source)
                if not self.ready or stamp in (None, self._stamps[index]):
                    continue
                self._stamps[index] = stamp
                try:
                    await self._replace(index)
                except Exception as cause:  # noqa: BLE001  # whatever is wrong with the new one, the old one answers
                    _log.error("%s stays as it was: %s", self._of_source[index], cause)

    async def _replace(self, index: int) -> None:
        old = self._of_source[index]
        source = self._sources[index]
        new = await asyncio.to_thread(host, source.path if isinstance(source, Bundle) else source, self._settings)
        if new.session.bundle.digest == old.session.bundle.digest:
            await new.close()
            return
        self._remove(old)
        try:
            self._add(new)
        except PthwayError:
            self._add(old)
            await new.close()
            raise
        self._of_source[index] = new
        _log.info("%s replaces %s", new, old)
        await old.close()

    def _add(self, hosted: Hosted) -> None:
        versions = self._served.setdefault(hosted.name, {})
        if hosted.version in versions:
            raise PthwayError(
                f"Two bundles are {hosted.name} version {hosted.version}.",
                "Requests name a model by these.",
                "Pack one of them with another name or version.",
            )
        versions[hosted.version] = hosted
        self._changed(hosted, 1)

    def _remove(self, hosted: Hosted) -> None:
        del self._served[hosted.name][hosted.version]
        if not self._served[hosted.name]:
            del self._served[hosted.name]
        self._changed(hosted, 0)

    def require_ready(self) -> None:
        """Raise `HttpError` 503 while models are loading, and when the server is stopping."""
        if self.draining:
            raise HttpError(
                503,
                "The server is stopping.",
                "It finishes what it has accepted.",
                "Ask again.",
                {"retry-after": "1", "connection": "close"},
            )
        if not self.ready:
            raise HttpError(503, "The models are not ready.", "They are being loaded and verified.", "Ask again.", {"retry-after": "1"})

    def find(self, name: str, version: str | None) -> Hosted:
        """The model that is named; the newest version if none is. Raises `HttpError` 404, or 503 if models are not ready."""
        self.require_ready()
        versions = self._served.get(name)
        if versions is None:
            raise HttpError(404, f"There is no model {name[:80]!r}.", f"Served are {', '.join(self._served)}.", "Name one of these.")
        found = versions.get(version if version is not None else max(versions, key=_order))
        if found is None:
            raise HttpError(
                404,
                f"{name} has no version {(version or '')[:80]!r}.",
                f"It has {', '.join(versions)}.",
                "Name one of these, or none for the newest.",
            )
        return found

    def single(self) -> Hosted:
        """The only model, in its newest version. Raises `HttpError` 404 if there are several."""
        self.require_ready()
        if len(self._served) != 1:
            raise HttpError(
                404, "Several models are served, and none is named.", f"Served are {', '.join(self._served)}.", "POST /models/NAME/predict"
            )
        return self.find(next(iter(self._served)), None)

    def versions(self, name: str) -> list[str]:
        """The versions of a model that is served."""
        return list(self._served[name])

    async def close(self) -> None:
        """Take no more requests, and return when those that were accepted have their answers."""
        self.draining = True
        await asyncio.gather(*(hosted.close() for hosted in self))


def _stamp(source: Any) -> Stamp:
    path = source.path if isinstance(source, Bundle) else Path(source)
    try:
        found = (path / NAME if path.is_dir() else path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _order(version: str) -> tuple[tuple[int, str], ...]:
    """Versions as people count them: 10 after 9."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in version.replace("-", ".").split("."))
