"""The architecture of weights that come without one: what the configuration beside them names, or a network of the index."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pthway.architecture.hugging_face import configured, renaming
from pthway.architecture.match import Architecture, Argument, Match, Origin
from pthway.architecture.resolve import resolve
from pthway.architecture.zoo.classes import Classed
from pthway.architecture.zoo.library import LIBRARIES, installed
from pthway.architecture.zoo.lookup import Reading
from pthway.architecture.zoo.sizes import CHANNELS, CLASSES
from pthway.architecture.zoo.words import separations, spelling
from pthway.checkpoint import Checkpoint, StateDict
from pthway.checkpoint.checkpoint import ambiguous
from pthway.checkpoint.state_dicts import Rename
from pthway.errors import AmbiguousArchitecture, ArchitectureNotFound, Mismatch, MissingDependency, WholeModule
from pthway.identification import Identity, identity
from pthway.model.undecided import settled_by, undecided

_LETTERS = {"num_classes": CLASSES, "in_chans": CHANNELS}


@dataclass(frozen=True, slots=True)
class Known:
    """An architecture with arguments that are known beforehand."""

    architecture: Architecture
    arguments: Mapping[str, object]
    because: Mapping[str, str]
    """The evidence for each argument, in words."""

    def explained(self, match: Match) -> Match:
        """Return *match* with this evidence for the arguments that were known."""
        told = {
            name: Argument(name, argument.value, Origin.SOLVED, determined=True, because=self.because[name])
            if name in self.because and argument.value == self.arguments[name]
            else argument
            for name, argument in match.arguments.items()
        }
        return replace(match, arguments=told)


def known(checkpoint: Checkpoint, candidates: Sequence[StateDict]) -> tuple[Known, Sequence[StateDict]]:
    """Return the architecture of a checkpoint for which none was given, and the state dicts that may be its weights.

    Raises `WholeModule` for a pickled module, `AmbiguousArchitecture` where several networks have these weights, `AmbiguousWeights`
    where several state dicts are networks, `MissingDependency` if the library is not installed, and `ArchitectureNotFound` with the nearest
    relative where there is no such network.
    """
    beside = configured(checkpoint.path)
    if beside is not None:
        because = dict.fromkeys(beside.arguments, "config.json says so")
        return Known(beside.architecture, beside.arguments, because), [_renamed(state, beside.named) for state in candidates]
    found = [identity(checkpoint, state) for state in candidates]
    if candidates[0].module:
        raise _whole_module(checkpoint.path, candidates[0].module, found[0])
    recognised = [each for each in found if each.recognised]
    if not recognised:
        raise _unknown(checkpoint.path, found[0])
    if len(recognised) > 1:
        raise ambiguous(checkpoint.path, tuple(each.weights for each in recognised))
    if recognised[0].classes:
        raise undecided(recognised[0])
    return _of_index(recognised[0]), [recognised[0].weights]


def _renamed(state: StateDict, named: Callable[[str], str]) -> StateDict:
    count = sum(named(name) != name for name in state.tensors)
    return state.renamed(named, Rename("", count, "the library has other names for them today")) if count else state


def _without(state: StateDict, found: Classed) -> StateDict:
    """Return *state* without the buffers that only older releases of the library save."""
    if not found.left_out:
        return state
    kept = {name: tensor for name, tensor in state.tensors.items() if name not in found.left_out}
    reasons = dict.fromkeys(found.left_out, "a buffer that the installed release computes")
    return state._replace(tensors=kept, keys={name: state.keys[name] for name in kept}, left_out={**(state.left_out or {}), **reasons})


def hinted(
    architecture: Architecture, checkpoint: Checkpoint, candidates: Sequence[StateDict], given: Mapping[str, object]
) -> tuple[Known, Sequence[StateDict]]:
    """Return *architecture* with the arguments that the weights show, and the state dicts, where it is a network of the index.

    Raises `UnsolvedArguments` for a class of transformers with settings that neither the weights show nor *given* has.
    """
    library, _, name = architecture.name.partition(":")
    for state in candidates if library in LIBRARIES else ():
        found = identity(checkpoint, state)
        for reading in found.exact.readings:
            if reading.row.spelling == architecture.name and reading.buildable:
                return Known(architecture, reading.arguments, _because(reading)), candidates
        for each in found.classes:
            if any(member.name == name for member in each.members):
                settled = Known(architecture, *settled_by(architecture, each, given))
                return settled, [_renamed(_without(found.weights, each), renaming(architecture, {**settled.arguments, **given}))]
    return Known(architecture, {}, {}), candidates


def meant(failure: Mismatch, checkpoint: Checkpoint, candidates: Sequence[StateDict], architecture: Architecture) -> Mismatch:
    """Return *failure* with the network of the index that the weights belong to, if there is one and it is another than was named."""
    for state in candidates:
        found = identity(checkpoint, state)
        if found.recognised and architecture.name not in found.names:
            names = " or ".join(found.names[:3])
            return Mismatch(failure.what, f"these are the weights of {names}\n       {failure.why}", f"{found.call}, or: {failure.fix}")
    return failure


def _of_index(found: Identity) -> Known:
    if not found.certain:
        raise AmbiguousArchitecture(
            f"{found.path} has the weights of {len(found.exact.networks)} networks, which give different answers.",
            f"Names and shapes are the same in all of them:\n       {separations(found.index, found.exact)}",
            f"Name the one that it was trained as: {found.call}",
        )
    buildable = [reading for reading in found.exact.readings if reading.buildable]
    if not buildable:
        reading = found.exact.readings[0]
        raise ArchitectureNotFound(
            f"{found.path} is {spelling(reading)} for {reading.channels} input channels.",
            f"{reading.row.library} builds it for 3 and has no argument for another number.",
            "Pass a function that builds it and replaces the first layer: pthway.load(path, build)",
        )
    ready = [reading for reading in buildable if installed(reading.row.library)]
    if not ready:
        libraries = sorted({reading.row.library for reading in buildable})
        raise MissingDependency(
            f"{found.path} is {spelling(buildable[0])}, and {' or '.join(libraries)} is not installed.",
            "The weights are recognised without the library; it is needed to build the network.",
            f"pip install {libraries[0]}",
        )
    return Known(resolve(ready[0].row.spelling), ready[0].arguments, _because(ready[0]))


def _because(reading: Reading) -> dict[str, str]:
    """Return what shows each argument; those of a variant, such as an auxiliary head, show in the names of the weights."""
    shown = {name: f"{reading.evidence[letter]} is {name}" for name, letter in _LETTERS.items() if letter in reading.evidence}
    return {name: shown.get(name, "the names of the weights show it") for name in reading.arguments}


def _whole_module(path: Path, named: str, found: Identity) -> WholeModule:
    module, _, name = named.rpartition(".")
    same = f' or pthway.load("{path}", "{found.names[0]}"), which has the same weights;' if found.certain else ""
    return WholeModule(
        f"{path} is a whole pickled module of class {module}.{name}.",
        "The pickle names the class but does not hold its code; its weights can be read without it.",
        f'pthway.load("{path}", {name}) with the class imported, or "file.py:{name}";{same} the weights alone: pthway.open("{path}")',
    )


def _unknown(path: Path, found: Identity) -> ArchitectureNotFound:
    lines = [f"{label} {text}" if label else text for label, text in found.facts()[1:]]
    return ArchitectureNotFound(
        f"No architecture was given for {path}, and it is no network of the index.",
        "A file of weights holds names and numbers, not the network that they belong to.\n       " + "\n       ".join(lines),
        f'pthway.load("{path}", MyNetwork), or "model.py:MyNetwork"; see the names first: pthway inspect {path}',
    )
