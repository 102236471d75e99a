"""Model archives of TorchServe (.mar): a weights file, the source of its class, its labels, and a handler. None of the code is run."""

from collections.abc import Mapping
from typing import Final

from pthway.errors import NotWeights
from pthway.formats import limits, recognise, torch_records
from pthway.formats.file_bytes import FileBytes
from pthway.formats.json_text import parse
from pthway.formats.parts import Format, Parts
from pthway.formats.spool import spooled
from pthway.formats.values import PickledDict
from pthway.formats.zip_archive import LOCAL_SIGNATURE, Record, corrupt, read_directory, read_record, unpacked

MANIFEST: Final = "MAR-INF/MANIFEST.json"
LABELS: Final = "index_to_name.json"
MAX_JSON: Final = 16 * limits.MIB
"""The names of a hundred thousand classes fit."""


def read(source: FileBytes, records: Mapping[str, Record]) -> Parts:
    """Take the weights in an archive apart; what lies beside them is text. Raises `NotWeights` for an archive of code alone."""
    manifest, model = _manifest(source, records)
    weights = model.get("serializedFile")
    if not isinstance(weights, str):
        raise NotWeights(
            f"{source.path} is a TorchServe archive without weights: it holds {torch_records.listed(records)}.",
            f"Its {MANIFEST} names no serializedFile; the handler makes the network itself.",
            "Ask for the weights file that its handler loads.",
        )
    inside = spooled(source, (bytes(chunk) for chunk in unpacked(source, _named(source, records, weights, "serializedFile"))))
    parts = recognise.read(_one_file(inside))
    beside: dict[str, object] = {MANIFEST: manifest}
    if LABELS in records:
        beside[LABELS] = _json(source, records, LABELS)
    told = f"Its weights are the record {weights!a}: {parts.format}."
    return parts._replace(
        format=Format.TORCHSERVE,
        written_by=f"torch-model-archiver {_shown(manifest.get('archiverVersion'))}; the weights in it by {parts.written_by}",
        notes=(told, *_of_the_code(source, records, model), *parts.notes),
        beside={**parts.beside, **beside, **_sources(source, records)},
    )


def _manifest(source: FileBytes, records: Mapping[str, Record]) -> tuple[PickledDict, PickledDict]:
    manifest = _json(source, records, MANIFEST)
    model = manifest.get("model") if isinstance(manifest, PickledDict) else None
    if not isinstance(manifest, PickledDict) or not isinstance(model, PickledDict):
        raise corrupt(source, f"has a {MANIFEST} that tells of no model")
    return manifest, model


def _json(source: FileBytes, records: Mapping[str, Record], name: str) -> object:
    return parse(read_record(source, records[name], MAX_JSON), f"The record {name} of {source.path}")


def _named(source: FileBytes, records: Mapping[str, Record], name: str, field: str) -> Record:
    if name not in records:
        raise corrupt(source, f"lacks the record {name!a}, which its {MANIFEST} names as {field}")
    return records[name]


def _one_file(inside: FileBytes) -> FileBytes:
    """Refuse archives in archives: each could hold the next one, without end."""
    begin = inside.read(0, min(inside.size, limits.SNIFF_BYTES))
    if recognise.is_compressed(begin) or (begin.startswith(LOCAL_SIGNATURE) and MANIFEST in read_directory(inside)):
        raise NotWeights(
            f"The weights in {inside.path} are an archive themselves, or compressed.",
            "TorchServe gives its serializedFile to torch.load.",
            "Unpack it, and name the weights file.",
        )
    return inside


def _of_the_code(source: FileBytes, records: Mapping[str, Record], model: PickledDict) -> tuple[str, ...]:
    """What would run where the archive is served."""
    notes = []
    handler, architecture = model.get("handler"), model.get("modelFile")
    if isinstance(architecture, str):
        _named(source, records, architecture, "modelFile")
        notes.append(f"Its class is in {architecture!a}, which is shown as text and run by pthway pack alone.")
    if isinstance(handler, str):
        own = "its own code" if handler.partition(":")[0] in records else "one of TorchServe's"
        notes.append(f"TorchServe calls it by the handler {handler!a}, {own}; pthway never does.")
    return tuple(notes)


def _sources(source: FileBytes, records: Mapping[str, Record]) -> dict[str, str]:
    names = [name for name in records if name.endswith(".py")]
    total = sum(records[name].size for name in names)
    if total > limits.MAX_CODE_BYTES:
        raise torch_records.too_large(source, "its code", total, limits.MAX_CODE_BYTES)
    return {name: read_record(source, records[name], total).decode("utf-8", "replace") for name in names}


def _shown(value: object) -> str:
    return ascii(value)[1:-1][:20] if isinstance(value, str) else "of an unknown release"
