"""A TorchServe archive as a live model: the class in it is the user's own code, and is imported here and nowhere else."""

import shutil
import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any
from weakref import finalize

from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.torchserve import Served, served
from pthway.errors import ArchitectureNotFound
from pthway.model.loading import load
from pthway.model.model import Model


def load_archive(
    path: str | PathLike[str], *, labels: Sequence[str] | None = None, weights: str | None = None, **arguments: Any
) -> Model | None:
    """The network of a .mar archive, built by the class in it and with its labels; None for any other file.

    The Python files of the archive are written to a temporary folder, which goes with the model, and the one class of its model file is
    imported: **that runs code of the archive**. Its handler is not run. Otherwise as `pthway.load`. Raises `ArchitectureNotFound` if
    the archive names no model file.
    """
    archive = served(open_checkpoint(path))
    if archive is None:
        return None
    if archive.model_file is None:
        raise ArchitectureNotFound(
            f"{path} is a TorchServe archive without the source of its class.",
            "Its manifest names no modelFile: its weights are a TorchScript program, or its handler builds the network.",
            "Name the class: --arch model.py:Name",
        )
    return _loaded(Path(path), archive, archive.model_file, labels, weights, arguments)


def _loaded(
    path: Path, archive: Served, model_file: str, labels: Sequence[str] | None, weights: str | None, arguments: dict[str, Any]
) -> Model:
    folder = Path(tempfile.mkdtemp(prefix="pthway-mar-"))
    try:
        archive.write_sources(folder)
        model = load(path, str(folder / model_file), weights=weights, labels=labels or archive.labels, **arguments)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finalize(model, shutil.rmtree, folder, ignore_errors=True)
    return model
