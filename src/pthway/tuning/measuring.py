"""`pthway.tune`: measures every way to run a bundle that is right on this machine, and keeps what it found for the next session."""

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pthway.bundle.environment import environment
from pthway.bundle.folder import Bundle, open_bundle
from pthway.errors import PthwayError, UsageError
from pthway.runtime.choice import cost, require_accuracy
from pthway.runtime.runner import Variant
from pthway.runtime.session import Session, open_session
from pthway.runtime.tuned import INEXACT, Measured, Setting, Timing, Tuned, cache_folder, write
from pthway.tuning.candidates import Entrants, Ready, set_threads, settings_of, threads_restored
from pthway.tuning.race import Contender, Laps, Race

Array = npt.NDArray[Any]
Progress = Callable[[float, str], None]

BUDGET: Final = 60.0
BATCH_SIZES: Final = (1, 8, 32)


def tune(  # noqa: PLR0913  # what is tried, each by its name
    bundle: str | os.PathLike[str] | Bundle,
    *,
    budget: float = BUDGET,
    runtimes: Sequence[str] | None = None,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    variants: Sequence[Variant] = (),
    data: object = None,
    accuracy: float | None = None,
    keep: bool = True,
    progress: Progress = lambda *_: None,
) -> Tuned:
    """What is the fastest way to run *bundle* on this machine; the next `open_session` on it takes that.

    Tried are *runtimes* (those that are installed if None) with all processors, half of them, … and one, for each of *batch_sizes*, in
    turn, for about *budget* seconds; loading and verifying each comes before. Only what gives the recorded answers is ranked.
    *variants* adds ``"channels-last"``, ``"bfloat16"`` and ``"int8"``. The last two compute other numbers: they need *accuracy*,
    the largest difference in parts of the largest number of an output, as measured on *data* (anything that `Session.predict` takes),
    and are used only by who opens the session with that accuracy. *keep* is whether the result is kept in the user's cache folder.
    *progress* is told which part of the budget is spent, and what is done.

    Raises `UsageError` for what cannot be tried, `Drift` or the runtimes' own refusals if nothing is right here, and as `open_bundle` does.
    """
    opened = open_bundle(bundle)
    _require_sound(opened, budget, batch_sizes, variants, data, accuracy)
    settings, refused = settings_of(opened, runtimes, variants)
    begin = time.perf_counter()
    with _scratch(opened) as quantised, threads_restored():
        reference = None if data is None else open_session(opened)
        measured, ready = _entered(Entrants(opened, accuracy, quantised), settings, progress)
        errors = _errors(ready, reference, data, progress)
        ready, late = _within(ready, errors, accuracy)
        measured |= late | {setting: Measured(setting, stopped=reason) for setting, reason in refused.items()}
        if not any(setting.variant not in INEXACT for setting in ready):
            raise _nothing_right(opened, measured)
        laps = _raced(opened, ready, batch_sizes, budget, progress)
        kept = _kept(opened, quantised) if keep and any(setting.variant == "int8" for setting in ready) else None
        measured |= {setting: _measured(setting, of, errors.get(setting), kept) for setting, of in laps.items()}
    ranking, approximate = _ranked(measured)
    tuned = Tuned(
        format=1,
        bundle=opened.digest,
        environment=environment(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - begin),
        measured=tuple(measured.values()),
        ranking=ranking,
        approximate=approximate,
    )
    if keep:
        write(tuned)
    return tuned


def _require_sound(
    bundle: Bundle, budget: float, batch_sizes: Sequence[int], variants: Sequence[Variant], data: object, accuracy: float | None
) -> None:
    if not 0 < budget < math.inf:
        raise UsageError(f"budget is {budget!r}.", "It is the time for measuring, in seconds, above 0.", "budget=60")
    if not batch_sizes or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in batch_sizes):
        raise UsageError(f"batch_sizes is {batch_sizes!r}.", "It holds numbers of samples, each from 1.", "batch_sizes=(1, 8, 32)")
    other = [variant for variant in variants if variant in INEXACT]
    if other and (data is None or accuracy is None):
        raise UsageError(
            f"{' and '.join(other)} computes other numbers than were recorded.",
            "How far off they may be is yours to say, and it is measured on data.",
            f"pthway tune {bundle.path} --{other[0]} --accuracy 0.01 --data FILE",
        )
    if not other and (data is not None or accuracy is not None):
        raise UsageError(
            "accuracy and data are given, and nothing that computes other numbers.",
            "They are for int8 and bfloat16; all else gives the recorded answers.",
            "Leave them out, or add a variant: --int8",
        )
    if accuracy is not None:
        require_accuracy(accuracy)


@contextmanager
def _scratch(bundle: Bundle) -> Iterator[Path]:
    """Where a quantised program goes while it is tried: beside where it would be kept, or in a temporary folder."""
    folder = cache_folder(bundle.digest)
    with suppress(OSError):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    writable = folder is not None and os.access(folder, os.W_OK)
    with TemporaryDirectory(dir=folder if writable else None, prefix=".tune-") as scratch:
        yield Path(scratch) / f"{token_hex(4)}.onnx"


def _kept(bundle: Bundle, quantised: Path) -> tuple[str, str] | None:
    """The name and checksum of the quantised program, moved to where `open_session` finds it; None if it cannot be moved there."""
    with quantised.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    folder, name = cache_folder(bundle.digest), f"int8-{digest[:16]}.onnx"
    try:
        if folder is not None:
            quantised.replace(folder / name)
            return name, digest
    except OSError:
        return None  # on another disk, since the cache folder cannot be written: `write` says so
    return None


def _entered(entrants: Entrants, settings: Sequence[Setting], progress: Progress) -> tuple[dict[Setting, Measured], dict[Setting, Ready]]:
    refused: dict[Setting, Measured] = {}
    ready: dict[Setting, Ready] = {}
    for setting in settings:
        progress(0.0, f"loading {setting}")
        entered = entrants.enter(setting)
        if isinstance(entered, Ready):
            ready[setting] = entered
        else:
            refused[setting] = Measured(setting, stopped=entered.reason)
    return refused, ready


def _errors(ready: Mapping[Setting, Ready], reference: Session | None, data: object, progress: Progress) -> dict[Setting, float]:
    """How far each variant that computes other numbers is off on *data*."""
    if reference is None:
        return {}
    expected = reference.predict(data).arrays
    found: dict[Setting, float] = {}
    for setting, entered in ready.items():
        if setting.variant in INEXACT:
            progress(0.0, f"measuring how far {setting} is off")
            got = entered.session.predict(data).arrays
            found[setting] = max(_error(expected[name], got[name]) for name in expected)
    return found


def _error(expected: Array, got: Array) -> float:
    """The largest difference, in parts of the largest number; infinity for a NaN that is not expected, or another whole number."""
    largest = float(np.abs(expected).max(initial=0.0)) or 1.0
    error = float(np.abs(got.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0)) / largest
    return error if math.isfinite(error) else math.inf


def _within(
    ready: Mapping[Setting, Ready], errors: Mapping[Setting, float], accuracy: float | None
) -> tuple[dict[Setting, Ready], dict[Setting, Measured]]:
    bound = accuracy or 0.0
    late = {
        setting: Measured(setting, stopped=f"off by {error:.2%} of the largest number; the bound is {bound:.2%}")
        for setting, error in errors.items()
        if error > bound
    }
    return {setting: entered for setting, entered in ready.items() if setting not in late}, late


def _nothing_right(bundle: Bundle, measured: Mapping[Setting, Measured]) -> PthwayError:
    return UsageError(
        f"No way to run {bundle.manifest.name} is right here.",
        "; ".join(f"{setting}: {of.stopped}" for setting, of in measured.items()),
        f"pthway verify {bundle.path} --runtime all",
    )


def _raced(
    bundle: Bundle, ready: Mapping[Setting, Ready], batch_sizes: Sequence[int], budget: float, progress: Progress
) -> dict[Setting, Laps]:
    batches = _batches(bundle, batch_sizes)
    names = [each.name for each in bundle.manifest.signature.inputs]
    contenders = {
        setting: Contender(
            {size: partial(entered.runner, [arrays[name] for name in names]) for size, arrays in batches.items()},
            partial(set_threads, setting),
        )
        for setting, entered in ready.items()
    }
    begin = time.perf_counter()

    def told(setting: Setting, size: int, turn: int) -> None:
        spent = min((time.perf_counter() - begin) / budget, 1.0)
        progress(spent, f"turn {turn + 1}: {setting}, {size} sample{'s' * (size > 1)}")

    return Race(contenders, until=begin + budget, progress=told).run()


def _batches(bundle: Bundle, batch_sizes: Sequence[int]) -> dict[int, dict[str, Array]]:
    """Inputs of each number of samples, repeated from the golden record. A network that counts no samples has one size, told as 1."""
    inputs = bundle.manifest.signature.inputs
    record = bundle.records()[bundle.manifest.golden.records[0]]
    if any(each.batch is None for each in inputs):
        return {1: dict(record.inputs)}
    return {
        size: {
            each.name: np.ascontiguousarray(
                np.take(record.inputs[each.name], np.arange(size) % record.inputs[each.name].shape[each.batch or 0], axis=each.batch or 0)
            )
            for each in inputs
        }
        for size in dict.fromkeys(batch_sizes)
    }


def _measured(setting: Setting, laps: Laps, error: float | None, kept: tuple[str, str] | None) -> Measured:
    timings = tuple(
        Timing(size, median=laps.medians[size] * 1e3, p99=_p99(times) * 1e3, calls=len(times)) for size, times in laps.seconds.items()
    )
    name, digest = kept if kept is not None and setting.variant == "int8" else ("", None)
    return Measured(setting, timings, laps.stopped, error, name, digest)


def _p99(times: Sequence[float]) -> float:
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]


def _ranked(measured: Mapping[Setting, Measured]) -> tuple[tuple[Setting, ...], tuple[Setting, ...]]:
    """What gives the recorded answers, the fastest first; then what is faster than all of it and computes other numbers."""
    sizes = max((len(of.timings) for of in measured.values()), default=0)
    times = {
        setting: {timing.batch_size: timing.median for timing in of.timings} for setting, of in measured.items() if len(of.timings) == sizes
    }
    eager_times = [of for setting, of in times.items() if setting.runtime == "eager" and setting.variant not in INEXACT]
    eager = {size: min(of[size] for of in eager_times) for size in (eager_times[0] if eager_times else ())}
    order = sorted(times, key=lambda setting: cost(times[setting], eager))
    exact = [setting for setting in order if setting.variant not in INEXACT]
    best = cost(times[exact[0]], eager)
    return tuple(exact), tuple(setting for setting in order if setting.variant in INEXACT and cost(times[setting], eager) < best)
