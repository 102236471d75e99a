"""What stands at the path when it is no weights file: named, so that the user knows what to do."""

import re
from pathlib import Path
from typing import Final

from pthway.errors import EmptyFile, NotWeights, PthwayError, TruncatedFile
from pthway.formats import limits
from pthway.formats.file_bytes import FileBytes

_SIGNATURES: Final = (
    (b"GGUF", "a GGUF model", "Open it with llama.cpp, or with the gguf package."),
    (b"\x89HDF\r\n", "an HDF5 file, such as Keras writes", "Open it with h5py or keras."),
    (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", "a file of Lua Torch (.t7)", "Open it with the torchfile package."),
    (b"\x03\0\0\0\x01\0\0\0", "a file of Lua Torch (.t7)", "Open it with the torchfile package."),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "Unpack it first: unlz4 FILE"),
    (b"PK\x05\x06", "an empty zip archive", "Download or save it again."),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it first: 7z x FILE"),
    (b"Rar!", "a RAR archive", "Unpack it first: unrar x FILE"),
    (b"\x7fELF", "a program for Linux", "Check where the file came from."),
    (b"MZ", "a program for Windows", "Check where the file came from."),
    (b"%PDF", "a PDF document", "Check the link it was downloaded from."),
    (b"\x89PNG", "a picture (PNG)", "Check the link it was downloaded from."),
    (b"\xff\xd8\xff", "a picture (JPEG)", "Check the link it was downloaded from."),
)

_INNER_SIGNATURES: Final = (
    (b"PTMF", "a model for PyTorch Mobile (flatbuffer)", "Run it with torch.jit.mobile, or ask for the checkpoint it was made from."),
    (b"TFL3", "a TensorFlow Lite model", "Run it with tflite_runtime or ai_edge_litert."),
    (b"ET12", "a program of ExecuTorch", "Run it with executorch, or ask for the checkpoint it was made from."),
)
"""Bytes 4 to 8 of flatbuffers → what they are, and what opens them."""

_ONNX: Final = re.compile(rb"\x08([\x03-\x1e])\x12[\x01-\x40]([A-Za-z][A-Za-z0-9_.+ -]{1,63})", re.DOTALL)
"""The first two fields of an ONNX file: the version of the format, and the name of the program that wrote it."""

_HTML: Final = re.compile(rb"^\s*(<!doctype html|<html|<head|<body|<\?xml)", re.IGNORECASE)
_TITLE: Final = re.compile(rb"<title[^>]*>\s*(.{1,200}?)\s*</title>", re.IGNORECASE | re.DOTALL)
_LFS: Final = re.compile(rb"^version https://git-lfs[^\n]*\n(?:[^\n]*\n)*?oid ([^\s]{1,100})\s+size (\d{1,20})")


def refusal(source: FileBytes, begin: bytes) -> PthwayError:
    """The error that says what the file is instead of weights."""
    path = source.path
    return (
        _zeros(source, begin)
        or _pointer(path, begin)
        or _page(path, begin)
        or _neighbour(path, begin)
        or _signature(path, begin)
        or _text(path, begin)
        or NotWeights(
            f"{path} is not a file that torch.save writes; it begins with {begin[:8].hex(' ')}.",
            "torch writes a zip archive (50 4b 03 04), or before 1.6 a stream that begins with 80 02 8a 0a.",
            "Check where the file came from, and whether it is complete.",
        )
    )


def _zeros(source: FileBytes, begin: bytes) -> PthwayError | None:
    if begin.strip(b"\0"):
        return None
    end = source.read(max(0, source.size - limits.SNIFF_BYTES), min(source.size, limits.SNIFF_BYTES))
    extent = "only zero bytes" if not end.strip(b"\0") else "zero bytes at its beginning"
    return EmptyFile(
        f"{source.path} has {extent} ({source.size:,} in all).",
        "Space was reserved for a download that did not happen.",
        "Delete it and download it again.",
    )


def _pointer(path: Path, begin: bytes) -> PthwayError | None:
    if not begin.startswith(b"version https://git-lfs"):
        return None
    found = _LFS.match(begin)
    what = f"to a file of {int(found[2]):,} bytes ({found[1].decode('ascii', 'replace')[:24]}…)" if found else "to the real file"
    return NotWeights(
        f"{path} is a git-lfs pointer {what}, not the file itself.",
        "The repository was cloned without git-lfs, or its quota is used up.",
        f"In the repository: git lfs pull --include '{path.name}'",
    )


def _page(path: Path, begin: bytes) -> PthwayError | None:
    if not _HTML.match(begin):
        return None
    title = _TITLE.search(begin)
    named = f" titled {title[1].decode('utf-8', 'replace')!a}" if title else ""
    return NotWeights(
        f"{path} is a web page{named}, not weights.",
        "The link leads to a page about the file (a login, a virus-scan warning, an error) rather than to the file.",
        "Open the link in a browser, and download the file itself.",
    )


def _neighbour(path: Path, begin: bytes) -> PthwayError | None:
    for signature, kind, fix in _INNER_SIGNATURES:
        if begin[4:8] == signature:
            return NotWeights(f"{path} is {kind}.", "pthway reads what torch, safetensors and numpy write.", fix)
    producer = _ONNX.match(begin)
    if producer:
        return NotWeights(
            f"{path} is an ONNX model (IR version {producer[1][0]}), written by {producer[2].decode('ascii')}.",
            "It holds a network as a graph, with its weights inside.",
            "Open it with onnx.load(path), or run it with onnxruntime.",
        )
    return None


def _signature(path: Path, begin: bytes) -> PthwayError | None:
    for signature, kind, fix in _SIGNATURES:
        if begin.startswith(signature):
            return NotWeights(f"{path} is {kind}.", "pthway reads what torch, safetensors and numpy write.", fix)
    return None


def _text(path: Path, begin: bytes) -> PthwayError | None:
    try:
        text = begin.decode("utf-8")
    except UnicodeDecodeError as cause:
        if cause.start < len(begin) - 3:
            return None
        text = begin[: cause.start].decode("utf-8")
    if any(ord(char) < 32 and char not in "\t\r\n\f" for char in text):  # noqa: PLR2004  # control characters
        return None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if text.lstrip()[:1] in ("{", "["):
        return NotWeights(
            f"{path} is JSON text: {text.strip()[:80]!a}.",
            "A server answered with an error, or this is the configuration beside the weights.",
            "Open it in an editor; download the weights again if it tells of an error.",
        )
    if path.suffix == ".pth" and lines and all(_is_path_line(line) for line in lines[:20]):
        return NotWeights(
            f"{path} is a Python path-configuration file: it adds folders to sys.path.",
            "Python's site-packages uses the ending .pth too; it has nothing to do with PyTorch.",
            "Look for the weights elsewhere; such files belong to an installed package.",
        )
    return NotWeights(
        f"{path} is text, not weights: {text.strip()[:80]!a}.",
        "torch.save writes binary files.",
        "Open it in an editor to see what it is.",
    )


def _is_path_line(line: str) -> bool:
    return line.startswith(("import ", "import\t")) or len(line.split()) == 1


def beginning_cut(source: FileBytes) -> TruncatedFile:
    """The error for a file too short to hold even the signature of its format."""
    return TruncatedFile(
        f"{source.path} ends after {source.size} bytes.", "That is inside the first record of a torch file.", "Download it again."
    )
