"""A model being served: its session, verified and warmed, and the queue in front of it."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, final

import numpy as np

from pthway.bundle.environment import available_cores
from pthway.bundle.folder import Bundle, open_bundle
from pthway.bundle.golden import NAN, Record, compare
from pthway.runtime.session import Session, open_session
from pthway.serving.batcher import Array, Axes, Batcher, Bounds
from pthway.serving.settings import Settings

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)
"""Batches that are tried at warm-up."""
WORTH: Final = 0.97
"""A larger batch has to cost at most this part a sample; else it only makes everybody wait."""
WARM_SECONDS: Final = 2.0
"""Of measuring, for each model."""
TRIES: Final = 3
QUICK_SECONDS: Final = 0.001
"""A batch this quick is computed where it is asked for: handing it to a thread takes a tenth of a millisecond twice."""


class Started(NamedTuple):
    """Seconds that getting a model ready took."""

    read: float
    """Checking the files."""
    session: float
    """Loading the program and comparing its answers with the recorded ones."""
    warm: float
    """Measuring batches."""


class Curve(NamedTuple):
    """What batches cost here."""

    seconds: Mapping[int, float]
    """By the number of samples."""
    largest: int
    """Beyond it a sample costs no less."""
    reason: str
    """Why no larger one, in words."""
    quick_bytes: int
    """Of the inputs that are computed so fast that no thread is worth it; 0 if there are none."""


@final
class Hosted:
    """One version of one model."""

    def __init__(self, session: Session, curve: Curve, started: Started, settings: Settings) -> None:
        described = session.bundle.manifest
        self.name, self.version = described.name, described.version
        self.session, self.curve, self.started = session, curve, started
        self.manifest = described
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"pthway-{self.name}")
        signature = session.signature
        self.axes = Axes(
            {each.name: each.batch or 0 for each in signature.inputs},
            {each.name: each.batch for each in signature.outputs if each.batch is not None},
        )
        bounds = Bounds(curve.largest, settings.queue, curve.quick_bytes, settings.window)
        self.batcher = Batcher(session.run, self.axes, bounds, self._executor)
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @contextmanager
    def used(self) -> Iterator[None]:
        """A request holds the model: it is not closed before the block is left."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def close(self) -> None:
        """Return when no request uses it any more. To be called when none can find it any more."""
        await self._unused.wait()
        self._executor.shutdown(wait=False)


def host(path: Any, settings: Settings) -> Hosted:
    """The model of a bundle, verified against its golden record and warmed. Raises as `open_bundle` and `open_session` do."""
    begin = time.perf_counter()
    bundle = open_bundle(path)
    read = time.perf_counter()
    threads = settings.threads or max(1, available_cores() // settings.workers)
    session = open_session(bundle, runtime=settings.runtime, threads=threads)
    loaded = time.perf_counter()
    curve = _curve(bundle, session, settings)
    started = Started(read - begin, loaded - read, time.perf_counter() - loaded)
    return Hosted(session, curve, started, settings)


def _curve(bundle: Bundle, session: Session, settings: Settings) -> Curve:
    """What batches cost, and which are worth it; one sample at a time where batches change answers."""
    records = {name: record for name, record in bundle.records().items() if name != NAN}
    sample = next(iter(records.values()))
    seconds = {1: _measured(session, _rows(session, sample, 1))}
    reason = _forbidden(session, settings, records)
    largest, end = 1, time.perf_counter() + WARM_SECONDS
    limit = settings.largest_batch or SIZES[-1]
    sizes = () if reason is not None else [each for each in SIZES[1:] if each <= limit]
    for size in sizes:
        batch = _rows(session, sample, size)
        different = _changed_by_size(session, sample, batch, size)
        if different is not None:
            reason = f"a sample's answer is another in a batch of {size} ({different})"
            break
        seconds[size] = _measured(session, batch)
        if seconds[size] / size <= WORTH * seconds[largest] / largest:
            largest = size
        if time.perf_counter() > end:
            break
    found = "larger batches cost no less a sample" if largest < limit else "the largest that is tried"
    quick = sum(array.nbytes for array in _rows(session, sample, largest).values()) if seconds[largest] <= QUICK_SECONDS else 0
    return Curve(seconds, largest, reason or found, quick)


def _forbidden(session: Session, settings: Settings, records: Mapping[str, Record]) -> str | None:
    """Why requests must not be put together; None if they may."""
    if settings.largest_batch == 1:
        return "batching was switched off"
    program = next(each for each in session.bundle.manifest.programs if each.runtime == session.runtime)
    if "batch" not in program.dynamic:
        return "the program fixes the number of samples"
    loose = [each.name for each in session.signature.outputs if each.batch is None]
    if loose:
        return f"the output {loose[0]} belongs to no sample"
    for name, record in records.items():
        different = _changed_by_others(session, record)
        if different is not None:
            return f"a sample's answer depends on the others of its batch (record {name}: {different})"
    return None


def _changed_by_others(session: Session, record: Record) -> str | None:
    """Where the samples of a record, one at a time, get other answers than together."""
    axes = {each.name: each.batch or 0 for each in session.signature.outputs}
    inputs = {each.name: each.batch or 0 for each in session.signature.inputs}
    count = next(record.inputs[name].shape[axis] for name, axis in inputs.items())
    for row in range(count):
        alone = session.run({name: np.ascontiguousarray(np.take(array, [row], inputs[name])) for name, array in record.inputs.items()})
        expected = {name: np.take(array, [row], axes[name]) for name, array in record.outputs.items()}
        deviation = compare(expected, alone, session.bundle.manifest.golden.tolerances).deviation
        if deviation is not None:
            return str(deviation)
    return None


def _changed_by_size(session: Session, record: Record, batch: Mapping[str, Array], size: int) -> str | None:
    """Where the first, middle or last of *size* samples, those of a record repeated, gets another answer than is recorded."""
    outputs = session.run(batch)
    for each in session.signature.outputs:
        recorded, axis = record.outputs[each.name], each.batch or 0
        rows = [0, size // 2, size - 1]
        expected = np.take(recorded, [row % recorded.shape[axis] for row in rows], axis)
        got = np.take(outputs[each.name], rows, axis) if outputs[each.name].shape[axis : axis + 1] == (size,) else outputs[each.name]
        deviation = compare({each.name: expected}, {each.name: got}, session.bundle.manifest.golden.tolerances).deviation
        if deviation is not None:
            return str(deviation)
    return None


def _rows(session: Session, record: Record, size: int) -> dict[str, Array]:
    axes = {each.name: each.batch or 0 for each in session.signature.inputs}
    return {
        name: np.ascontiguousarray(np.take(array, np.arange(size) % array.shape[axes[name]], axes[name]))
        for name, array in record.inputs.items()
    }


def _measured(session: Session, inputs: Mapping[str, Array]) -> float:
    """The least of a few times, the first left out: it warms."""
    session.run(inputs)
    times: list[float] = []
    for _ in range(TRIES):
        begin = time.perf_counter()
        session.run(inputs)
        times.append(time.perf_counter() - begin)
    return min(times)
