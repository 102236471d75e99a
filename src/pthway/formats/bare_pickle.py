"""What ``pickle.dump`` writes of tensors and modules: each storage is a legacy torch file inside a text of the pickle."""

from typing import Final

from pthway.errors import LimitExceeded, NotWeights
from pthway.formats import limits
from pthway.formats.file_bytes import FileBytes
from pthway.formats.nested import Nested, no_storage
from pthway.formats.parts import Format, Parts
from pthway.formats.pickle_machine import NeedMoreBytes, decode, refuse_truncation

_JOBLIB: Final = b"joblib.numpy_pickle"


def read(source: FileBytes) -> Parts:
    """Take a pickle apart. Raises `NotWeights` for one that holds no tensor and calls nothing."""
    if source.size > limits.MAX_BARE_PICKLE:
        raise LimitExceeded(
            f"{source.path} is a pickle of {source.size:,} bytes.",
            f"A pickle that holds its weights as texts is decoded in memory; at most {limits.MAX_BARE_PICKLE:,} bytes are.",
            "Save it with torch.save, which keeps weights apart from the pickle.",
        )
    content = source.read(0, source.size)
    if _JOBLIB in content[: limits.SNIFF_BYTES]:
        raise NotWeights(
            f"{source.path} was written by joblib.", "It holds a scikit-learn or numpy object.", "Load it with joblib.load(path)."
        )
    protocol = str(content[1]) if content[:1] == b"\x80" else "0 or 1"
    nested = Nested(source, len(content))
    try:
        found = nested.joined([decode(content, 0, nested.constructors, no_storage, nested.budget)])
    except NeedMoreBytes as cause:
        raise refuse_truncation(cause, str(source.path)) from cause
    if not nested.storages and not found.calls:
        raise NotWeights(
            f"{source.path} is a Python pickle (protocol {protocol}) without tensors.",
            "It holds whatever its program put there; weights are tensors.",
            "Ask for a file written by torch.save(model.state_dict(), path).",
        )
    trailing = len(content) - found.end
    return Parts(
        format=Format.PICKLE,
        root=found.value,
        storages=nested.storages,
        places=nested.places(),
        calls=found.calls,
        classes=found.classes,
        globals=found.globals,
        byteorder="little",
        stem=None,
        written_by=f"pickle.dump (protocol {protocol}), not torch.save",
        notes=(f"{trailing:,} bytes follow the end of the pickle; pickle.load ignores them.",) if trailing else (),
    )
