"""Batches of what came while the runtime was busy: nothing waits to fill one, and nobody gets another's answer.

Requests are put together only if their shapes and types are the same. Where a batch fails, its requests are tried one by one, so that
only the guilty one fails. What is cancelled or past its deadline is dropped before it is computed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
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


class DeadlinePassed(Exception):
    """The request had no answer yet when its time was over."""


class Axes(NamedTuple):
    """Which dimension counts the samples, by the name of the input or output."""

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


class Bounds(NamedTuple):
    """What a queue keeps to."""

    largest: int
    """Samples of one call."""
    capacity: int
    """Samples that may wait."""
    quick_bytes: int = 0
    """Batches with inputs up to this size are computed on the event loop: handing them over would cost more than computing them."""
    window: float = 0.0
    """Seconds that a batch waits to be filled."""


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
    queue: "deque[_Job] | None" = None
    """Where it waits; None once it was taken."""
    since: float = field(default_factory=time.perf_counter)

    @property
    def places(self) -> int:
        """How many of the queue's it takes: an input without samples has to be answered too."""
        return max(self.rows, 1)


@final
class Batcher:
    """The queue of one model. Lives on one event loop."""

    def __init__(self, run: Run, axes: Axes, bounds: Bounds, executor: Executor) -> None:
        self._run, self._axes, self._bounds, self._executor = run, axes, bounds, executor
        self._queues: dict[Hashable, deque[_Job]] = {}
        self._waiting = 0
        self._busy = False
        self._woken = False
        self._window_end: asyncio.TimerHandle | None = None
        self._seconds_a_row = FIRST_GUESS / bounds.largest

    @property
    def full(self) -> bool:
        """Whether not even one more sample may wait."""
        return self._waiting >= self._bounds.capacity

    def is_quick(self, inputs: Arrays) -> bool:
        """Whether *inputs* are so few that they are computed on the event loop."""
        return _bytes(inputs) <= self._bounds.quick_bytes

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

        A request of more samples than may wait is taken if none waits. Raises `Overloaded` if too many wait, `DeadlinePassed` if it has
        no answer after *timeout* seconds, and what the network raises.
        """
        if self._waiting and self._waiting + rows > self._bounds.capacity:
            raise Overloaded(self.expected_wait)
        loop = asyncio.get_running_loop()
        job = _Job(inputs, rows, loop.create_future(), time.perf_counter() + timeout)
        self._enqueue(job)
        self._wake(loop)
        try:
            async with asyncio.timeout(timeout) as limit:
                return await job.future
        except TimeoutError as cause:
            if limit.expired():
                raise DeadlinePassed from cause
            raise
        finally:
            self._drop(job)

    def _enqueue(self, job: _Job) -> None:
        key = tuple(_kind(array, self._axes.inputs[name]) for name, array in job.inputs.items())
        job.queue = self._queues.setdefault(key, deque())
        job.queue.append(job)
        self._waiting += job.places

    def _drop(self, job: _Job) -> None:
        """Give the place of a job to others that is given up before it was taken."""
        if job.queue is not None:
            job.queue.remove(job)
            job.queue = None
            self._waiting -= job.places

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._busy or self._woken:
            return
        if self._bounds.window and self._waiting < self._bounds.largest:
            if self._window_end is None:
                self._window_end = loop.call_later(self._bounds.window, self._begin)
            return
        # Not at once, but after everything that is ready now: requests that arrived together become one batch.
        self._woken = True
        loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._woken = False
        if self._window_end is not None:
            self._window_end.cancel()
            self._window_end = None
        batch = self._next()
        if not batch:
            return
        self._busy = True
        if sum(_bytes(job.inputs) for job in batch) <= self._bounds.quick_bytes:
            self._finish(batch, self._computed(batch))
            return
        loop = asyncio.get_running_loop()
        self._executor.submit(self._computed, batch).add_done_callback(lambda done: self._hand_over(loop, batch, done.result()))

    def _next(self) -> list[_Job]:
        """The longest waiting request, and those behind it that can be computed with it."""
        now = time.perf_counter()
        while self._queues:
            key = min(self._queues, key=lambda each: self._queues[each][0].since if self._queues[each] else 0.0)
            queue, rows = self._queues[key], 0
            batch: list[_Job] = []
            while queue and (not batch or rows + queue[0].rows <= self._bounds.largest):
                job = queue.popleft()
                job.queue = None
                self._waiting -= job.places
                if job.future.done() or job.deadline < now:
                    continue  # its own timer tells it
                batch.append(job)
                rows += job.rows
            if not queue:
                del self._queues[key]
            if batch:
                return batch
        return []

    def _computed(self, batch: list[_Job]) -> list[Computed | Exception]:
        """An answer, or what was raised, for each job. Raises nothing, whatever the network does."""
        begin = time.perf_counter()
        rows = sum(job.rows for job in batch)
        try:
            alone = len(batch) == 1
            outputs = self._run(batch[0].inputs if alone else self._joined(batch))
            seconds = time.perf_counter() - begin
            parts = [dict(outputs)] if alone else self._parted(outputs, [job.rows for job in batch])
        except BaseException as cause:  # noqa: BLE001  # it belongs to whoever asked, and must not end the queue
            if len(batch) == 1:
                return [_told(cause)]
            return [answer for job in batch for answer in self._computed([job])]
        self._seconds_a_row += SMOOTHING * (seconds / max(rows, 1) - self._seconds_a_row)
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

    def _hand_over(self, loop: asyncio.AbstractEventLoop, batch: Sequence[_Job], answers: Sequence[Computed | Exception]) -> None:
        """From the executor's thread to the event loop, unless that was closed: then nobody waits."""
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._finish, batch, answers)

    def _finish(self, batch: Sequence[_Job], answers: Sequence[Computed | Exception]) -> None:
        for job, answer in zip(batch, answers, strict=True):
            if job.future.done():
                continue
            if isinstance(answer, Exception):
                job.future.set_exception(answer)
            else:
                job.future.set_result(answer)
        self._busy = False
        if self._queues:
            self._wake(asyncio.get_running_loop())


def _kind(array: Array, axis: int) -> Hashable:
    """What has to be the same for two inputs to be computed together."""
    return array.dtype.char, array.shape[:axis], array.shape[axis + 1 :]


def _bytes(inputs: Arrays) -> int:
    return sum(array.nbytes for array in inputs.values())


def _told(cause: BaseException) -> Exception:
    """*cause* as what a future can hold: StopIteration, and what would end the process, are taken as failures like any other."""
    if isinstance(cause, Exception) and not isinstance(cause, StopIteration):
        return cause
    return RuntimeError(f"the network raised {type(cause).__name__}")
