"""Measures ways of doing a thing in turn, and leaves out early those that cannot win.

Turns are interleaved: what slows the machine down for a while slows all of them. After each turn a way goes if its mean time is beyond the
best by a margin that shrinks with what is known of it, unless it is the fastest at some size. In this it is a form of successive halving
(Jamieson and Talwalkar, 2016) whose cut follows the distance instead of the rank.
"""

import itertools
import math
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Generic, TypeVar

from pthway.runtime.choice import mean_cost

Way = TypeVar("Way", bound=Hashable)

BURST_SECONDS: Final = 0.02
BURST_CALLS: Final = 200
TURNS: Final = 40
ALONE_TURNS: Final = 5
"""Turns after which the last one left is known well enough."""


@dataclass
class Contender:
    """One way of doing a thing."""

    calls: Mapping[int, Callable[[], object]]
    """The call to measure, by its size."""
    ready: Callable[[], None] = lambda: None
    """What has to be set before its turn, such as the threads of a process."""


@dataclass
class Laps:
    """What was measured of one way."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    """Of every counted call, by size."""
    stopped: str = ""
    """Why it was left out; empty if it stayed to the end."""

    @property
    def medians(self) -> dict[int, float]:
        """The median seconds of a call, by size."""
        return {size: median(times) for size, times in self.seconds.items()}


class Race(Generic[Way]):
    """Contenders, and what is known of them so far."""

    def __init__(
        self,
        contenders: Mapping[Way, Contender],
        *,
        until: float,
        clock: Callable[[], float] = time.perf_counter,
        progress: Callable[[Way, int, int], None] = lambda *_: None,
    ) -> None:
        self._contenders, self._until, self._clock, self._progress = contenders, until, clock, progress
        self.laps: dict[Way, Laps] = {way: Laps() for way in contenders}

    def run(self) -> dict[Way, Laps]:
        """Measure until the time is over, or nothing more is to be found out; the first contender is measured once in any case."""
        for way in self._contenders:
            if self._over and any(self._is_whole(other) for other in self.laps):
                self.laps[way].stopped = "no time was left"
            else:
                self._first_turn(way)
        for turn in itertools.count(1):
            self._leave_out(turn)
            alive = self._alive
            if self._over or turn == TURNS or (len(alive) <= 1 and turn >= ALONE_TURNS):
                return self.laps
            for size in next(iter(self._contenders.values())).calls:
                for way in alive if turn % 2 else reversed(alive):
                    if not self._over:
                        self._burst(way, size, turn)
        raise AssertionError("counting has no end")

    @property
    def _over(self) -> bool:
        return self._clock() >= self._until

    @property
    def _alive(self) -> list[Way]:
        return [way for way, laps in self.laps.items() if not laps.stopped]

    def _is_whole(self, way: Way) -> bool:
        return self.laps[way].seconds.keys() == self._contenders[way].calls.keys()

    def _first_turn(self, way: Way) -> None:
        for size in self._contenders[way].calls:
            if not self.laps[way].stopped:
                self._burst(way, size, 0)

    def _burst(self, way: Way, size: int, turn: int) -> None:
        """A few calls in a row. The first, with cold caches, is not counted, unless it is a long one of a later turn."""
        contender, laps = self._contenders[way], self.laps[way]
        self._progress(way, size, turn)
        try:
            contender.ready()
            first = self._timed(contender.calls[size])
            counted = [first] if turn and first >= BURST_SECONDS else [self._timed(contender.calls[size])]
            while sum(counted) < BURST_SECONDS and len(counted) < BURST_CALLS:
                counted.append(self._timed(contender.calls[size]))
        except Exception as cause:  # noqa: BLE001  # runtimes raise what they like; the others go on
            laps.stopped = f"it failed with {size} samples: {str(cause).strip().partition(chr(10))[0]}"
            laps.seconds.clear()
            return
        laps.seconds.setdefault(size, []).extend(counted)

    def _timed(self, call: Callable[[], object]) -> float:
        begin = self._clock()
        call()
        return self._clock() - begin

    def _leave_out(self, turn: int) -> None:
        medians = {way: self.laps[way].medians for way in self._alive}
        if not medians:
            return
        costs = {way: mean_cost(times) for way, times in medians.items()}
        best = min(costs.values())
        margin = max(1.1, 1 + 2 / turn)
        fastest = {min(medians, key=lambda way: medians[way].get(size, math.inf)) for size in next(iter(self._contenders.values())).calls}
        for way, cost in costs.items():
            if cost - best > math.log(margin) and way not in fastest:
                self.laps[
                    way
                ].stopped = f"stopped after {turn} turn{'s' * (turn > 1)}: {math.exp(cost - best):.1f} times as slow as the best"
