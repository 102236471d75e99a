"""Checkpoints that are folders: an unzipped torch file, an index with its shards, and what other programs write."""

from itertools import islice
from pathlib import Path
from typing import Final

from pthway.errors import CorruptFile, LimitExceeded, NotWeights, UnreadableFile
from pthway.formats import limits, recognise
from pthway.formats.file_bytes import FileBytes
from pthway.formats.nested import Nested
from pthway.formats.parts import Format, Parts, Place
from pthway.formats.pickle_stream import Pickles
from pthway.formats.rebuild import storages
from pthway.formats.tensors import StorageSpec

_INDEX: Final = ".index.json"
_ENDINGS: Final = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pkl", ".npz")


def read(path: Path) -> tuple[FileBytes, Parts]:
    """The file that stands for the folder, and what it holds with the others.

    Raises `NotWeights` with the name of what the folder is otherwise, and what opens it.
    """
    names = _names(path)
    indexes = [name for name in names if name.endswith(_INDEX)]
    if len(indexes) == 1:
        source = FileBytes.open(path / indexes[0])
        return source, recognise.read(source)
    if "data.pkl" in names and (path / "data").is_dir():
        source = FileBytes.open(path / "data.pkl")
        return source, _unzipped(path, source)
    raise _refusal(path, names, indexes)


def _names(path: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in islice(path.iterdir(), limits.MAX_FOLDER_ENTRIES))
    except OSError as cause:
        raise UnreadableFile(f"{path} cannot be listed: {cause.strerror}.", "The system refuses it.", "Check its permissions.") from cause


def _unzipped(path: Path, source: FileBytes) -> Parts:
    """The parts of a torch zip that somebody unpacked."""
    table, persistent = storages()
    nested = Nested(source, source.size)
    pickles = Pickles(source, persistent, nested.constructors, nested.budget)
    found = nested.joined([pickles.next()])
    nested.check_beside(table)
    if pickles.position != source.size:
        raise CorruptFile(f"{source.path} goes on after its end.", "A pickle ends with its STOP.", "Save the checkpoint again.")
    if len(table) > limits.MAX_FOLDER_STORAGES:
        raise LimitExceeded(
            f"{path} is an unzipped torch file of {len(table):,} storages.",
            f"Each is a file that stays open; at most {limits.MAX_FOLDER_STORAGES} are.",
            f"Zip it again: cd {path.absolute().parent} && zip -0 -r {path.name}.pth {path.name}",
        )
    _check_byteorder(path)
    present = set(_names(path / "data"))
    return Parts(
        format=Format.UNZIPPED,
        root=found.value,
        storages=table | nested.storages,
        places={key: _place(path, spec, present) for key, spec in table.items()} | nested.places(),
        calls=found.calls,
        classes=found.classes,
        globals=found.globals,
        byteorder="little",
        stem=path.name,
        written_by="torch.save of torch 1.4 or later, and unzipped",
        notes=("An unzipped file has no checksums: damage in its numbers cannot be seen.",),
    )


def _check_byteorder(path: Path) -> None:
    if (path / "byteorder").exists():
        order = FileBytes.open(path / "byteorder")
        word = order.read(0, min(order.size, len(b"little")))
        if word != b"little":
            raise CorruptFile(f"{order.path} says {word!a}.", "An unzipped file is read in little-endian order.", "Open the zip itself.")


def _place(path: Path, spec: StorageSpec, present: set[str]) -> Place:
    where = path / "data" / spec.key
    if spec.key not in present or where.is_symlink():
        raise CorruptFile(
            f"{path} lacks the file data/{ascii(spec.key)[1:-1]}, {spec.nbytes:,} bytes that its tensors need.",
            "Part of it was not unpacked, or was replaced by a link.",
            "Unpack it again, or open the zip itself.",
        )
    if spec.nbytes == 0:
        return Place(FileBytes.open(path / "data.pkl"), 0, 0, None)
    source = FileBytes.open(where)
    if source.size != spec.nbytes:
        raise CorruptFile(
            f"{where} has {source.size:,} bytes; its tensors need {spec.nbytes:,}.",
            "Description and data do not belong together.",
            "Unpack it again, or open the zip itself.",
        )
    return Place(source, 0, spec.nbytes, None)


def _refusal(path: Path, names: list[str], indexes: list[str]) -> NotWeights:
    if len(indexes) > 1:
        return NotWeights(
            f"{path} is a folder with {len(indexes)} indexes: {', '.join(indexes)}.", "Each is a checkpoint.", "Pass one of them."
        )
    if ".metadata" in names and any(name.endswith(".distcp") for name in names):
        return NotWeights(
            f"{path} is a folder of torch.distributed.checkpoint (DCP, FSDP): {sum(n.endswith('.distcp') for n in names)} files of shards.",
            "Tensors are cut into pieces across the files.",
            f"Put them together: python -m torch.distributed.checkpoint.format_utils dcp_to_torch {path} OUT.pth",
        )
    if "zero_to_fp32.py" in names or any("zero_pp_rank_" in name or name.endswith("_model_states.pt") for name in names):
        return NotWeights(
            f"{path} is a folder of a DeepSpeed checkpoint.",
            "Tensors are cut into pieces across the files, one of each process.",
            "Put them together with DeepSpeed: python zero_to_fp32.py . OUT.pth",
        )
    if "saved_model.pb" in names:
        return NotWeights(
            f"{path} is a folder of a TensorFlow SavedModel.", "It holds a program and its variables.", "Open it with tensorflow."
        )
    found = [name for name in names if name.endswith(_ENDINGS)]
    return NotWeights(
        f"{path} is a folder.",
        f"It may hold weights: {', '.join(ascii(name)[1:-1] for name in found[:4])}."
        if found
        else "It holds no file that looks like weights.",
        f"Pass the file: {path / found[0]}" if found else "Pass a file.",
    )
