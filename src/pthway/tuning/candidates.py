"""Which ways to run a bundle are tried on this machine, each verified before it is."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from pthway import _lazy
from pthway.bundle.environment import available_cores, environment
from pthway.bundle.folder import Bundle
from pthway.bundle.golden import Record
from pthway.bundle.manifest import Program, RuntimeName, Tolerance, replaced
from pthway.errors import PthwayError, UsageError
from pthway.runtime.choice import by_speed, inexact, loosened
from pthway.runtime.runner import Runner, Settings, Variant, start
from pthway.runtime.session import Session
from pthway.runtime.tuned import INEXACT, Setting
from pthway.runtime.verification import Verification, allowing, chosen, verified

OWN_THREADS: Final = frozenset({"onnxruntime", "openvino"})
"""Runtimes whose sessions have their own threads; the others use those of torch, which are the process's."""
VARIANTS: Final[Mapping[Variant, RuntimeName]] = {"channels-last": "eager", "bfloat16": "eager", "int8": "onnxruntime"}
"""Which runtime offers each."""
BFLOAT16: Final = frozenset({"avx512_bf16", "amx_bf16"})
"""Instructions without which a processor computes bfloat16 many times slower than float32."""
IMAGE_RANK: Final = 4


class Ready(NamedTuple):
    """A way whose answers are right."""

    session: Session
    runner: Runner


class Refused(NamedTuple):
    """A way that is not tried."""

    reason: str


class Entrants:
    """Loads and verifies ways to run a bundle."""

    def __init__(self, bundle: Bundle, accuracy: float | None, quantised: Path) -> None:
        self._bundle, self._accuracy, self._quantised = bundle, accuracy, quantised
        self._records: Mapping[str, Record] = bundle.records()
        self._loosened = loosened(bundle, accuracy) if accuracy is not None else None
        self._torch_runners: dict[tuple[str, Variant], Runner] = {}

    def enter(self, setting: Setting) -> Ready | Refused:
        """The way, loaded and held to the golden record, or why not."""
        program = self.program(setting)
        try:
            set_threads(setting)
            runner = self._runner(program, setting)
        except PthwayError as refusal:
            return Refused(refusal.what)
        result = self._verified(program, runner, setting)
        if not result.ok:
            return Refused(f"other answers: {result.deviation}")
        return Ready(Session(self._bundle, program, runner, result, "tried by tune"), runner)

    def program(self, setting: Setting) -> Program:
        """The program of the bundle that *setting* runs, or what was made of it."""
        program = chosen(self._bundle.manifest, setting.runtime)[0]
        if setting.variant == "int8":
            program = replaced(program, file=str(self._quantised))
        return inexact(program) if setting.variant in INEXACT else program

    def _runner(self, program: Program, setting: Setting) -> Runner:
        if setting.variant == "int8" and not self._quantised.exists():
            _lazy.load("pthway.tuning.quantised:write", extra="onnx")(
                self._bundle, chosen(self._bundle.manifest, setting.runtime)[0], self._quantised
            )
        key = (setting.runtime, setting.variant)
        if key in self._torch_runners:
            return self._torch_runners[key]
        runner = start(self._bundle, program, Settings(setting.threads, "cpu", setting.variant))
        if setting.runtime not in OWN_THREADS:
            self._torch_runners[key] = runner
        return runner

    def _verified(self, program: Program, runner: Runner, setting: Setting) -> Verification:
        tolerances: dict[str, Tolerance] | None = self._loosened if setting.variant in INEXACT else None
        return verified(allowing(self._bundle.manifest, tolerances), program, runner, self._records)


def settings_of(bundle: Bundle, runtimes: Sequence[str] | None, variants: Sequence[Variant]) -> tuple[list[Setting], dict[Setting, str]]:
    """The ways to try, the likeliest first, and those that are left out at once, with why.

    Raises `UsageError` for a runtime that the bundle has no program for, or a variant of one that it has not.
    """
    programs = by_speed([program for name in runtimes or [None] for program in chosen(bundle.manifest, name)])  # type: ignore[list-item]
    names = [program.runtime for program in programs]
    threads = _threads(available_cores())
    found = [Setting(name, count) for name in names for count in threads]
    refused: dict[Setting, str] = {}
    for variant in variants:
        runtime = VARIANTS.get(variant)
        if runtime not in names or runtime is None:
            raise UsageError(
                f"There is no {variant} for {', '.join(names)}.",
                f"It is offered by {runtime}." if runtime else f"Variants are {', '.join(VARIANTS)}.",
                "Leave it out, or pack the bundle with that runtime",
            )
        reason = _useless(bundle, variant)
        for count in threads:
            if reason:
                refused[Setting(runtime, count, variant)] = reason
            else:
                found.append(Setting(runtime, count, variant))
    return found, refused


def _threads(available: int) -> list[int]:
    """All processors, and halves of them down to one."""
    counts = [available]
    while counts[-1] > 1:
        counts.append(counts[-1] // 2)
    return counts


def _useless(bundle: Bundle, variant: Variant) -> str:
    if variant == "bfloat16" and not BFLOAT16 & set(environment().instructions):
        return f"this processor computes no bfloat16: it has none of {', '.join(sorted(BFLOAT16))}"
    images = any(len(each.shape or ()) == IMAGE_RANK for each in bundle.manifest.signature.inputs)
    return "the network takes no images" if variant == "channels-last" and not images else ""


def set_threads(setting: Setting) -> None:
    """Give torch, if it is the one that computes, its threads."""
    torch = sys.modules.get("torch")
    if torch is not None and setting.runtime not in OWN_THREADS:
        torch.set_num_threads(setting.threads)


@contextmanager
def threads_restored() -> Iterator[None]:
    """Leave torch with the threads that it had, or would have had."""
    loaded = sys.modules.get("torch")
    before: Callable[[], int] | None = loaded.get_num_threads if loaded is not None else None
    count = before() if before is not None else available_cores()
    try:
        yield
    finally:
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(count)
