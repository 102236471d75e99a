"""A bundle that answers: its fastest program that gives the recorded numbers on this machine."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from pthway import _lazy
from pthway.bundle.environment import available_cores
from pthway.bundle.folder import Bundle, open_bundle
from pthway.bundle.manifest import Program, RuntimeName
from pthway.data.given import read_given
from pthway.data.intake import batch_shape, cast, numbers_of, require_names, require_one_count
from pthway.data.preparation import PLAIN_PREPARATION, Preparation
from pthway.data.present import Answer
from pthway.data.reading import Reading
from pthway.errors import BatchLost, Drift, InputRefused, MissingDependency, PthwayError, UsageError
from pthway.runtime.runner import Array, Runner, Settings, start
from pthway.runtime.verification import Depth, Verification, chosen, drift, verified
from pthway.signature import Input, written


@final
class Session:
    """A program of a bundle, loaded and verified. `open_session` makes one; several threads may use it at once."""

    def __init__(self, bundle: Bundle, runner: Runner, verification: Verification, because: str) -> None:
        self.bundle = bundle
        self.runtime: RuntimeName = verification.runtime
        """Which runtime computes."""
        self.because = because
        """Why this one, in words."""
        self.verification = verification
        """How far its answers were from the recorded ones when it was opened."""
        described = bundle.manifest
        self.signature = described.signature
        self._runner = runner
        self._inputs = tuple(each.name for each in described.signature.inputs)
        self._outputs = tuple(each.name for each in described.signature.outputs)
        self._batches = {each.name: each.batch for each in described.signature.outputs}
        self._dtypes = {each.name: np.dtype(each.dtype or "float32") for each in described.signature.inputs}
        program = chosen(described, self.runtime)[0]
        self._keeps_nan = program.keeps_nan
        self._loaded: dict[str, Any] = {}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs for a batch, by name, as the network gives them; nothing is converted.

        *inputs* are contiguous arrays by name, of the signature's types and shapes. Raises `InputRefused` for what the runtime refuses.
        """
        try:
            return dict(zip(self._outputs, self._runner([inputs[name] for name in self._inputs]), strict=True))
        except Exception as cause:
            raise _refused(self, inputs, cause) from cause

    def predict(self, x: Any, *, preparation: Preparation | None = None, reading: Reading | None = None) -> Answer:
        """The answers of the network to *x*, one a sample, as `Model.predict` gives them.

        *x* is an array, a tensor, nested lists or a number, one sample or a batch; a mapping of these for several inputs; an image;
        or the path of an image, a .npy, .npz, .csv or .json file. *preparation* and *reading* replace the bundle's own.
        Functions that were packed with the network are imported when the first answer needs them. Raises `InputRefused` for what does
        not fit the signature, `FunctionFailed` if such a function does, and `BatchLost` if there is not one answer a sample.
        """
        given, steps = read_given(x, self.signature.inputs, preparation or self.bundle.manifest.preparation or PLAIN_PREPARATION)
        if "before" in self.bundle.manifest.functions:
            given = self._function("before")(given)
        require_names([*given], self._inputs, "Name the inputs so.")
        arrays: dict[str, Array] = {}
        singles: list[bool] = []
        for wanted in self.signature.inputs:
            arrays[wanted.name], single = self._taken(given[wanted.name], wanted)
            singles.append(single)
        counts = {wanted.name: arrays[wanted.name].shape[wanted.batch or 0] for wanted in self.signature.inputs}
        require_one_count(counts)
        outputs = self.run(arrays)
        count = next(iter(counts.values()), 1)
        answers = {name: _counted(name, outputs[name], axis, count) for name, axis in self._batches.items() if axis is not None}
        described = self.bundle.manifest
        if "after" in described.functions:
            after = self._function("after")
            answers = {name: _counted(name, array, 0, count, after.reference) for name, array in after(answers).items()}
        return Answer(answers, labels=described.labels, single=all(singles), steps=steps, reading=reading or described.reading)

    def _function(self, role: str) -> Any:
        """The packer's function, imported and compared with its record when it is first needed."""
        if role not in self._loaded:
            self._loaded[role] = _lazy.load("pthway.runtime.functions:load_function")(self.bundle, role)
        return self._loaded[role]

    def _taken(self, value: object, wanted: Input) -> tuple[Array, bool]:
        numbers = numbers_of(value, wanted.name)
        shape, single = batch_shape(numbers.shape, wanted)
        array = np.ascontiguousarray(cast(numbers.reshape(shape), self._dtypes[wanted.name], wanted.vocabulary, wanted.name))
        if not self._keeps_nan and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputRefused(
                f"{wanted.name} holds NaN or infinity.",
                f"{self.runtime} answers such an input with ordinary-looking numbers.",
                "Replace them, or open the session with another runtime, which lets them through to the answer",
            )
        return array, single

    def __repr__(self) -> str:
        return f"<Session {self.bundle.manifest.name} {self.bundle.manifest.version} with {self.runtime}: {self.because}>"


def _counted(name: str, array: Array, axis: int, count: int, who: str = "network") -> Array:
    if axis >= array.ndim or array.shape[axis] != count:
        raise BatchLost(
            f"The {who} answers {count} samples with {name} of shape {written(array.shape)}.",
            "There has to be one answer a sample; for this input its forward pass folds samples together or apart.",
            "Give inputs of the size that it was trained on; what the program itself returns: session.run({…})",
        )
    return np.moveaxis(array, axis, 0) if axis else array


def _refused(session: Session, inputs: Mapping[str, Array], cause: Exception) -> PthwayError:
    if isinstance(cause, KeyError) and cause.args[0] in session._inputs:
        return InputRefused(
            f"The input {cause.args[0]} is missing.", f"The network takes {', '.join(session._inputs)}.", "session.run({name: array, …})"
        )
    told = ", ".join(f"{name} {getattr(each, 'dtype', type(each).__name__)} {written(np.shape(each))}" for name, each in inputs.items())
    wanted = "; ".join(map(str, session.signature.inputs))
    return InputRefused(
        f"{session.runtime} does not run with {told}: {str(cause).strip().partition(chr(10))[0]}",
        f"The network takes {wanted}.",
        "session.predict(x) converts and checks its input",
    )


def open_session(
    bundle: str | os.PathLike[str] | Bundle,
    *,
    runtime: str | None = None,
    threads: int | None = None,
    device: str = "cpu",
    verify: Depth = "full",
) -> Session:
    """The bundle's fastest program whose runtime is installed here and gives the recorded answers here.

    *runtime* forces one. *threads* is how many processors one call may use: those that are really available unless told otherwise.
    ``verify="quick"`` tries one sample instead of the whole golden record. Raises `Drift`, naming output, expected, got and tolerance,
    if the runtime that was asked for, or every one that is installed, gives other answers; `MissingDependency` if none is installed;
    and as `open_bundle` does.
    """
    opened = open_bundle(bundle)
    if verify not in ("full", "quick"):
        raise UsageError(f"verify is {verify!r}.", "A session is always verified: on the whole record, or on one sample.", 'verify="quick"')
    settings = Settings(_threads(threads), device)
    records = opened.records()
    passed_over: list[str] = []
    failed: list[PthwayError] = []
    for program in _by_speed(chosen(opened.manifest, runtime)):
        try:
            runner = start(opened, program, settings)
        except PthwayError as refusal:
            if runtime is not None:
                raise
            passed_over.append(f"{program.runtime} ({_reason(refusal)})")
            failed.append(refusal)
            continue
        result = verified(opened.manifest, program, runner, records, verify)
        if result.ok:
            return Session(opened, runner, result, _because(program, runtime, passed_over))
        failed.append(drift(opened, result))
        passed_over.append(f"{program.runtime} (other answers)")
        if runtime is not None:
            break
    raise next((error for error in failed if isinstance(error, Drift)), failed[0])


def _threads(asked: int | None) -> int:
    available = available_cores()
    if asked is not None and not 1 <= asked <= available:
        raise UsageError(
            f"threads is {asked}.", f"{available} processors are available here; more threads than these wait for one another.", "threads=1"
        )
    return asked or available


def _by_speed(programs: Sequence[Program]) -> list[Program]:
    """The fastest first, by what was measured when the bundle was packed: the time of a sample, over all batch sizes alike."""

    def cost(program: Program) -> float:
        return float(np.sum([np.log(time / size) for size, time in program.milliseconds.items()]))

    return sorted(programs, key=cost)


def _because(program: Program, asked: str | None, passed_over: Sequence[str]) -> str:
    reason = "asked for" if asked is not None else "the fastest when it was packed"
    return reason + (f", but for {', '.join(passed_over)}" if passed_over else "")


def _reason(refusal: PthwayError) -> str:
    return "not installed" if isinstance(refusal, MissingDependency) else refusal.what
