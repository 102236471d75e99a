"""From a file and an architecture to a model: the way of a deployment script, in one call."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from torch import nn

from pthway import _lazy
from pthway.architecture.build import build
from pthway.architecture.hugging_face import CONFIG, weights_of
from pthway.architecture.match import Architecture, Match
from pthway.architecture.resolve import resolve
from pthway.architecture.solve import solve, solve_nearest
from pthway.checkpoint import Checkpoint, StateDict, open_checkpoint
from pthway.checkpoint.checkpoint import ambiguous
from pthway.checkpoint.collector import collector_paused
from pthway.checkpoint.prefixes import readings, renamed_by_user
from pthway.checkpoint.safety import Verdict, refusal
from pthway.checkpoint.soundness import NonFinite, non_finite
from pthway.checkpoint.torch_tensors import tensors
from pthway.errors import Mismatch, PthwayWarning
from pthway.model.assemble import Assembly, assemble
from pthway.model.known import hinted, known, meant
from pthway.model.model import Model


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What loading did with every key of the file and of the module."""

    path: Path
    weights: StateDict
    """Which state dict was taken; its `renames` and `left_out` say what was done to its keys."""
    others: Mapping[str, str]
    """State dicts and data of the file that were left out, each with the reason."""
    match: Match
    assembly: Assembly
    non_finite: Mapping[str, NonFinite]
    """Tensors with NaN or infinity."""
    plainly: str | None
    """Why the module was built with real parameters first, which costs time and memory; None in the normal case."""

    def __str__(self) -> str:
        lines = [f"{len(self.weights.tensors)} tensors of {self.path} ({self.weights.path or 'the whole file'})"]
        lines += [f"renamed: {rule}" for rule in self.weights.renames]
        lines += [f"left out: {key} ({reason})" for key, reason in {**(self.weights.left_out or {}), **self.others}.items()]
        lines += [f"absent from the file: {key} ({reason})" for key, reason in self.match.difference.tolerated.items()]
        lines += str(self.assembly).splitlines()
        lines += [f"not finite: {name} holds {found}" for name, found in self.non_finite.items()]
        return "\n".join(lines + [f"built with real parameters: {self.plainly}"] * (self.plainly is not None))


@collector_paused
def load(
    path: str | os.PathLike[str],
    architecture: str | Path | Callable[..., nn.Module] | None = None,
    /,
    *,
    weights: str | None = None,
    strict: bool = True,
    rename: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    **arguments: Any,
) -> Model:
    """The network of *architecture* with the weights of *path*, in evaluation mode, ready to predict.

    *architecture* is a class, a factory function, ``"file.py:Name"``, ``"package.module:Name"``, a network of torchvision or timm
    (``"timm:resnet18"``), or a folder: then the one class in its Python files that fits is found without running them, and only its
    file is imported. Without one, a ``config.json`` beside the weights tells, as Hugging Face writes it (*path* may be that folder),
    or else the index of networks does (`pthway.identify`), where one network alone has these weights. Constructor *arguments* that
    are left out are solved from the weights, those that the file stores (``hyper_parameters``, ``args``, ``config``) tried first;
    ``model.arguments`` says of each where its value came from. *weights* chooses among
    several state dicts (``"ema"``, ``"raw"`` or a path in the file), *rename* maps names of the file to the architecture's
    (``{"old": "new"}``, or ``{"old.": "new."}`` for all below), *labels* names the classes of the output. With
    ``strict=False`` what fits is loaded, and ``model.report`` lists the rest. An architecture whose own arguments have one of these
    names is passed as a `functools.partial`.

    Nothing in the file is executed, and its bytes are mapped rather than copied where their type is the class's. Raises the
    errors of `pthway.open`; `AmbiguousArchitecture` when several classes of a folder fit, or several networks share the weights;
    `AmbiguousWeights` when several state dicts fit; `UnsafeFile` when unpickling the file would run code; without an architecture
    `WholeModule` or `ArchitectureNotFound`; `MissingDependency` when the library of a network is not installed; `Mismatch` with the
    cause when nothing fits; `UnsolvedArguments` when the weights do not settle an argument. Warns (`PthwayWarning`) of NaN or
    infinity in the weights.

    >>> model = pthway.load("simple_mlp.pth", SimpleMLP)
    >>> model.predict(x).label
    """
    checkpoint = open_checkpoint(weights_of(Path(path)) if architecture is None and (Path(path) / CONFIG).is_file() else path)
    if checkpoint.safety.verdict is Verdict.RUNS_CODE:
        raise refusal(checkpoint.path, checkpoint.safety)
    candidates = checkpoint.named(weights) if weights is not None else checkpoint.state_dicts or (checkpoint.choose(),)
    renamed: Sequence[StateDict] = [renamed_by_user(state, rename or {}) for state in candidates]
    if architecture is None:
        recognised, renamed = known(checkpoint, renamed)
    else:
        named = _sought(checkpoint, renamed[0], Path(architecture)) if _is_folder(architecture) else resolve(architecture)
        recognised, renamed = hinted(named, checkpoint, renamed, arguments)
    found = recognised.architecture
    state, match = _fit(checkpoint, renamed, found, {**recognised.arguments, **arguments}, solve if strict else solve_nearest)
    match = recognised.explained(match)
    sound = non_finite(checkpoint.container, state.tensors)
    built = build(found, match.call)
    assembly = assemble(
        built.module,
        tensors(checkpoint.container, state.tensors),
        state.metadata,
        fresh=None if strict else lambda: found.factory(**match.call),
    )
    others = {other.path: f"other weights: {len(other.tensors)} tensors" for other in checkpoint.state_dicts if other.path != state.path}
    others |= dict.fromkeys(checkpoint.extras, "no weights")
    report = LoadReport(checkpoint.path, state, others, match, assembly, sound, built.plainly)
    if sound:
        _warn(checkpoint.path, sound)
    return Model(built.module, arguments=match.arguments, labels=labels, report=report, architecture=match.architecture)


def _fit(
    checkpoint: Checkpoint,
    candidates: Sequence[StateDict],
    architecture: Architecture,
    arguments: Mapping[str, object],
    solver: Callable[[Architecture, Mapping[str, Any], Mapping[str, object], Mapping[str, object]], Match],
) -> tuple[StateDict, Match]:
    """The one state dict that fits, with its match. Raises `AmbiguousWeights` if several do, and the first `Mismatch` if none."""
    fits: list[tuple[StateDict, Match]] = []
    failures: list[Mismatch] = []
    for state in candidates:
        for reading in readings(state):
            try:
                fits.append((reading, solver(architecture, reading.tensors, arguments, checkpoint.extras)))
            except Mismatch as failure:
                failures.append(failure)
            else:
                break
    if not fits:
        raise meant(failures[0], checkpoint, candidates, architecture)
    if len(fits) > 1:
        raise ambiguous(checkpoint.path, tuple(state for state, _ in fits))
    return fits[0]


def _is_folder(architecture: object) -> TypeGuard[str | Path]:
    return isinstance(architecture, str | Path) and Path(architecture).expanduser().is_dir()


def _sought(checkpoint: Checkpoint, state: StateDict, folder: Path) -> Architecture:
    """The class in *folder* that fits; only then is its file imported."""
    sought: Callable[[Checkpoint, StateDict, Path], Architecture] = _lazy.load("pthway.model.sought:sought")
    return sought(checkpoint, state, folder.expanduser())


def _warn(path: Path, sound: Mapping[str, NonFinite]) -> None:
    shown = "; ".join(f"{name} holds {found}" for name, found in list(sound.items())[:3])
    more = f" and {len(sound) - 3} more" if len(sound) > 3 else ""  # noqa: PLR2004  # names shown
    warnings.warn(f"The weights of {path} are not all finite: {shown}{more}. Answers will be NaN.", PthwayWarning, stacklevel=3)
