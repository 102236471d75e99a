"""What ``torch.package`` writes: pickles with their storages, beside the Python sources that their classes come from."""

from collections.abc import Mapping

from pthway.errors import NotWeights
from pthway.formats import limits, torch_records
from pthway.formats.file_bytes import FileBytes
from pthway.formats.nested import Nested
from pthway.formats.parts import Format, Parts
from pthway.formats.rebuild import storages
from pthway.formats.values import PickledDict
from pthway.formats.zip_archive import Record, read_record


def read(source: FileBytes, records: Mapping[str, Record]) -> Parts:
    """Take a package apart. Its sources are shown as text, and never imported."""
    root = torch_records.root_folder(source, records)
    table, persistent = storages()
    inside = {name.removeprefix(f"{root}/"): name for name in records if not name.startswith(f"{root}/.data/")}
    names = {short: name for short, name in inside.items() if name.endswith(".pkl")}
    nested = Nested(source, sum(records[name].size for name in names.values()))
    pickles = {short: torch_records.unpickled(source, records, name, persistent, nested) for short, name in names.items()}
    if not pickles:
        raise NotWeights(
            f"{source.path} is a torch.package without pickles: it holds {torch_records.listed(inside)}.",
            "Weights are in records that end in .pkl.",
            "Open it with torch.package.PackageImporter(path), if you trust its author.",
        )
    code = [short for short in inside if short.endswith(".py")]
    total = sum(records[inside[short]].size for short in code)
    if total > limits.MAX_CODE_BYTES:
        raise torch_records.too_large(source, "its sources", total, limits.MAX_CODE_BYTES)
    python = records.get(f"{root}/.data/python_version")
    version = read_record(source, python, torch_records.SMALL).decode("ascii", "replace") if python else "of unknown version"
    only = next(iter(pickles.values()))
    byteorder = torch_records.byteorder(source, records, root)
    nested.check_beside(table, byteorder)
    everything = nested.joined(pickles.values())
    places = {key: torch_records.place(source, records, f"{root}/.data/{key}.storage", spec) for key, spec in table.items()}
    return Parts(
        format=Format.PACKAGE,
        root=only.value if len(pickles) == 1 else PickledDict(pairs=[(short, found.value) for short, found in pickles.items()]),
        storages=table | nested.storages,
        places=places | nested.places(),
        calls=everything.calls,
        classes=everything.classes,
        globals=everything.globals,
        byteorder=byteorder,
        stem=root,
        written_by=f"torch.package under Python {ascii(version)[1:-1]} (record .data/python_version)",
        notes=("It carries the sources of its classes; torch.package.PackageImporter would run them.",),
        beside={short: read_record(source, records[inside[short]], total).decode("utf-8", "replace") for short in code},
    )
