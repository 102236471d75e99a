"""Which program wrote a zip archive, by the names of its records."""

from collections.abc import Callable, Mapping
from typing import Final

from pthway import _lazy
from pthway.errors import NotWeights
from pthway.formats import torch_zip
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Parts
from pthway.formats.torch_records import listed
from pthway.formats.zip_archive import Record, read_directory

_Records = Mapping[str, Record]


def read(source: FileBytes) -> Parts:
    """Take an archive apart by the reader of its kind. Raises `NotWeights` with the name of any other kind."""
    records = read_directory(source)
    found = {name.partition("/")[2] or name for name in records}
    for mark, target in _RARE:
        if mark in found or mark in records:
            reader: Callable[[FileBytes, _Records], Parts] = _lazy.load(target)
            return reader(source, records)
    if records and all(name.endswith(".npy") for name in records):
        arrays: Callable[[FileBytes, _Records], Parts] = _lazy.load("pthway.formats.numpy_arrays:read_npz")
        return arrays(source, records)
    if "data.pkl" in found:
        return torch_zip.read(source, records)
    for mark, kind, fix in _OTHERS:
        if any(mark in name for name in records):
            raise NotWeights(f"{source.path} is {kind}.", "pthway reads what torch, safetensors and numpy write.", fix)
    raise NotWeights(
        f"{source.path} is a zip archive, but not of weights: it holds {listed(records)}.",
        "torch.save writes a record data.pkl in one folder.",
        "Unpack it and look for the weights inside, or ask for the file that torch.save wrote.",
    )


_RARE: Final = (
    ("MAR-INF/MANIFEST.json", "pthway.formats.torchserve:read"),
    ("archive_format", "pthway.formats.exported:read"),
    ("serialized_exported_program.json", "pthway.formats.exported:read_older"),
    (".data/extern_modules", "pthway.formats.package:read"),
    ("constants.pkl", "pthway.formats.torchscript:read"),
)
"""A record, at the root or below one folder → the function that reads such archives."""

_OTHERS: Final = (
    ("model.weights.h5", "a Keras model (.keras)", "Load it with keras.saving.load_model(path)."),
    ("model.json", "a TorchScript archive of torch 1.0 or 1.1", "Load it with torch.jit.load in torch 1.2 to 2.x, and save it again."),
    ("com.apple.CoreML", "a Core ML package", "Open it with coremltools."),
    ("AndroidManifest.xml", "an Android application", "Check where the file came from."),
    ("[Content_Types].xml", "an Office document", "Check the link it was downloaded from."),
    ("variables/variables.index", "a TensorFlow SavedModel", "Unpack it, and load the folder with tensorflow.saved_model.load."),
)
"""A part of a record's name → what such an archive is, and what opens it."""
