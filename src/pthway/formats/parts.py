"""What the reader of each format finds in a file."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

from pthway.formats.file_bytes import FileBytes
from pthway.formats.tensors import StorageSpec
from pthway.formats.values import Call, Global
from pthway.formats.zip_archive import Record


class Format(StrEnum):
    """Kinds of file that are read."""

    TORCH_ZIP = "torch zip"
    """``torch.save`` since 1.6."""
    TORCH_LEGACY = "torch legacy stream"
    """``torch.save`` of 0.1.10 to 1.5, and later with ``_use_new_zipfile_serialization=False``."""
    TORCH_TAR = "torch tar"
    """``torch.save`` up to 0.1.9."""
    UNZIPPED = "unzipped torch file"
    """The folder that unzipping a torch zip leaves."""
    SHARDED = "sharded checkpoint"
    """Several files, with an index in JSON."""
    PICKLE = "bare pickle"
    """``pickle.dump`` of tensors or a module: each storage is a small torch file inside the pickle."""
    TORCHSCRIPT = "TorchScript"
    """``torch.jit.save``: weights, and the program as text."""
    EXPORTED = "exported program (.pt2)"
    """``torch.export.save``: weights, and the program as a graph."""
    PACKAGE = "torch.package"
    """``torch.package``: pickles, and the sources of their classes."""
    TORCHSERVE = "TorchServe archive (.mar)"
    """``torch-model-archiver``: a weights file, the source of its class, labels and a handler."""
    SAFETENSORS = "safetensors"
    """A JSON header, then the bytes of every tensor."""
    NPZ = "numpy archive"
    """``numpy.savez``, compressed or not."""
    NPY = "numpy array"
    """``numpy.save``: one array without a name."""


class Place(NamedTuple):
    """Where the bytes of a storage lie."""

    source: FileBytes
    """The file that holds them: the one that was opened, what was unpacked from it, or one of its shards."""
    offset: int
    size: int
    """Bytes in the file."""
    record: Record | None
    """The zip record that holds them, with its checksum; other formats have none."""


class Parts(NamedTuple):
    """A file taken apart."""

    format: Format
    root: object
    """The saved object as inert values and tensor specs."""
    storages: Mapping[str, StorageSpec]
    """Those that tensors refer to, by key."""
    places: Mapping[str, Place]
    calls: tuple[Call, ...]
    classes: tuple[Global, ...]
    byteorder: Literal["little", "big"]
    stem: str | None
    """Name of the file when it was saved, without its extension, where the format keeps it."""
    written_by: str
    """The program, or the range of torch versions, that writes such a file, with the evidence."""
    notes: tuple[str, ...]
    """What is unusual, each a sentence."""
    globals: tuple[Global, ...] = ()
    """Every class and function that the file names, as it stands there."""
    beside: Mapping[str, object] = MappingProxyType({})
    """What the file says beside the saved object, by name: metadata, settings, source code. Inert values like *root*."""
