"""What was tuned as rows to read: for the terminal, and for the page."""

import math
from collections.abc import Sequence

from pthway.runtime.tuned import INEXACT, Measured, Timing, Tuned

HEADERS: tuple[str, ...] = ("way", "samples", "median ms", "p99 ms", "samples/s", "calls", "result")


def rows(tuned: Tuned) -> list[tuple[str, ...]]:
    """A row for each way and number of samples under `HEADERS`: the ranked ones first, then what was not measured."""
    ordered = sorted(tuned.measured, key=lambda each: _place(tuned, each))
    return [row for each in ordered for row in _rows(tuned, each)]


def summary(tuned: Tuned) -> str:
    """What the next session takes, and at how many samples it gives most a second."""
    best = tuned.ranking[0]
    measured = tuned.of(best)
    timings = measured.timings if measured is not None else ()
    most = max(timings, key=lambda timing: timing.throughput, default=None)
    at = f"; most samples a second with {most.batch_size} at once: {most.throughput:,.0f}" if most is not None else ""
    return f"open_session takes {best}{at}"


def _place(tuned: Tuned, each: Measured) -> int:
    order = [*tuned.approximate, *tuned.ranking]
    return order.index(each.setting) if each.setting in order else len(order)


def _rows(tuned: Tuned, each: Measured) -> Sequence[tuple[str, ...]]:
    if not each.timings:
        return [(str(each.setting), "", "", "", "", "", each.stopped)]
    return [(str(each.setting), *_numbers(timing), verdict(tuned, each)) for timing in each.timings]


def _numbers(timing: Timing) -> tuple[str, ...]:
    return str(timing.batch_size), f"{timing.median:.3f}", f"{timing.p99:.3f}", f"{timing.throughput:,.0f}", str(timing.calls)


def verdict(tuned: Tuned, each: Measured) -> str:
    """What became of a way, in words."""
    if each.setting in tuned.approximate:
        return f"faster, but off by {each.error or 0:.2%}: open_session(…, accuracy={admitting(each.error or 0)})"
    if each.setting == tuned.ranking[0]:
        return "the fastest"
    if each.setting.variant in INEXACT and not each.stopped:
        return "not faster than what gives the recorded answers"
    return each.stopped


def admitting(error: float) -> str:
    """An accuracy of two digits that *error* does not exceed."""
    if not error:
        return "1e-06"
    step = 10.0 ** (math.floor(math.log10(error)) - 1)
    return f"{math.ceil(error / step) * step:.2g}"
