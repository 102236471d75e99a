"""Rows 1 to 8: what stands at the path when it is no checkpoint."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np

from pthway import errors
from tests.corpus.build import safetensors, sparse, state, torch_zip
from tests.corpus.entry import Entry, Read, Refused, file

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a2146" * 8 + b"\nsize 346293852\n"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Google Drive - Virus scan warning</title></head><body>scan</body></html>"
ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def no(what: str) -> Refused:
    return Refused(errors.NotWeights, what)


def device(_folder: Path) -> Path:
    return Path("/dev/zero")


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "model.pth")
    return folder / "model.pth"


def listening(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(folder / "model.pth"))
    return folder / "model.pth"


def link(to: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "model.pth").symlink_to(to)
        return folder / "model.pth"

    return write


def honest_link(folder: Path) -> Path:
    (folder / "store").write_bytes(torch_zip(state()))
    return link("store")(folder)


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return stream.getvalue()


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, w=np.ones(2, np.float32))
    return stream.getvalue()


def joblib_dump() -> bytes:
    stream = io.BytesIO()
    joblib.dump({"coefficients": np.ones(3)}, stream)
    return stream.getvalue()


NAMED = (
    ("zstd, damaged", 6, b"\x28\xb5\x2f\xfd" + bytes(40), Refused(errors.UnreadableFile, "zstd")),
    ("7z", 6, b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(40), no("7-Zip")),
    ("rar", 6, b"Rar!\x1a\x07\x01\0" + bytes(40), no("RAR")),
    ("lz4", 6, b"\x04\x22\x4d\x18" + bytes(40), no("lz4")),
    ("gguf", 7, b"GGUF\x03\0\0\0" + bytes(40), no("GGUF")),
    ("hdf5", 7, b"\x89HDF\r\n\x1a\n" + bytes(40), no("HDF5")),
    ("onnx", 7, b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x10" + bytes(40), no(r"ONNX model \(IR version 8\), written by pytorch")),
    ("tflite", 7, b"\x1c\0\0\0TFL3" + bytes(40), no("TensorFlow Lite")),
    ("mobile flatbuffer by hand", 7, b"\x1c\0\0\0PTMF" + bytes(40), no("Mobile")),
    ("executorch", 7, b"\x1c\0\0\0ET12" + bytes(40), no("ExecuTorch")),
    ("lua torch table", 7, b"\x03\0\0\0\x01\0\0\0" + bytes(40), no("Lua Torch")),
    ("lua torch object", 7, b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\x0d\0\0\0nn.Sequential", no("Lua Torch")),
    ("program for linux", None, b"\x7fELF\x02\x01\x01" + bytes(40), no("program for Linux")),
    ("program for windows", None, b"MZ\x90\0" + bytes(40), no("program for Windows")),
    ("pdf", None, b"%PDF-1.7\n" + bytes(40), no("PDF")),
    ("png", None, b"\x89PNG\r\n\x1a\n" + bytes(40), no("PNG")),
    ("jpeg", None, b"\xff\xd8\xff\xe0" + bytes(40), no("JPEG")),
    ("text", None, "weights go here ü".encode(), no("is text")),
    ("path configuration", None, b"import _virtualenv\n/srv/lib/extra\n", no("path-configuration")),
    ("csv", None, b"a, b\n1, 2\n", no("is text")),
    ("python source", None, b"import torch\n\nclass Net(torch.nn.Module):\n    pass\n", no("is text")),
    ("text with terminal escapes", None, b"loss \x1b[31m3.2\x1b[0m", Refused(errors.NotWeights, "1b")),
    ("noise", None, bytes(range(7, 256)), no("is not a file that torch.save writes")),
    ("one byte", None, b"P", Refused(errors.TruncatedFile, "ends after 1 bytes")),
    ("pickle of numbers", None, pickle.dumps({"a": [1, 2]}, 4), no("Python pickle")),
    ("joblib", None, joblib_dump(), no("joblib")),
    ("keras archive", None, zipped("config.json", "model.weights.h5"), no("Keras")),
    ("core ml package", None, zipped("m.mlpackage/Data/com.apple.CoreML/model.mlmodel"), no("Core ML")),
    ("android application", None, zipped("AndroidManifest.xml"), no("Android")),
    ("office document", None, zipped("[Content_Types].xml", "word/document.xml"), no("Office")),
    ("saved model in a zip", None, zipped("m/saved_model.pb", "m/variables/variables.index"), no("SavedModel")),
    ("torchscript of 1.0", None, zipped("m/model.json", "m/tensors/0"), no("TorchScript archive of torch 1.0")),
    ("zip of texts", None, zipped("notes.txt"), no(r"not of weights: it holds notes\.txt")),
    ("empty zip", None, b"PK\x05\x06" + bytes(18), no("empty zip archive")),
)

ENTRIES = (
    Entry("empty", 1, file(b""), Refused(errors.EmptyFile, "0 bytes")),
    Entry("zeros", 2, file(bytes(4096)), Refused(errors.EmptyFile, "only zero bytes")),
    Entry("four GiB of zeros", 2, lambda folder: sparse(folder, b"", 2**32), Refused(errors.EmptyFile, "only zero bytes")),
    Entry("zeros, then numbers", 2, file(bytes(8000) + b"end"), Refused(errors.EmptyFile, "zero bytes at its beginning")),
    Entry("web page", 3, file(PAGE), no("web page titled 'Google Drive - Virus scan warning'")),
    Entry("login page", 3, file(b"\n\n  <html><title>\x1b]0;owned\x07Sign in</title>"), no(r"web page titled '\\x1b]0;owned\\x07Sign in'")),
    Entry("xml answer", 3, file(b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"), no("web page")),
    Entry("git-lfs pointer", 4, file(LFS), no("git-lfs pointer to a file of 346,293,852 bytes")),
    Entry("git-lfs pointer, broken", 4, file(b"version https://git-lfs.github.com/spec/v1\n"), no("git-lfs pointer to the real file")),
    Entry("json error", 5, file(b'{"error": "Repository not found"}'), no('JSON text: \'{"error"')),
    Entry("json list", 5, file(b'[{"error": "\x1b[2Jgone"}]'.replace(b"\x1b", b"\\u001b")), no("JSON text")),
    Entry("gzip", 6, file(lambda _: gzip.compress(torch_zip(state()))), Read(1, says="Compressed with gzip")),
    Entry("bzip2", 6, file(lambda _: bz2.compress(torch_zip(state()))), Read(1, says="Compressed with bzip2")),
    Entry("xz", 6, file(lambda _: lzma.compress(torch_zip(state()))), Read(1, says="Compressed with xz")),
    Entry("gzip in gzip", 6, file(lambda _: gzip.compress(gzip.compress(torch_zip(state())))), no("compressed twice")),
    Entry("gzip of a web page", 6, file(gzip.compress(PAGE)), no("Compressed with gzip: .*web page")),
    Entry("gzip of nothing", 6, file(gzip.compress(b"")), Refused(errors.EmptyFile, "around nothing")),
    Entry("safetensors by another name", 7, file(safetensors({"w": ENTRY}, bytes(8))), Read(1, says="safetensors")),
    Entry("npz by another name", 7, file(npz()), Read(1, says="numpy archive")),
    Entry("device", 8, device, no("pipe, socket or device")),
    Entry("pipe", 8, pipe, no("pipe, socket or device")),
    Entry("socket", 8, listening, no("pipe, socket or device")),
    Entry("folder", 8, lambda folder: folder, no("is a folder")),
    Entry("dangling link", 8, link("nowhere"), Refused(errors.MissingFile, "no file")),
    Entry("link to itself", 8, link("model.pth"), Refused(errors.UnreadableFile, "symbolic links")),
    Entry("link to a device", 8, link("/dev/zero"), no("pipe, socket or device")),
    Entry("link to a checkpoint", None, honest_link, Read(1)),
    Entry("missing", None, lambda folder: folder / "model.pth", Refused(errors.MissingFile, "no file")),
    *(Entry(name, row, file(content), answer) for name, row, content, answer in NAMED),
)
