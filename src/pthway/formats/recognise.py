"""From a file's first bytes to the reader of its format. The name of the file plays no part."""

from collections.abc import Callable
from typing import Final

from pthway import _lazy
from pthway.formats import legacy, limits, not_weights, zip_kinds
from pthway.formats.file_bytes import FileBytes
from pthway.formats.parts import Parts
from pthway.formats.zip_archive import LOCAL_SIGNATURE

_SAFETENSORS_LEAST: Final = 8
"""A safetensors header follows the eight bytes of its length."""


def read(source: FileBytes) -> Parts:
    """Take a file apart by the reader of its format.

    Raises `NotWeights` with the name of what it is instead, `TruncatedFile`, `CorruptFile` or `LimitExceeded`.
    """
    begin = source.read(0, min(source.size, limits.SNIFF_BYTES))
    reader = reader_of(begin)
    if reader is not None:
        return reader(source)
    if LOCAL_SIGNATURE.startswith(begin) or legacy.MAGIC.startswith(begin):
        raise not_weights.beginning_cut(source)
    raise not_weights.refusal(source, begin)


def reader_of(begin: bytes) -> Callable[[FileBytes], Parts] | None:
    """The reader for a file that begins so; None if there is none. What is rare is imported when it is met."""
    if begin.startswith(LOCAL_SIGNATURE):
        return zip_kinds.read
    if begin.startswith(legacy.MAGIC):
        return legacy.read
    target = next((target for test, target in _RARE if test(begin)), None)
    reader: Callable[[FileBytes], Parts] | None = _lazy.load(target) if target else None
    return reader


def _is_safetensors(begin: bytes) -> bool:
    return begin[_SAFETENSORS_LEAST : _SAFETENSORS_LEAST + 1] == b"{"


def is_compressed(begin: bytes) -> bool:
    """Whether a file that begins so is one that is unpacked before it is read."""
    return begin.startswith((b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh"))


def _is_npy(begin: bytes) -> bool:
    return begin.startswith(b"\x93NUMPY")


_RARE: Final[tuple[tuple[Callable[[bytes], bool], str], ...]] = (
    (is_compressed, "pthway.formats.compressed:read"),
    (_is_npy, "pthway.formats.numpy_arrays:read_npy"),
    (_is_safetensors, "pthway.formats.safetensors:read"),
)
"""How a file begins → the function that reads it."""
