"""What a TorchServe archive says of its network beside the weights: where its class is, and the names of its classes."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from pthway.checkpoint.checkpoint import Checkpoint
from pthway.errors import CorruptFile, UsageError
from pthway.formats.parts import Format
from pthway.formats.torchserve import LABELS, MANIFEST
from pthway.formats.values import PickledDict, is_sequence

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,6}")


class Served(NamedTuple):
    """An archive, as far as it tells how its network is built. Its code is text."""

    name: str
    version: str
    model_file: str | None
    """The record with the one class of the network; None for TorchScript, which needs none."""
    handler: str | None
    """One of TorchServe's, by its name, or a record with code."""
    labels: tuple[str, ...] | None
    """In the order of the output's columns."""
    sources: dict[str, str]
    """Path → text of every Python file."""

    def write_sources(self, folder: Path) -> None:
        """Write the Python files into an empty *folder*. Raises `CorruptFile` for names that no folder can hold together."""
        try:
            for name, text in self.sources.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text, "utf-8")
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as cause:
            raise CorruptFile(
                f"The archive has one record as a file and as a folder: {cause.filename}.", "A folder holds one of them.", "Do not use it."
            ) from cause


def served(checkpoint: Checkpoint) -> Served | None:
    """What the archive says, or None if the file is none. Raises `UsageError` for labels that name no classes."""
    parts = checkpoint.container.parts
    if parts.format is not Format.TORCHSERVE:
        return None
    manifest = parts.beside[MANIFEST]
    model = manifest.get("model") if isinstance(manifest, PickledDict) else None
    told = {str(key): value for key, value in model.pairs if isinstance(value, str)} if isinstance(model, PickledDict) else {}
    return Served(
        name=told.get("modelName", ""),
        version=told.get("modelVersion", ""),
        model_file=told.get("modelFile"),
        handler=told.get("handler"),
        labels=_labels(checkpoint.path, parts.beside[LABELS]) if LABELS in parts.beside else None,
        sources={name: text for name, text in parts.beside.items() if name.endswith(".py") and isinstance(text, str)},
    )


def _labels(path: Path, told: object) -> tuple[str, ...]:
    """The names by their index: ``{"0": "cat"}``, or ``{"0": ["n02123045", "tabby"]}`` as for ImageNet, whose last entry is the name."""
    named = {key: _name(value) for key, value in told.pairs} if isinstance(told, PickledDict) else {}
    found = {int(key): name for key, name in named.items() if isinstance(key, str) and _INDEX.fullmatch(key) and name is not None}
    if not found or len(found) != len(named) or sorted(found) != list(range(len(found))):
        raise UsageError(
            f"{LABELS} in {path} does not name the classes 0 to n−1.",
            f"It has {len(named)} entries, {len(found)} of them a number with a name.",
            "Give the names yourself: labels=[…], or --labels FILE",
        )
    return tuple(found[index] for index in range(len(found)))


def _name(value: object) -> str | None:
    last = value[-1] if is_sequence(value) and value else value
    return last if isinstance(last, str) else None
