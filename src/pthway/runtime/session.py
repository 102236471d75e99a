"""A bundle that answers: its fastest program that gives the recorded numbers on this machine."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import numpy as np

from pthway import _lazy
from pthway.bundle.folder import Bundle, open_bundle
from pthway.bundle.manifest import Manifest, Program, RuntimeName
from pthway.data.given import read_given
from pthway.data.intake import batch_shape, cast, numbers_of, require_names, require_one_count
from pthway.data.preparation import PLAIN_PREPARATION, ColumnPreparation, Preparation
from pthway.data.present import Answer
from pthway.data.reading import Reading
from pthway.errors import BatchLost, Drift, InputRefused, MissingDependency, PthwayError, UsageError
from pthway.runtime.choice import ways
from pthway.runtime.runner import Array, Runner, start
from pthway.runtime.verification import Depth, Verification, allowing, drift, verified
from pthway.signature import Input, written


class Taken(NamedTuple):
    """An input, ready to be run."""

    arrays: Mapping[str, Array]
    rows: int
    """How many samples it holds."""
    single: bool
    """Whether it was one sample without a batch dimension."""
    steps: tuple[str, ...]
    """How it was read, in words."""


class Quick(NamedTuple):
    """What an array has to be like to be given to the runtime as it is."""

    dtype: np.dtype[Any]
    sides: tuple[int, ...]
    output: str


def _quick(described: Manifest) -> Quick | None:
    """For one input of decimals and fixed sides, one output, and no functions of the packer's between them."""
    inputs, outputs = described.signature.inputs, described.signature.outputs
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0].batch != 0 or outputs[0].batch != 0 or described.functions:
        return None
    sides, dtype = tuple(side for side in inputs[0].sample or () if isinstance(side, int)), np.dtype(inputs[0].dtype or "float32")
    fixed = len(sides) == len(inputs[0].sample or ())
    return Quick(dtype, sides, outputs[0].name) if fixed and dtype.kind == "f" else None


@final
class Session:
    """A program of a bundle, loaded and verified. `open_session` makes one; several threads may use it at once."""

    def __init__(self, bundle: Bundle, program: Program, runner: Runner, verification: Verification, because: str) -> None:
        self.bundle = bundle
        self.runtime: RuntimeName = program.runtime
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
        self._only = (self._inputs[0], self._outputs[0]) if len(self._inputs) == len(self._outputs) == 1 else None
        self._batches = {each.name: each.batch for each in described.signature.outputs}
        self._dtypes = {each.name: np.dtype(each.dtype or "float32") for each in described.signature.inputs}
        self._keeps_nan = program.keeps_nan
        self._loaded: dict[str, Any] = {}
        self._quick = _quick(described)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs for a batch, by name, as the network gives them; nothing is converted.

        *inputs* are contiguous arrays by name, of the signature's types and shapes. Raises `InputRefused` for what the runtime refuses.
        """
        try:
            if self._only is not None:  # the usual network, without what loops cost: microseconds count here
                taken, given = self._only
                return {given: self._runner((inputs[taken],))[0]}
            return dict(zip(self._outputs, self._runner([inputs[name] for name in self._inputs]), strict=True))
        except InputRefused:
            raise
        except Exception as cause:
            raise _refused(self, inputs, cause) from cause

    def predict(self, x: Any, *, preparation: Preparation | None = None, reading: Reading | None = None) -> Answer:
        """The answers of the network to *x*, one a sample, as `Model.predict` gives them.

        *x* is an array, a tensor, nested lists or a number, one sample or a batch; a mapping of these for several inputs; an image;
        or the path of an image, a .npy, .npz, .csv or .json file. *preparation* and *reading* replace the bundle's own.
        Functions that were packed with the network are imported when the first answer needs them. Raises `InputRefused` for what does
        not fit the signature, `FunctionFailed` if such a function does, and `BatchLost` if there is not one answer a sample.
        """
        described = self.bundle.manifest
        preparation, reading = preparation or described.preparation or PLAIN_PREPARATION, reading or described.reading
        answer = None if type(preparation) is ColumnPreparation else self._answer_at_once(x, self._quick, reading)
        if answer is not None:
            return answer
        taken = self.take(x, preparation=preparation)
        return self.answer(self.run(taken.arrays), taken, reading=reading)

    def take(self, x: Any, *, preparation: Preparation | None = None) -> Taken:
        """*x* as `run` wants it. Raises `InputRefused` for what does not fit the signature."""
        described = self.bundle.manifest
        given, steps = read_given(x, self.signature.inputs, preparation or described.preparation or PLAIN_PREPARATION)
        if "before" in described.functions:
            given = self._function("before")(given)
        require_names([*given], self._inputs, "Name the inputs so.")
        arrays: dict[str, Array] = {}
        singles: list[bool] = []
        for wanted in self.signature.inputs:
            arrays[wanted.name], single = self._taken(given[wanted.name], wanted)
            singles.append(single)
        counts = {wanted.name: arrays[wanted.name].shape[wanted.batch or 0] for wanted in self.signature.inputs}
        require_one_count(counts)
        return Taken(arrays, next(iter(counts.values()), 1), all(singles), steps)

    def answer(self, outputs: Mapping[str, Array], taken: Taken, *, reading: Reading | None = None) -> Answer:
        """What `run` gave, as an answer a sample. Raises `BatchLost` if it is not."""
        described = self.bundle.manifest
        answers = {name: _counted(name, outputs[name], axis, taken.rows) for name, axis in self._batches.items() if axis is not None}
        if "after" in described.functions:
            after = self._function("after")
            answers = {name: _counted(name, array, 0, taken.rows, after.reference) for name, array in after(answers).items()}
        return Answer(answers, labels=described.labels, single=taken.single, steps=taken.steps, reading=reading or described.reading)

    def _function(self, role: str) -> Any:
        """The packer's function, imported and compared with its record when it is first needed."""
        if role not in self._loaded:
            self._loaded[role] = _lazy.load("pthway.runtime.functions:load_function")(self.bundle, role)
        return self._loaded[role]

    def _answer_at_once(self, x: object, quick: Quick | None, reading: Reading) -> Answer | None:
        """The answer to an array that is an input as it stands, microseconds after the runtime's own; None if anything is unusual."""
        if quick is None or type(x) is not np.ndarray or x.dtype != quick.dtype or not x.flags.carray:
            return None
        single = x.shape == quick.sides
        batch = x[np.newaxis] if single else x
        if batch.shape[1:] != quick.sides or (not self._keeps_nan and not np.isfinite(x).all()):
            return None
        try:
            array = self._runner((batch,))[0]
        except Exception:  # noqa: BLE001  # the long way tells what is wrong
            return None
        if array.shape[:1] != batch.shape[:1]:
            return None
        return Answer({quick.output: array}, labels=self.bundle.manifest.labels, single=single, reading=reading)

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
    accuracy: float | None = None,
) -> Session:
    """The bundle's fastest program whose runtime is installed here and gives the recorded answers here.

    What `pthway tune` found on this machine comes first. *runtime* forces one. *threads* is how many processors one call may use: what was
    found to be best, at most those that are really available. *accuracy* admits what was tuned here and computes other numbers (int8,
    bfloat16), where these were off by no more than that part of the largest number on the data that was given.
    ``verify="quick"`` tries one sample instead of the whole golden record. Raises `Drift`, naming output, expected, got and tolerance,
    if the runtime that was asked for, or every one that is installed, gives other answers; `MissingDependency` if none is installed;
    and as `open_bundle` does.
    """
    opened = open_bundle(bundle)
    if verify not in ("full", "quick"):
        raise UsageError(f"verify is {verify!r}.", "A session is always verified: on the whole record, or on one sample.", 'verify="quick"')
    records = opened.records()
    passed_over: list[str] = []
    failed: list[PthwayError] = []
    for program, settings, because, tolerances in ways(opened, runtime, threads, device, accuracy):
        try:
            runner = start(opened, program, settings)
        except PthwayError as refusal:
            passed_over.append(f"{program.runtime} ({_reason(refusal)})")
            failed.append(refusal)
            continue
        result = verified(allowing(opened.manifest, tolerances), program, runner, records, verify)
        if result.ok:
            return Session(opened, program, runner, result, because + (f", but for {', '.join(passed_over)}" if passed_over else ""))
        failed.append(drift(opened, result))
        passed_over.append(f"{program.runtime} (other answers)")
    raise next((error for error in failed if isinstance(error, Drift)), failed[0])


def _reason(refusal: PthwayError) -> str:
    return "not installed" if isinstance(refusal, MissingDependency) else refusal.what
