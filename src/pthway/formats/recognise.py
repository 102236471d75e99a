"""From a file's first bytes to the reader of its format. The name of the file plays no part."""

import re
from collections.abc import Callable
from typing import Final

from pthway import _lazy
from pthway.errors import CorruptFile
from pthway.formats import legacy, legacy_stream, limits, not_weights, zip_kinds
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Parts
from pthway.formats.zip_archive import LOCAL_SIGNATURE, ends_as_archive

_LENGTH_BYTES: Final = 8
"""A safetensors header follows its length."""


def read(source: FileBytes) -> Parts:
    """Take a file apart by the reader of its format.

    Raises `NotWeights` with the name of what it is instead, `TruncatedFile`, `CorruptFile` or `LimitExceeded`.
    """
    begin = source.read(0, min(source.size, limits.SNIFF_BYTES))
    if (LOCAL_SIGNATURE.startswith(begin) or legacy_stream.MAGIC.startswith(begin)) and begin not in (LOCAL_SIGNATURE, legacy_stream.MAGIC):
        raise not_weights.beginning_cut(source)
    reader = reader_of(begin)
    if reader is None:
        raise not_weights.refusal(source, begin)
    parts = reader(source)
    if not begin.startswith(LOCAL_SIGNATURE) and ends_as_archive(source):
        raise CorruptFile(
            f"{source.path} is two files in one: {parts.format} from its beginning, and a zip archive from its end.",
            "torch reads the one and Python's zip tools, scanners among them, the other; it is not clear which one is meant.",
            "Do not use it; ask its author for a file that is only one of them.",
        )
    return parts


def reader_of(begin: bytes) -> Callable[[FileBytes], Parts] | None:
    """The reader for a file that begins so; None if there is none. What is rare is imported when it is met."""
    if begin.startswith(LOCAL_SIGNATURE):
        return zip_kinds.read
    if begin.startswith(legacy_stream.MAGIC):
        return legacy.read
    target = next((target for test, target in _RARE if test(begin)), None)
    reader: Callable[[FileBytes], Parts] | None = _lazy.load(target) if target else None
    return reader


def _is_safetensors(begin: bytes) -> bool:
    """Whether a JSON header follows its length, which is small in honest files; else the length may be a pickle's beginning."""
    return begin[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and (begin[4:_LENGTH_BYTES] == bytes(4) or not _is_pickle(begin))


def is_compressed(begin: bytes) -> bool:
    """Whether a file that begins so is one that is unpacked before it is read."""
    return begin.startswith((b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd"))


def _is_npy(begin: bytes) -> bool:
    return begin.startswith(b"\x93NUMPY")


def _is_index(begin: bytes) -> bool:
    return begin.lstrip()[:1] == b"{" and b'"weight_map"' in begin


def _is_pickle(begin: bytes) -> bool:
    return begin[:1] == b"\x80" and begin[1:2] in (b"\0", b"\1", b"\2", b"\3", b"\4", b"\5")


_OLD_PICKLE: Final = re.compile(rb"\([dl]p\d+\n|\(i[\w.]+\n[\w.]+\n|c[\w.]+\n[\w.]+\n[pq(]|[\]}]q[\0\1]")
"""Protocols 0 and 1 have no mark: a dictionary, a list, an instance or a class, remembered as every pickler does."""


def _is_old_pickle(begin: bytes) -> bool:
    return _OLD_PICKLE.match(begin) is not None


def _is_tar(begin: bytes) -> bool:
    return begin[257:262] == b"ustar" or begin[:9] == b"sys_info\0"


_RARE: Final[tuple[tuple[Callable[[bytes], bool], str], ...]] = (
    (is_compressed, "pthway.formats.compressed:read"),
    (_is_npy, "pthway.formats.numpy_arrays:read_npy"),
    (_is_safetensors, "pthway.formats.safetensors:read"),
    (_is_index, "pthway.formats.sharded:read"),
    (_is_pickle, "pthway.formats.bare_pickle:read"),
    (_is_old_pickle, "pthway.formats.bare_pickle:read"),
    (_is_tar, "pthway.formats.tar:read"),
)
"""How a file begins → the function that reads it."""
