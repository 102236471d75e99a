"""The race, on a clock of its own."""

from collections.abc import Callable

import pytest

from pthway.tuning.race import TURNS, Contender, Laps, Race


class Clock:
    """Seconds that pass only when a call takes them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[tuple[str, int]] = []

    def __call__(self) -> float:
        return self.now

    def taking(self, name: str, size: int, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.order.append((name, size))
            self.now += seconds

        return call


def race(speeds: dict[str, dict[int, float]], until: float) -> tuple[dict[str, Laps], Clock]:
    clock = Clock()
    contenders = {name: Contender({size: clock.taking(name, size, time) for size, time in of.items()}) for name, of in speeds.items()}
    return Race(contenders, until=until, clock=clock).run(), clock


def test_every_call_is_counted_with_the_seconds_that_it_took() -> None:
    laps, _ = race({"a": {1: 0.001, 8: 0.004}}, until=100)
    assert laps["a"].medians == pytest.approx({1: 0.001, 8: 0.004})


def test_what_is_far_behind_is_left_out_after_one_turn_and_told_so() -> None:
    laps, _ = race({"fast": {1: 0.001}, "slow": {1: 0.01}}, until=100)
    assert laps["fast"].stopped == ""
    assert laps["slow"].stopped == "stopped after 1 turn: 10.0 times as slow as the best"
    assert len(laps["slow"].seconds[1]) < len(laps["fast"].seconds[1])


@pytest.mark.parametrize(("behind", "turns"), [(1.95, 3), (1.6, 4), (1.3, 7)])
def test_the_closer_a_way_is_the_longer_it_is_measured(behind: float, turns: int) -> None:
    laps, _ = race({"fast": {1: 0.001}, "slow": {1: 0.001 * behind}}, until=1000)
    assert laps["slow"].stopped.startswith(f"stopped after {turns} turns")


def test_what_is_within_a_tenth_stays_to_the_end() -> None:
    laps, _ = race({"fast": {1: 0.01}, "close": {1: 0.0109}}, until=1000)
    assert laps["close"].stopped == ""


def test_what_is_the_fastest_at_one_size_stays_however_slow_it_is_elsewhere() -> None:
    laps, _ = race({"even": {1: 0.002, 8: 0.002}, "single": {1: 0.001, 8: 0.5}}, until=1000)
    assert [of.stopped for of in laps.values()] == ["", ""]


def test_ways_take_turns() -> None:
    _, clock = race({"a": {1: 0.03}, "b": {1: 0.03}}, until=1000)
    later = clock.order[4:]  # the first turn calls each twice
    assert later[:8] == [("a", 1), ("b", 1), ("b", 1), ("a", 1), ("a", 1), ("b", 1), ("b", 1), ("a", 1)]
    assert len(later) == 2 * (TURNS - 1)


def test_the_first_way_is_measured_although_no_time_is_left_and_the_others_are_not() -> None:
    laps, _ = race({"a": {1: 1.0, 8: 1.0}, "b": {1: 1.0, 8: 1.0}}, until=0.5)
    assert laps["a"].seconds.keys() == {1, 8}
    assert (laps["b"].stopped, laps["b"].seconds) == ("no time was left", {})


def test_it_ends_when_the_time_is_over() -> None:
    _, clock = race({"a": {1: 0.1}, "b": {1: 0.1}}, until=2.0)
    assert 2.0 <= clock.now < 2.2


def test_a_way_that_fails_is_left_out_with_what_it_said_and_the_others_go_on() -> None:
    def fail() -> None:
        raise RuntimeError("out of memory\nand more")

    clock = Clock()
    contenders = {
        "bad": Contender({1: clock.taking("bad", 1, 0.1), 8: fail}),
        "good": Contender({1: clock.taking("good", 1, 0.1)} | {8: int}),
    }
    laps = Race(contenders, until=5, clock=clock).run()
    assert (laps["bad"].stopped, laps["bad"].seconds) == ("it failed with 8 samples: out of memory", {})
    assert laps["good"].stopped == ""


def test_what_a_way_needs_is_set_before_each_of_its_turns() -> None:
    clock = Clock()
    contenders = {
        name: Contender({1: clock.taking(name, 1, 0.1)}, ready=lambda name=name: clock.order.append((f"set {name}", 0))) for name in "ab"
    }
    Race(contenders, until=2, clock=clock).run()
    for (before, _), (name, _) in zip(clock.order, clock.order[1:], strict=False):
        assert name.startswith("set ") or before in (name, f"set {name}")


def test_progress_is_told_of_every_way_size_and_turn() -> None:
    told: list[tuple[str, int, int]] = []
    clock = Clock()
    Race({"a": Contender({1: clock.taking("a", 1, 0.1)})}, until=100, clock=clock, progress=lambda *at: told.append(at)).run()
    assert told == [("a", 1, turn) for turn in range(5)]
