"""What ``pickle.dump`` writes of tensors and modules: each storage is a legacy torch file inside a text of the pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, final

from pthway.errors import LimitExceeded, NotWeights, PthwayError, TruncatedFile
from pthway.formats import legacy, limits
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Format, Parts, Place
from pthway.formats.pickle_machine import Budget, Constructor, NeedMoreBytes, Pickled, decode, refuse_truncation
from pthway.formats.rebuild import CONSTRUCTORS
from pthway.formats.spool import spooled
from pthway.formats.tensors import StorageSpec
from pthway.formats.values import Call, Global, Opaque

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
    nested = _Nested(source)
    try:
        found = decode(content, 0, nested.constructors, _no_storage, nested.budget)
    except NeedMoreBytes as cause:
        raise refuse_truncation(cause, str(source.path)) from cause
    calls = (*found.calls, *nested.calls)
    if not nested.storages and not calls:
        raise NotWeights(
            f"{source.path} is a Python pickle (protocol {content[1]}) without tensors.",
            "It holds whatever its program put there; weights are tensors.",
            "Ask for a file written by torch.save(model.state_dict(), path).",
        )
    trailing = len(content) - found.end
    return Parts(
        format=Format.PICKLE,
        root=found.value,
        storages=nested.storages,
        places=nested.places(),
        calls=calls,
        classes=tuple(dict.fromkeys((*found.classes, *nested.classes))),
        byteorder="little",
        stem=None,
        written_by=f"pickle.dump (protocol {content[1]}), not torch.save",
        notes=(f"{trailing:,} bytes follow the end of the pickle; pickle.load ignores them.",) if trailing else (),
    )


class _Text(NamedTuple):
    """A run of bytes inside the pickle, read like a file."""

    path: Path
    content: bytes

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.content)

    def read(self, offset: int, count: int) -> bytes:
        """Exactly *count* bytes from *offset*."""
        if offset + count > len(self.content):
            raise TruncatedFile(f"A torch file inside {self.path} ends early.", "Its storage is cut off.", "Save it again.")
        return self.content[offset : offset + count]


@final
class _Nested:
    """The torch files that were met inside the pickle: their storages, and what else they hold."""

    def __init__(self, source: FileBytes) -> None:
        self.source = source
        self.budget = Budget()
        self.bytes_left = limits.MAX_NESTING * source.size
        self.depth = 0
        self.storages: dict[str, StorageSpec] = {}
        self.contents: list[bytes] = []
        self.offsets: dict[str, tuple[int, int]] = {}
        """Storage → number of the content that holds it, and where in it."""
        self.calls: list[Call] = []
        self.classes: list[Global] = []
        self.constructors: Mapping[tuple[str, str], Constructor] = {**CONSTRUCTORS, ("torch.storage", "_load_from_bytes"): self.load}

    def load(self, arguments: tuple[object, ...]) -> object:
        """What ``torch.storage._load_from_bytes`` would return: the object of the torch file in its argument."""
        (content,) = arguments
        if isinstance(content, Opaque) or not isinstance(content, bytes):
            raise ValueError("its argument is no bytes")
        self.bytes_left -= len(content)
        if self.bytes_left < 0:
            raise ValueError("one torch file is loaded again and again")
        if self.depth >= limits.MAX_NESTING:
            raise ValueError(f"torch files are nested more than {limits.MAX_NESTING} deep")
        self.depth += 1
        try:
            return self.legacy(content) if content.startswith(legacy.MAGIC) else self.pickle(content)
        except PthwayError as cause:
            raise ValueError(f"the torch file inside cannot be read: {cause.what}") from cause
        finally:
            self.depth -= 1

    def legacy(self, content: bytes) -> object:
        """The object in a legacy stream, whose storages are kept."""
        number = len(self.contents)
        self.contents.append(content)
        stream = legacy.take_apart(_Text(self.source.path, content), self.constructors, self.budget, f"{number}/")
        self.storages |= stream.storages
        self.offsets |= {key: (number, at) for key, at in stream.offsets.items()}
        return self.noted(stream.saved)

    def pickle(self, content: bytes) -> object:
        """The object in anything else, which torch would hand to pickle."""
        try:
            return self.noted(decode(content, 0, self.constructors, _no_storage, self.budget))
        except NeedMoreBytes as cause:
            raise ValueError("the torch file inside is no legacy stream, and no whole pickle") from cause

    def noted(self, found: Pickled) -> object:
        """The value, once what pickle would call and the classes are noted."""
        self.calls += found.calls
        self.classes += found.classes
        return found.value

    def places(self) -> dict[str, Place]:
        """Where the storages lie: in a temporary file, since a text in a pickle may be encoded."""
        if not self.contents:
            return {}
        spool = spooled(self.source, self.contents)
        begins, at = [], 0
        for content in self.contents:
            begins.append(at)
            at += len(content)
        return {
            key: Place(spool, begins[number] + offset, self.storages[key].nbytes, None) for key, (number, offset) in self.offsets.items()
        }


def _no_storage(identifier: object) -> object:
    raise ValueError("its storages lie outside it; if it is the data.pkl of an unzipped file, pass the folder that holds it")
