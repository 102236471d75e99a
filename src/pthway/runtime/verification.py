"""Runs the golden record here and now, and says how far the answers are from the recorded ones."""

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from pthway.bundle.environment import available_cores, changes, environment
from pthway.bundle.folder import Bundle, open_bundle
from pthway.bundle.golden import NAN, Comparison, Record, compare
from pthway.bundle.manifest import Difference, Manifest, Program, RuntimeName, Tolerance, replaced
from pthway.errors import Drift, MissingDependency, PthwayError, UsageError
from pthway.runtime.runner import Runner, Settings, start
from pthway.runtime.sizes import misfit

Depth = Literal["full", "quick"]


class Verification(Struct, frozen=True):
    """What one runtime came to, here and now."""

    runtime: RuntimeName
    ok: bool
    difference: Difference | None
    """The largest over all records; None if it could not be run."""
    deviation: str | None
    """The number that rounding does not explain, or why it could not be run."""
    milliseconds: Mapping[str, float]
    """By the record: the time of its call."""
    records: tuple[str, ...]
    """Which records were run."""

    def __str__(self) -> str:
        if self.difference is None:
            return f"{self.runtime}: not run: {self.deviation}"
        apart = f"differs by at most {self.difference.absolute:.1e} ({self.difference.relative:.1e} of the largest)"
        return f"{self.runtime}: {apart}" + (f"; {self.deviation}" if self.deviation else "")


class Verifications(Struct, frozen=True):
    """What every runtime that was asked came to."""

    bundle: str
    results: tuple[Verification, ...]
    environment_changes: tuple[str, ...]
    """What is other here than where the bundle was packed."""

    @property
    def ok(self) -> bool:
        """Whether each gave the recorded answers."""
        return bool(self.results) and all(result.ok for result in self.results)

    def __bool__(self) -> bool:
        return self.ok


def verify(path: object, *, runtime: str | None = None, threads: int | None = None, device: str = "cpu") -> Verifications:
    """What the runtimes of a bundle answer to its golden record, here and now: the named one, ``"all"``, or those that are installed.

    *path* is a bundle or its path. With ``"all"`` a runtime that is not installed counts as a failure. Raises `UsageError` for a
    runtime that the bundle has no program for, and as `open_bundle` does.
    """
    bundle = open_bundle(path)  # type: ignore[arg-type]
    settings = Settings(threads or available_cores(), device)
    records = bundle.records()
    found: list[Verification] = []
    for program in chosen(bundle.manifest, None if runtime == "all" else runtime):
        try:
            runner = start(bundle, program, settings)
        except MissingDependency as missing:
            if runtime is None:
                continue
            found.append(_not_run(program, missing))
        except PthwayError as refusal:
            found.append(_not_run(program, refusal))
        else:
            found.append(verified(bundle.manifest, program, runner, records))
    return Verifications(str(bundle.path), tuple(found), tuple(changes(bundle.manifest.provenance.environment, environment())))


def chosen(manifest: Manifest, runtime: str | None) -> Sequence[Program]:
    """The programs for *runtime*, or all. Raises `UsageError` if there is none."""
    found = [program for program in manifest.programs if runtime in (None, program.runtime)]
    if not found:
        raise UsageError(
            f"The bundle {manifest.name} has no program for {runtime!r}.",
            f"It has programs for {', '.join(program.runtime for program in manifest.programs)}.",
            "Name one of these, or pack the model again with it",
        )
    return found


def allowing(manifest: Manifest, tolerances: dict[str, Tolerance] | None) -> Manifest:
    """*manifest* with other tolerances of its golden record, if there are any."""
    return manifest if tolerances is None else replaced(manifest, golden=replaced(manifest.golden, tolerances=tolerances))


def verified(manifest: Manifest, program: Program, runner: Runner, records: Mapping[str, Record], depth: Depth = "full") -> Verification:
    """What *runner* answers to the records, or to the first of them alone, beside what is recorded.

    Records of sizes that the program does not run with are left out.
    """
    wanted = manifest.signature.inputs
    given = {name: [records[name].inputs[each.name] for each in wanted] for name in manifest.golden.records}
    asked = [name for name, inputs in given.items() if (name != NAN or program.keeps_nan) and misfit(program, wanted, inputs) is None]
    asked = asked[:1] if depth == "quick" else asked
    if not asked:
        return _not_run(program, ValueError(f"no record has the sizes {dict(program.fixed)}"))
    compared: dict[str, Comparison] = {}
    times: dict[str, float] = {}
    for name in asked:
        begin = time.perf_counter()
        try:
            outputs = dict(zip([each.name for each in manifest.signature.outputs], runner(given[name]), strict=True))
        except Exception as cause:  # noqa: BLE001  # runtimes raise what they like; the user has to see it beside the others
            return _not_run(program, cause)
        times[name] = (time.perf_counter() - begin) * 1e3
        compared[name] = compare(records[name].outputs, outputs, manifest.golden.tolerances)
    deviation = next((f"record {name}: {each.deviation}" for name, each in compared.items() if each.deviation is not None), None)
    largest = Difference(
        absolute=max(each.difference.absolute for each in compared.values()),
        relative=max(each.difference.relative for each in compared.values()),
    )
    return Verification(program.runtime, deviation is None, largest, deviation, times, tuple(asked))


def _not_run(program: Program, cause: Exception) -> Verification:
    reason = cause.what if isinstance(cause, PthwayError) else f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
    return Verification(program.runtime, False, None, reason, {}, ())  # noqa: FBT003  # a field


def drift(bundle: Bundle, result: Verification) -> Drift:
    """The error of a runtime that does not give the recorded answers here."""
    here = changes(bundle.manifest.provenance.environment, environment())
    return Drift(
        f"{bundle.manifest.name} does not give its recorded answers with {result.runtime}: {result.deviation}",
        f"Other than when it was packed: {'; '.join(here) or 'nothing that is known'}.",
        f"pthway verify {bundle.path} --runtime all shows which runtime still does; open_session(…, runtime=…) takes it",
    )
