"""What torch 0.1.10 to 1.5 wrote, and later versions on request: the legacy stream."""

from pthway.formats.file_bytes import FileBytes
from pthway.formats.legacy_stream import take_apart
from pthway.formats.nested import Nested
from pthway.formats.parts import Format, Parts, Place


def read(source: FileBytes) -> Parts:
    """Take a legacy stream apart. Raises `TruncatedFile` with the missing bytes, or `CorruptFile`."""
    nested = Nested(source, source.size)
    stream = take_apart(source, nested.constructors, nested.budget)
    nested.check_beside(stream.storages)
    saved = nested.joined([stream.saved])
    trailing = source.size - stream.end
    return Parts(
        format=Format.TORCH_LEGACY,
        root=saved.value,
        storages=stream.storages | nested.storages,
        places={key: Place(source, at, stream.storages[key].nbytes, None) for key, at in stream.offsets.items()} | nested.places(),
        calls=saved.calls,
        classes=saved.classes,
        globals=saved.globals,
        byteorder="little",
        stem=None,
        written_by="torch 0.1.10 to 1.5, or later with _use_new_zipfile_serialization=False (legacy magic number)",
        notes=(f"{trailing:,} bytes follow the last storage; torch ignores them.",) if trailing else (),
        beside={f"source of {name}": text for name, text in stream.sources.items()},
    )
