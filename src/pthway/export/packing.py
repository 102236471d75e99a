"""Packs a model: its weights, its source, its recorded answers, and every program that gives them."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pthway import __version__
from pthway.bundle import manifest
from pthway.bundle.environment import available_cores, environment
from pthway.bundle.folder import GOLDEN, SOURCE, WEIGHTS, Bundle, open_bundle
from pthway.bundle.function_record import FUNCTIONS
from pthway.bundle.golden import NAN, Record, tolerance_for, write_records
from pthway.bundle.manifest import Architecture, Golden, Manifest, Program, Provenance
from pthway.bundle.write import drafted, finish
from pthway.data.preparation import Preparation
from pthway.data.reading import AUTO, Reading
from pthway.errors import NotExportable, PthwayError, UsageError
from pthway.export.drift import drifting
from pthway.export.functions import Named, example_of, function_records, functions_of, taken_by, written
from pthway.export.programs import MAKERS, Work, discard
from pthway.export.readme import readme
from pthway.export.reference import BATCHES, Referred, records_of, reference_of
from pthway.export.source import described
from pthway.export.suitability import require_suitable
from pthway.model import Model, load
from pthway.model.archive import load_archive
from pthway.runtime.runner import Array, Runner, Settings, start
from pthway.runtime.verification import verified
from pthway.runtime.weights import SHARED
from pthway.signature import BATCH

TIMED_SECONDS: Final = 0.3
"""For each batch size; the least of the times is kept."""
TIMED_CALLS: Final = 20
SMALL_MILLISECONDS: Final = 1.0
"""Of a call with the most samples: waking another thread takes some 0.02 ms for each layer."""


class Card(NamedTuple):
    """What is told of a bundle to people."""

    name: str
    version: str = "1"
    description: str = ""
    licence: str = ""


def pack(  # noqa: PLR0913  # what a bundle says, each by its name
    model: Model | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    example: object = None,
    card: Card | None = None,
    programs: Sequence[str] | None = None,
    preparation: Preparation | None = None,
    reading: Reading = AUTO,
    before: Named | None = None,
    after: Named | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Write *model* as a bundle, a folder or a .zip by the ending of *path*, and return it opened.

    *model* may also be the path of a TorchServe archive, whose own class is then imported, or of another file as `pthway.load` takes it
    without an architecture.

    Recorded are the answers of the network itself (eager torch, float32, evaluation mode) to *example*, a batch of inputs, or to random
    ones of its signature, made from *seed*, for 1, 2 and 8 samples. Each of *programs* (``"eager"``, ``"onnxruntime"``, …; those that the
    installed packages can make if None) is run against this record, and kept only if rounding explains every difference; why one is
    not kept is an error where it was asked for, and else stands in the manifest's notes. *card* names and describes the
    bundle, *preparation* says how images become its input or how columns are scaled, *reading* how its output is read. *before* and *after*
    are functions, or name them (``"prep.py:normalise"``), that are run around the network; their source is packed, and `Session.predict`
    imports it. *example* is then what *before* takes. *progress* is told what is done.

    Raises `NotExportable` if nothing can be recorded or no program is left, `UsageError` if *path* exists and *force* is not given, and
    `NotWritten`; nothing is left behind then.
    """
    target = Path(path).expanduser()
    card = card or Card(name_of(target))
    _require_known(programs)
    if not isinstance(model, Model):
        model = load_archive(model) or load(model)
    functions = functions_of(before, after)
    example, taken = example_of(example, model, preparation), None
    if "before" in functions and example is not None:
        taken, example = taken_by(functions["before"], example, model)
    referred = reference_of(model, example)
    require_suitable(preparation, referred.signature, prepared="before" in functions)
    progress("recording the answers of the network")
    records = records_of(referred, example, seed)
    of_functions = function_records(functions, referred, records, taken)
    with drafted(target, force=force) as draft, _torch_threads():
        _write_weights(referred.reference.module, draft / WEIGHTS)
        write_records(draft / GOLDEN, records)
        if of_functions:
            write_records(draft / FUNCTIONS, of_functions)
        architecture, notes = _architecture(model, draft / SOURCE, programs)
        stub = _manifest(model, referred, records, card, architecture, seed=None if example is not None else seed)
        stub = manifest.replaced(
            stub,
            preparation=preparation,
            reading=reading,
            functions=written(functions, draft / SOURCE),
            notes=(*referred.notes, *notes),
        )
        complete = _with_programs(stub, Work(referred, records, draft), programs, progress)
        (draft / "README.md").write_text(readme(complete), "utf-8")
        progress("writing the bundle")
        finish(draft, target, complete, force=force)
    return open_bundle(target)


def name_of(target: Path) -> str:
    """What a bundle at *target* is called unless it is told."""
    name = target.name.removesuffix(".zip").removesuffix(".bundle")
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in name).strip("._-")
    return kept or "model"


def _require_known(programs: Sequence[str] | None) -> None:
    unknown = [name for name in programs or () if name not in MAKERS]
    if unknown or (programs is not None and not programs):
        raise UsageError(
            f"There is no program for {unknown[0]!r}." if unknown else "No program is asked for.",
            f"Programs are made for {', '.join(MAKERS)}.",
            "Name some of these, or leave programs out for all that can be made here",
        )


@contextmanager
def _torch_threads() -> Iterator[None]:
    """Leave torch with as many threads as it had: eager sessions set them."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _write_weights(module: nn.Module, path: Path) -> None:
    """Write every tensor once; names that share one are listed beside it."""
    kept: dict[tuple[Any, ...], str] = {}
    tensors: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    for name, tensor in module.state_dict().items():
        if not isinstance(tensor, Tensor):
            continue
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype) if tensor.numel() else (name,)
        if place in kept:
            shared[name] = kept[place]
        else:
            kept[place] = name
            tensors[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
    save_file(tensors, path, metadata={SHARED: json.dumps(shared)} if shared else None)


def _architecture(model: Model, folder: Path, programs: Sequence[str] | None) -> tuple[Architecture | None, tuple[str, ...]]:
    """How eager torch builds the network again, or why it cannot, which is an error only if eager torch was asked for."""
    try:
        if model.architecture is None:
            raise NotExportable(
                "The model was wrapped around a live module, whose constructor arguments are not known.",
                "Eager torch builds the network again; the other programs do not need to.",
                "Load it with its class: pthway.load(path, Class)",
            )
        arguments = {name: each.value for name, each in model.arguments.items()}
        return described(model.architecture, arguments, folder), ()
    except NotExportable as refusal:
        if programs is not None and "eager" in programs:
            raise
        return None, (f"eager: {refusal.what}",)


def _manifest(
    model: Model,
    referred: Referred,
    records: Mapping[str, Record],
    card: Card,
    architecture: Architecture | None,
    *,
    seed: int | None,
) -> Manifest:
    path = getattr(model.report, "path", None)
    source = path if path is not None and path.is_file() else None
    outputs = {
        each.name: [record.outputs[each.name] for name, record in records.items() if name != NAN] for each in referred.signature.outputs
    }
    return Manifest(
        format=manifest.FORMAT,
        name=card.name,
        version=card.version,
        description=card.description,
        licence=card.licence,
        signature=referred.signature,
        preparation=None,
        reading=AUTO,
        labels=model.labels,
        functions={},
        architecture=architecture,
        programs=(),
        golden=Golden(records=tuple(records), given=seed is None, seed=seed, tolerances=tolerance_for(outputs)),
        provenance=Provenance(
            file=source.name if source is not None else None,
            sha256=_sha256(source) if source is not None else None,
            packed=datetime.now(UTC).isoformat(timespec="seconds"),
            pthway=__version__,
            environment=environment(),
        ),
        files={},
        notes=(),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _with_programs(stub: Manifest, work: Work, asked: Sequence[str] | None, progress: Callable[[str], None]) -> Manifest:
    made: list[Program] = []
    notes = list(stub.notes)
    for runtime, maker in MAKERS.items():
        if (asked is not None and runtime not in asked) or (asked is None and not maker.by_default(stub)):
            continue
        progress(f"making the program for {runtime}")
        try:
            drafted_program = maker.make(work, stub)
            made.append(_measured(Bundle(work.folder, work.folder, stub), drafted_program, work))
        except PthwayError as refusal:
            if asked is not None:
                raise
            notes.append(f"{runtime}: {refusal.what}")
    if not made:
        raise NotExportable(
            "No runtime gives the network's answers.", "; ".join(notes) or "None can be made here.", "pip install 'pthway[onnx]'"
        )
    discard(work.folder, made)
    return manifest.replaced(stub, programs=tuple(made), notes=tuple(notes))


def _measured(bundle: Bundle, program: Program, work: Work) -> Program:
    """*program* with what running it here showed. Raises `NotExportable` if it gives other answers than are recorded."""
    records = work.records
    runner = start(bundle, program, Settings(available_cores()))
    told = manifest.replaced(program, keeps_nan=False)
    result = verified(bundle.manifest, told, runner, records)
    if not result.ok or result.difference is None:
        raise NotExportable(
            f"The program for {program.runtime} gives other answers than the network: {result.deviation}; "
            f"{drifting(work, bundle, program)}",
            "What is served has to be what was trained.",
            "Use another program of the bundle",
        )
    keeps = NAN in records and verified(bundle.manifest, program, runner, {**records}).ok
    notes = () if keeps or NAN not in records else ("a NaN in the input is not one in the answer: such inputs are refused",)
    times: dict[int, float] = {
        count: _milliseconds(runner, [records[str(count)].inputs[each.name] for each in bundle.manifest.signature.inputs])
        for count in BATCHES
        if program.fixed.get(BATCH, count) == count
    }
    return manifest.replaced(
        program,
        difference=result.difference,
        keeps_nan=keeps or NAN not in records,
        milliseconds=times,
        one_thread=_one_is_enough(bundle, program, records, times),
        notes=(*program.notes, *notes),
    )


def _one_is_enough(bundle: Bundle, program: Program, records: Mapping[str, Record], times: Mapping[int, float]) -> bool:
    """Whether one thread is as fast as all at every number of samples; not tried where a call is long enough to be shared."""
    if max(times.values()) > SMALL_MILLISECONDS:
        return False
    runner = start(bundle, program, Settings(1))
    return all(
        _milliseconds(runner, [records[str(count)].inputs[each.name] for each in bundle.manifest.signature.inputs]) <= time
        for count, time in times.items()
    )


def _milliseconds(runner: Runner, inputs: Sequence[Array]) -> float:
    """The least time of a call."""
    times: list[float] = []
    end = time.perf_counter() + TIMED_SECONDS
    while not times or (len(times) < TIMED_CALLS and time.perf_counter() < end):
        begin = time.perf_counter()
        runner(inputs)
        times.append((time.perf_counter() - begin) * 1e3)
    return round(min(times), 6)
