"""The queue of a model, with a network that is a function: who is computed with whom, in what order, and who gets which answer."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pthway.serving.batcher import Axes, Batcher, Bounds, DeadlinePassed, Overloaded

Arrays = Mapping[str, np.ndarray]
AXES = Axes({"x": 0}, {"y": 0})
EVERYTHING_QUICK = 1 << 30


def of(value: float, rows: int = 1, size: int = 2, dtype: type = np.float32) -> Arrays:
    return {"x": np.full((rows, size), value, dtype)}


def twice(inputs: Arrays) -> Arrays:
    return {"y": inputs["x"] * 2}


class Recorder:
    """A network that remembers its batches, and can be made to wait, or to refuse a number."""

    def __init__(self, poison: float | None = None) -> None:
        self.batches: list[list[float]] = []
        self.poison = poison
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, inputs: Arrays) -> Arrays:
        self.gate.wait(30)
        self.batches.append(inputs["x"][:, 0].tolist())
        if self.poison is not None and self.poison in inputs["x"]:
            raise ValueError(f"no {self.poison}")
        return twice(inputs)


def batcher(
    run: Callable[[Arrays], Arrays],
    *,
    largest: int = 8,
    capacity: int = 100,
    quick: bool = False,
    window: float = 0.0,
    executor: ThreadPoolExecutor | None = None,
) -> Batcher:
    bounds = Bounds(largest, capacity, EVERYTHING_QUICK if quick else 0, window)
    return Batcher(run, AXES, bounds, executor or ThreadPoolExecutor(1))


async def busy(queue: Batcher, recorder: Recorder) -> asyncio.Task:
    """A request that is being computed, and stays so until the gate is opened."""
    recorder.gate.clear()
    first = asyncio.ensure_future(queue.submit(of(0), 1, 30))
    while queue.waiting or not first.done():
        await asyncio.sleep(0.001)
        if not queue.waiting:
            return first
    return first


def submitted(queue: Batcher, *values: float, timeout: float = 30) -> list[asyncio.Task]:
    return [asyncio.ensure_future(queue.submit(of(value), 1, timeout)) for value in values]


@pytest.mark.parametrize("quick", [True, False])
def test_requests_that_arrive_together_are_one_batch_and_each_gets_its_own_answer(quick: bool) -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder, quick=quick)
        answers = await asyncio.gather(*submitted(queue, 1, 2, 3))
        assert recorder.batches == [[1, 2, 3]]
        assert [answer.outputs["y"].tolist() for answer in answers] == [[[2, 2]], [[4, 4]], [[6, 6]]]
        assert {answer.batch for answer in answers} == {3}

    asyncio.run(scenario())


def test_a_batch_is_what_came_while_the_runtime_was_busy() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder)
        first = await busy(queue, recorder)
        others = submitted(queue, 1, 2)
        await asyncio.sleep(0.01)
        others += submitted(queue, 3)
        await asyncio.sleep(0.01)
        recorder.gate.set()
        await asyncio.gather(first, *others)
        assert recorder.batches == [[0], [1, 2, 3]]

    asyncio.run(scenario())


def test_no_batch_is_larger_than_the_largest_and_what_is_left_comes_next_in_order() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        await asyncio.gather(*submitted(batcher(recorder, largest=2), 1, 2, 3, 4, 5))
        assert recorder.batches == [[1, 2], [3, 4], [5]]

    asyncio.run(scenario())


def test_a_request_of_more_samples_than_the_largest_batch_is_computed_alone() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder, largest=2)
        tasks = [asyncio.ensure_future(queue.submit(of(7, rows=5), 5, 30)), *submitted(queue, 1)]
        answers = await asyncio.gather(*tasks)
        assert recorder.batches == [[7] * 5, [1]]
        assert answers[0].outputs["y"].shape == (5, 2)

    asyncio.run(scenario())


def test_inputs_of_other_shapes_or_types_are_never_put_together() -> None:
    async def scenario() -> None:
        seen: list[tuple] = []

        def run(inputs: Arrays) -> Arrays:
            seen.append((inputs["x"].shape, inputs["x"].dtype.name))
            return twice(inputs)

        queue = batcher(run)
        kinds = [of(1), of(1, size=3), of(1, dtype=np.int64), of(2), of(2, size=3)]
        await asyncio.gather(*(queue.submit(kind, 1, 30) for kind in kinds))
        assert seen == [((2, 2), "float32"), ((2, 3), "float32"), ((1, 2), "int64")]

    asyncio.run(scenario())


def test_the_longest_waiting_shape_comes_first_however_many_wait_of_another() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder, largest=2)
        first = await busy(queue, recorder)
        tasks = [
            asyncio.ensure_future(queue.submit(of(value, size=size), 1, 30)) for value, size in ((1, 2), (9, 3), (2, 2), (3, 2), (4, 2))
        ]
        await asyncio.sleep(0.01)
        recorder.gate.set()
        await asyncio.gather(first, *tasks)
        assert recorder.batches == [[0], [1, 2], [9], [3, 4]]

    asyncio.run(scenario())


@pytest.mark.parametrize("quick", [True, False])
def test_only_the_guilty_request_of_a_batch_fails(quick: bool) -> None:
    async def scenario() -> None:
        recorder = Recorder(poison=2)
        tasks = submitted(batcher(recorder, quick=quick), 1, 2, 3)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert recorder.batches == [[1, 2, 3], [1], [2], [3]]
        assert [answers[0].outputs["y"][0, 0], answers[2].outputs["y"][0, 0]] == [2, 6]
        assert isinstance(answers[1], ValueError)

    asyncio.run(scenario())


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(
    "wrong",
    [
        lambda inputs: {"y": np.zeros((3, 2))},
        lambda inputs: {"y": np.zeros(())},
        lambda inputs: {},
        lambda inputs: (_ for _ in ()).throw(SystemExit(1)),
        lambda inputs: next(iter(())),
    ],
    ids=["other rows", "no rows", "no output", "SystemExit", "StopIteration"],
)
def test_a_network_that_misbehaves_fails_its_requests_and_not_the_queue(wrong: Callable[[Arrays], Arrays], quick: bool) -> None:
    async def scenario() -> None:
        def run(inputs: Arrays) -> Arrays:
            return twice(inputs) if 1 not in inputs["x"] and len(inputs["x"]) == 1 else wrong(inputs)

        queue = batcher(run, quick=quick)
        answers = await asyncio.gather(*submitted(queue, 1, 2), return_exceptions=True)
        assert answers[1].outputs["y"].tolist() == [[4, 4]]
        assert (await queue.submit(of(3), 1, 30)).outputs["y"].tolist() == [[6, 6]]

    asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.mark.parametrize("quick", [True, False])
def test_an_input_without_samples_is_answered_and_does_not_stop_the_queue(quick: bool) -> None:
    async def scenario() -> None:
        queue = batcher(twice, quick=quick)
        assert (await queue.submit(of(1, rows=0), 0, 30)).outputs["y"].shape == (0, 2)
        assert (await queue.submit(of(1), 1, 30)).batch == 1

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_one_sample_more_than_the_queue_holds_is_refused_at_once_and_told_how_long_the_others_take() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder, capacity=3)
        first = await busy(queue, recorder)
        tasks = submitted(queue, 1, 2, 3)
        await asyncio.sleep(0)
        assert queue.full
        with pytest.raises(Overloaded) as refused:
            await queue.submit(of(4), 1, 30)
        assert refused.value.seconds > 0
        recorder.gate.set()
        await asyncio.gather(first, *tasks)
        assert not queue.full
        assert recorder.batches == [[0], [1, 2, 3]]

    asyncio.run(scenario())


def test_a_request_of_more_samples_than_the_queue_holds_is_taken_if_none_waits() -> None:
    async def scenario() -> None:
        queue = batcher(twice, capacity=2)
        assert (await queue.submit(of(1, rows=5), 5, 30)).batch == 5

    asyncio.run(scenario())


def test_what_is_cancelled_is_not_computed_and_its_place_is_free_at_once() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder, capacity=2)
        first = await busy(queue, recorder)
        left, stays = submitted(queue, 1, 2)
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0.01)
        assert queue.waiting == 1
        late = submitted(queue, 3)
        await asyncio.sleep(0)
        recorder.gate.set()
        await asyncio.gather(first, stays, *late)
        assert recorder.batches == [[0], [2, 3]]

    asyncio.run(scenario())


def test_what_is_cancelled_while_it_is_computed_disturbs_nobody() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder)
        first = await busy(queue, recorder)
        first.cancel()
        others = submitted(queue, 1)
        await asyncio.sleep(0.01)
        recorder.gate.set()
        assert (await others[0]).outputs["y"][0, 0] == 2

    asyncio.run(scenario())


def test_a_request_past_its_deadline_is_told_so_and_not_computed() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder)
        first = await busy(queue, recorder)
        (late,) = submitted(queue, 1, timeout=0.01)
        with pytest.raises(DeadlinePassed):
            await late
        assert queue.waiting == 0
        recorder.gate.set()
        await first
        await queue.submit(of(2), 1, 30)
        assert recorder.batches == [[0], [2]]

    asyncio.run(scenario())


def test_a_timeout_that_the_network_raises_is_not_taken_for_a_deadline() -> None:
    async def scenario() -> None:
        def run(_: Arrays) -> Arrays:
            raise TimeoutError("the network's own")

        with pytest.raises(TimeoutError, match="the network's own"):
            await batcher(run).submit(of(1), 1, 30)

    asyncio.run(scenario())


def test_a_window_fills_a_batch_and_ends_as_soon_as_it_is_full() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        queue = batcher(recorder, largest=3, window=3600.0)
        tasks = submitted(queue, 1, 2)
        await asyncio.sleep(0.05)
        assert recorder.batches == []
        await asyncio.gather(*tasks, *submitted(queue, 3))
        assert recorder.batches == [[1, 2, 3]]

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_window_ends_by_itself_when_nobody_else_comes() -> None:
    async def scenario() -> None:
        assert (await batcher(twice, window=0.01).submit(of(1), 1, 30)).batch == 1

    asyncio.run(scenario())


def test_small_batches_are_computed_on_the_event_loop_and_larger_ones_are_not() -> None:
    async def scenario() -> None:
        threads: list[bool] = []

        def run(inputs: Arrays) -> Arrays:
            threads.append(threading.current_thread() is threading.main_thread())
            return twice(inputs)

        queue = Batcher(run, AXES, Bounds(8, 100, quick_bytes=of(1)["x"].nbytes), ThreadPoolExecutor(1))
        await queue.submit(of(1), 1, 30)
        await queue.submit(of(1, size=3), 1, 30)
        assert threads == [True, False]

    asyncio.run(scenario())


request = st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from(["stay", "leave", "poison"]))


@settings(max_examples=40, deadline=None)
@given(st.lists(request, max_size=30), st.integers(1, 6), st.booleans())
def test_whatever_comes_every_request_that_stays_gets_its_own_answer(requests: list, largest: int, quick: bool) -> None:
    async def scenario() -> None:
        def run(inputs: Arrays) -> Arrays:
            if (inputs["x"] < 0).any():
                raise ValueError("poison")
            return twice(inputs)

        with ThreadPoolExecutor(1) as executor:
            queue = batcher(run, largest=largest, quick=quick, executor=executor)
            tasks = []
            for number, (rows, size, fate) in enumerate(requests):
                value = -1.0 if fate == "poison" else float(number)
                tasks.append(asyncio.ensure_future(queue.submit(of(value, rows=rows, size=size), rows, 30)))
                if number % 3 == 0:
                    await asyncio.sleep(0)
                if fate == "leave":
                    tasks[-1].cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert queue.waiting == 0
        for number, ((rows, size, fate), answer) in enumerate(zip(requests, answers, strict=True)):
            if fate == "stay" or (fate == "poison" and rows == 0):
                assert answer.outputs["y"].tolist() == [[2.0 * (number if fate == "stay" else -1)] * size] * rows
            elif fate == "poison":
                assert isinstance(answer, ValueError)

    asyncio.run(asyncio.wait_for(scenario(), 60))
