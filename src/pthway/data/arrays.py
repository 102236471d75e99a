"""numpy's own files: .npy and .npz, read without pickles and with every declared size checked before it is believed."""

import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pthway.data.limits import NPY_DIMENSIONS, NPY_HEADER_BYTES, NPZ_INFLATED_BYTES, NPZ_MEMBERS
from pthway.data.source import CHUNK, Source
from pthway.errors import InputRefused, LimitExceeded

Array = npt.NDArray[Any]

NUMERIC: Final = frozenset(
    {
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    }
)
HEADER_READERS: Final = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
BAD_HEADER: Final = (
    *(ValueError, TypeError, SyntaxError, KeyError, IndexError, OverflowError, MemoryError, RecursionError),
    tokenize.TokenError,
)
"""What numpy raises while it parses a header as Python text; the last from its second attempt, for headers of Python 2."""
DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, ValueError, OSError)
SAVE_AGAIN: Final = "numpy.save(path, array.astype('float32'))"
ENCRYPTED: Final = 0x1


def read_npy(source: Source) -> Array:
    """Return the array of a .npy file, in this machine's byte order, over the file's own bytes.

    Raises `InputRefused` if it holds objects, text or records, or if its header does not agree with the size of the file.
    """
    stream = io.BytesIO(memoryview(source.data)[: NPY_HEADER_BYTES + 16])
    shape, fortran, dtype = _read_header(stream, source.name)
    if dtype.hasobject:
        raise InputRefused(
            f"{source.name} holds Python objects (type {dtype}).",
            "Objects are stored as a pickle, which can run code when it is read; only numbers are.",
            SAVE_AGAIN,
        )
    if dtype.name not in NUMERIC:
        raise InputRefused(f"{source.name} holds the type {dtype}.", f"Networks take {', '.join(sorted(NUMERIC))}.", SAVE_AGAIN)
    declared, present = math.prod(shape) * dtype.itemsize, len(source.data) - stream.tell()
    if declared != present or len(shape) > NPY_DIMENSIONS or any(not 0 <= side < 1 << 62 for side in shape):
        raise InputRefused(
            f"{source.name} declares the shape {shape} of {dtype}, {declared:,} bytes, and holds {present:,}.",
            "The header and the numbers of a .npy file agree to the byte" + (": it is cut short." if present < declared else "."),
            "Copy or save the file again.",
        )
    if not declared:
        raise InputRefused(f"{source.name} has the shape {shape}.", "An input has at least one number.", "Check what was to be saved.")
    flat = np.frombuffer(source.data, dtype=np.uint8 if dtype.kind == "b" else dtype, offset=stream.tell())
    native = flat != 0 if dtype.kind == "b" else flat.astype(dtype.newbyteorder("="), copy=False)
    return native.reshape(shape, order="F" if fortran else "C")


def _read_header(stream: io.BytesIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        if version not in HEADER_READERS:
            raise InputRefused(f"{name} has the .npy version {version}.", "Versions 1.0 and 2.0 hold plain numbers.", SAVE_AGAIN)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # numpy's, of headers that Python 2 wrote: they are read all the same
            shape, fortran, dtype = HEADER_READERS[version](stream, max_header_size=NPY_HEADER_BYTES)
    except InputRefused:
        raise
    except BAD_HEADER as cause:
        raise InputRefused(f"{name} has a .npy header that does not read.", f"numpy says: {cause}", "Copy or save it again.") from cause
    return shape, fortran, dtype


def read_npz(source: Source) -> Mapping[str, Array]:
    """Return the arrays of a .npz file by their names.

    Raises `InputRefused` for damage and for members that are no plain arrays, `LimitExceeded` if it would unfold beyond the limit.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            members = archive.infolist()
            _check_members(source, members)
            return {
                info.filename.removesuffix(".npy"): read_npy(Source(f"{source.name}, {info.filename}", _unfold(archive, info)))
                for info in members
            }
    except (InputRefused, LimitExceeded):
        raise
    except DAMAGE as cause:
        raise InputRefused(
            f"{source.name} is a damaged .npz file.", f"Its zip structure says: {cause}", "Copy or save it again."
        ) from cause


def _check_members(source: Source, members: list[zipfile.ZipInfo]) -> None:
    if not members:
        raise InputRefused(f"{source.name} is an archive without arrays.", "A .npz file holds at least one.", "numpy.savez(path, array)")
    foreign = [info.filename for info in members if not info.filename.endswith(".npy")]
    if foreign:
        weights = any(name.endswith("data.pkl") for name in foreign)
        raise InputRefused(
            f"{source.name} is an archive that holds {foreign[0]!r}" + (": torch weights." if weights else "."),
            "A .npz file of inputs holds .npy members only.",
            f"pthway inspect {source.name}" if weights else "numpy.savez(path, array)",
        )
    unfolded = sum(info.file_size for info in members if info.compress_type != zipfile.ZIP_STORED)
    if len(members) > NPZ_MEMBERS or unfolded > NPZ_INFLATED_BYTES:
        raise LimitExceeded(
            f"{source.name} unfolds to {unfolded:,} bytes in {len(members):,} arrays.",
            f"Compressed inputs may unfold to {NPZ_INFLATED_BYTES:,} bytes in {NPZ_MEMBERS:,} arrays.",
            "numpy.savez stores without compression and has no such limit; or split the file.",
        )
    if sum(info.compress_size for info in members) > len(source.data):
        raise InputRefused(f"{source.name} declares more than it holds.", "Members of a zip do not overlap.", "Save it again.")


def _unfold(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytearray:
    stored, deflated = info.compress_type == zipfile.ZIP_STORED, info.compress_type == zipfile.ZIP_DEFLATED
    if info.flag_bits & ENCRYPTED or not (stored or deflated) or (stored and info.file_size != info.compress_size):
        raise zipfile.BadZipFile(f"{info.filename} is encrypted, or packed in a way that numpy does not use")
    data = bytearray()
    with archive.open(info) as stream:
        while chunk := stream.read(CHUNK):
            data += chunk
    if len(data) != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename} has {len(data):,} bytes and declares {info.file_size:,}")
    return data
