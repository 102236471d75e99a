"""Batches of what came while the runtime was busy: nothing waits to fill one, and nobody gets another's answer.

Requests are put together only if their shapes and types are the same. Where a batch fails, its requests are tried one by one, so that
only the guilty one fails. What is cancelled or past its deadline is dropped before it is computed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Run = Callable[[Arrays], Arrays]

FIRST_GUESS: Final = 0.01
"""Seconds that a batch is taken to last before one was measured."""
SMOOTHING: Final = 0.2
"""The weight of the last batch in the mean of their times."""


class Overloaded(Exception):
    """As many samples wait as may; *seconds* is how long those will take."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Closed(Exception):
    """No more requests are taken: the server is stopping, or the model is replaced."""


class DeadlinePassed(Exception):
    """The request was still waiting when its time was over."""


class Axes(NamedTuple):
    """Which dimension counts the samples, by the name of the input or output."""

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


class Computed(NamedTuple):
    """The outputs for one request, and how it fared."""

    outputs: dict[str, Array]
    waited: float
    """Seconds in the queue."""
    computed: float
    """Seconds of the call that it was part of."""
    batch: int
    """Samples of that call."""


@dataclass(slots=True, eq=False)
class _Job:
    inputs: Arrays
    rows: int
    future: "asyncio.Future[Computed]"
    deadline: float
    since: float = field(default_factory=time.perf_counter)


@final
class Batcher:
    """The queue of one model. Lives on one event loop."""

    def __init__(
        self,
        run: Run,
        axes: Axes,
        *,
        largest: int,
        capacity: int,
        executor: Executor | None,
        window: float = 0.0,
    ) -> None:
        self._run, self._axes = run, axes
        self._largest, self._capacity, self._window = largest, capacity, window
        self._executor = executor
        """Where batches are computed; None for networks so small that handing over would cost more than computing."""
        self._queues: dict[Hashable, deque[_Job]] = {}
        self._waiting = 0
        self._busy = False
        self._woken = False
        self._closed = False
        self._inside = 0
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._seconds_a_row = FIRST_GUESS / max(largest, 1)

    @property
    def waiting(self) -> int:
        """Samples in the queue."""
        return self._waiting

    @property
    def expected_wait(self) -> float:
        """Seconds until what waits now is computed, as far as the last batches tell."""
        return self._waiting * self._seconds_a_row

    async def submit(self, inputs: Arrays, rows: int, timeout: float) -> Computed:
        """The outputs for *inputs*, which hold *rows* samples.

        Raises `Overloaded` if too many wait, `DeadlinePassed` after *timeout* seconds in the queue, `Closed`, and what the network raises.
        """
        if self._closed:
            raise Closed
        if self._waiting and self._waiting + rows > self._capacity:
            raise Overloaded(self.expected_wait)
        loop = asyncio.get_running_loop()
        job = _Job(inputs, rows, loop.create_future(), time.perf_counter() + timeout)
        key = tuple(_kind(array, self._axes.inputs[name]) for name, array in inputs.items())
        self._queues.setdefault(key, deque()).append(job)
        self._waiting += rows
        self._inside += 1
        self._idle.clear()
        self._wake(loop)
        try:
            async with asyncio.timeout(timeout) as limit:
                return await job.future
        except TimeoutError as cause:
            raise (DeadlinePassed() if limit.expired() else cause) from cause
        finally:
            self._inside -= 1
            if not self._inside:
                self._idle.set()

    async def drained(self) -> None:
        """Take no more requests, and return when those that were taken have their answers."""
        self._closed = True
        await self._idle.wait()

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._busy and not self._woken:
            self._woken = True
            # After everything that is ready now: requests that arrived together become one batch.
            if self._window and self._waiting < self._largest:
                loop.call_later(self._window, self._begin)
            else:
                loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._woken = False
        if self._busy:
            return
        batch = self._next()
        if not batch:
            return
        self._busy = True
        loop = asyncio.get_running_loop()
        if self._executor is None:
            self._finish(batch, self._computed(batch))
        else:
            task = self._executor.submit(self._computed, batch)
            task.add_done_callback(lambda done: loop.call_soon_threadsafe(self._finish, batch, done.result()))

    def _next(self) -> list[_Job]:
        """The longest waiting request, and those behind it that can be computed with it."""
        now = time.perf_counter()
        while self._queues:
            key = min(self._queues, key=lambda each: self._queues[each][0].since)
            queue, rows = self._queues[key], 0
            batch: list[_Job] = []
            while queue and (not batch or rows + queue[0].rows <= self._largest):
                job = queue.popleft()
                self._waiting -= job.rows
                if job.future.done() or job.deadline < now:
                    continue  # cancelled, or past its deadline, which its own timer tells it
                batch.append(job)
                rows += job.rows
            if not queue:
                del self._queues[key]
            if batch:
                return batch
        return []

    def _computed(self, batch: list[_Job]) -> list[Computed | BaseException]:
        """An answer, or what was raised, for each job. Runs in the executor."""
        begin = time.perf_counter()
        rows = sum(job.rows for job in batch)
        try:
            outputs = self._run(batch[0].inputs if len(batch) == 1 else self._joined(batch))
        except Exception as cause:  # noqa: BLE001  # whatever the network raises belongs to whoever asked
            if len(batch) == 1:
                return [cause]
            return [answer for job in batch for answer in self._computed([job])]
        seconds = time.perf_counter() - begin
        self._seconds_a_row += SMOOTHING * (seconds / rows - self._seconds_a_row)
        parts = [dict(outputs)] if len(batch) == 1 else self._parted(outputs, [job.rows for job in batch])
        return [Computed(part, begin - job.since, seconds, rows) for job, part in zip(batch, parts, strict=True)]

    def _joined(self, batch: Sequence[_Job]) -> dict[str, Array]:
        return {name: np.concatenate([job.inputs[name] for job in batch], axis=axis) for name, axis in self._axes.inputs.items()}

    def _parted(self, outputs: Arrays, counts: Sequence[int]) -> list[dict[str, Array]]:
        bounds = np.cumsum(counts)[:-1]
        total = sum(counts)
        for name, axis in self._axes.outputs.items():
            if outputs[name].shape[axis : axis + 1] != (total,):
                raise RuntimeError(f"{total} samples were given and {name} has the shape {outputs[name].shape}")
        parted = {name: np.split(outputs[name], bounds, axis=axis) for name, axis in self._axes.outputs.items()}
        return [{name: parts[index] for name, parts in parted.items()} for index in range(len(counts))]

    def _finish(self, batch: Sequence[_Job], answers: Sequence[Computed | BaseException]) -> None:
        for job, answer in zip(batch, answers, strict=True):
            if job.future.done():
                continue
            if isinstance(answer, BaseException):
                job.future.set_exception(answer)
            else:
                job.future.set_result(answer)
        self._busy = False
        if self._queues:
            self._wake(asyncio.get_running_loop())


def _kind(array: Array, axis: int) -> Hashable:
    """What has to be the same for two inputs to be computed together."""
    return array.dtype.char, array.shape[:axis], array.shape[axis + 1 :]
