"""The architecture of weights in a folder of source code: found without running it, then imported."""

from pathlib import Path

from pthway.architecture.match import Architecture
from pthway.architecture.resolve import resolve_in
from pthway.architecture.source.decision import decide
from pthway.architecture.source.finding import find
from pthway.architecture.source.ranking import Sought
from pthway.architecture.source.reasons import spelling
from pthway.checkpoint import Checkpoint, StateDict


def sought(checkpoint: Checkpoint, state: StateDict, folder: Path) -> Architecture:
    """The one class in *folder* that fits *state*. Raises `ArchitectureNotFound`, or `AmbiguousArchitecture` with the candidates."""
    found = find([folder], Sought(state.tensors, tuple(state.metadata or ()), state.module))
    return resolve_in([folder], spelling(decide(found, checkpoint.path, str(folder))))
