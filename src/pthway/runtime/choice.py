"""In which order the ways to run a bundle are tried: what was tuned on this machine first, then by what was measured at packing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pthway.bundle.environment import available_cores
from pthway.bundle.folder import Bundle
from pthway.bundle.manifest import Program, Tolerance, replaced
from pthway.errors import UsageError
from pthway.runtime.runner import Settings
from pthway.runtime.tuned import INEXACT, Setting, Tuned, program_file, read
from pthway.runtime.verification import chosen

SLOWER: Final = 1.03
"""Times the time of eager torch: what is slower at any number of samples comes after it."""


class Way(NamedTuple):
    """One way to run a bundle."""

    program: Program
    settings: Settings
    because: str
    tolerances: dict[str, Tolerance] | None = None
    """What its answers may differ by, if not by rounding alone."""


def ways(bundle: Bundle, runtime: str | None, threads: int | None, device: str, accuracy: float | None) -> list[Way]:
    """The ways to run *bundle*, the best first; those of *runtime* alone if it is named.

    *threads* is a number of processors, or None for the best that is known. *accuracy* admits what was tuned on this machine and
    computes other numbers, up to that difference. Raises `UsageError` for a runtime without a program, more threads than there are
    processors, or if an accuracy is given and nothing was tuned on this machine.
    """
    programs = {program.runtime: program for program in by_speed(chosen(bundle.manifest, runtime))}
    available = available_cores()
    if threads is not None and not 1 <= threads <= available:
        raise UsageError(
            f"threads is {threads}.", f"{available} processors are available here; more threads wait for one another.", "threads=1"
        )
    tuned = read(bundle) if device == "cpu" else None
    asked = "asked for" if runtime is not None else ""
    approximate = _inexact(bundle, tuned, accuracy)
    found = [way for way in approximate if way.program.runtime in programs and threads in (None, way.settings.threads)]
    for setting in tuned.ranking if tuned is not None else ():
        if setting.runtime in programs and threads in (None, setting.threads) and tuned is not None:
            because = asked or f"tuned on this machine, {tuned.date[:10]}"
            found.append(Way(programs[setting.runtime], Settings(setting.threads, device, setting.variant), because))
    because = asked or "the fastest when it was packed"
    untuned = [program for program in programs.values() if program.runtime not in {way.program.runtime for way in found}]
    return found + [Way(program, Settings(threads or _threads(program, available), device), because) for program in untuned]


def by_speed(programs: Sequence[Program]) -> list[Program]:
    """The fastest first, by the times of packing: the time of a sample over all numbers of samples alike.

    What was slower than eager torch at any of them comes after it: nobody shall lose by what wins elsewhere. Those that fix a size come
    after all that do not.
    """
    eager = next((program.milliseconds for program in programs if program.runtime == "eager"), {})
    return sorted(programs, key=lambda program: (len(program.fixed), *cost(program.milliseconds, eager)))


def cost(times: Mapping[int, float], eager: Mapping[int, float]) -> tuple[bool, float]:
    """By what ways are ranked: whether one is slower than eager torch at any number of samples, then the mean of its times."""
    return any(times.get(size, 0.0) > SLOWER * time for size, time in eager.items()), mean_cost(times)


def mean_cost(times: Mapping[int, float]) -> float:
    """The mean logarithm of the time of a sample, of *times* by the number of samples: ratios count. Infinity for none."""
    return sum(math.log(max(time, 1e-9) / size) for size, time in times.items()) / len(times) if times else math.inf


def _threads(program: Program, available: int) -> int:
    return 1 if program.one_thread else available


def _inexact(bundle: Bundle, tuned: Tuned | None, accuracy: float | None) -> list[Way]:
    if accuracy is None:
        return []
    require_accuracy(accuracy)
    if tuned is None:
        raise UsageError(
            f"accuracy is {accuracy:g}, and nothing was tuned on this machine.",
            "How far other numbers are off is measured on data before they are used.",
            f"pthway tune {bundle.path} --int8 --accuracy {accuracy:g} --data FILE",
        )
    return [way for setting in tuned.approximate if (way := _approximate(bundle, tuned, setting, accuracy)) is not None]


def require_accuracy(accuracy: float) -> None:
    """Raise `UsageError` for what is no part of a number."""
    if not 0 < accuracy < 1:
        raise UsageError(f"accuracy is {accuracy!r}.", "It is a part of the largest number of an output, between 0 and 1.", "accuracy=0.01")


def _approximate(bundle: Bundle, tuned: Tuned, setting: Setting, accuracy: float) -> Way | None:
    measured = tuned.of(setting)
    program = next(each for each in bundle.manifest.programs if each.runtime == setting.runtime)
    if measured is None or measured.error is None or measured.error > accuracy or setting.variant not in INEXACT:
        return None
    if setting.variant == "int8":
        path = program_file(tuned, setting)
        if path is None:
            return None
        program = replaced(program, file=str(path))
    because = f"tuned on this machine, {tuned.date[:10]}: {setting.variant}, off by {measured.error:.2%} of the largest number"
    return Way(inexact(program), Settings(setting.threads, "cpu", setting.variant), because, loosened(bundle, accuracy))


def inexact(program: Program) -> Program:
    """*program* as one that computes other numbers: a NaN may come out as one of them."""
    return replaced(program, keeps_nan=False)


def loosened(bundle: Bundle, accuracy: float) -> dict[str, Tolerance]:
    """Tolerances by which every output may differ by *accuracy*, in parts of its largest recorded number."""
    records = bundle.records().values()
    largest = {each.name: max(_largest(record.outputs[each.name]) for record in records) for each in bundle.manifest.signature.outputs}
    return {name: Tolerance(absolute=accuracy * number, relative=0.0) for name, number in largest.items()}


def _largest(array: npt.NDArray[Any]) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
