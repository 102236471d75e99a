"""One small file of every format, cut at every byte and with every bit turned: the right numbers, or a deliberate error.

The gate takes every 41st damage of each file; with CORPUS_EVERY_BIT=1 in the environment all are tried.
"""

import bz2
import gzip
import io
import lzma
import os
import pickle
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from torch.package import PackageExporter

import pthway
from pthway.checkpoint import Checkpoint
from pthway.checkpoint.checkpoint import StoredTensor
from pthway.errors import PthwayError, UnreadableFile
from tests.corpus.archives import TAR_STATE, torch_tar
from tests.corpus.build import FLOATS, legacy, mapping, old_state, program, safetensors, state, torch_zip
from tests.corpus.neighbours import exported, script, weight

STRIDE: Final = 1 if os.environ.get("CORPUS_EVERY_BIT") else 41
TENSOR: Final = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}


def array_file(save: Callable[..., None]) -> bytes:
    stream = io.BytesIO()
    save(stream, np.frombuffer(FLOATS, np.float32))
    return stream.getvalue()


def pickled(protocol: int) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pickle.dumps({"w": torch.from_numpy(np.frombuffer(bytearray(FLOATS), np.float32))}, protocol)


def package() -> bytes:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.save_pickle("a", "w.pkl", {"w": torch.from_numpy(np.frombuffer(bytearray(FLOATS), np.float32))})
    return stream.getvalue()


ZIP: Final = torch_zip(state())
WHOLE: Final[dict[str, bytes]] = {
    "torch zip": ZIP,
    "legacy stream": legacy(old_state()),
    "tar": torch_tar(program(mapping(*TAR_STATE))).rstrip(b"\0") + bytes(1024),
    "script": script(),
    "exported": exported({"w": weight()}),
    "package": package(),
    "safetensors": safetensors(TENSOR, FLOATS),
    "npz": array_file(np.savez),
    "npz, compressed": array_file(np.savez_compressed),
    "npy": array_file(np.save),
    "bare pickle 2": pickled(2),
    "bare pickle 5": pickled(5),
    "gzip": gzip.compress(ZIP),
    "xz": lzma.compress(ZIP),
    "bzip2": bz2.compress(ZIP),
}

CHECKED: Final = frozenset(("torch zip", "script", "package", "npz", "npz, compressed", "gzip", "xz", "bzip2"))
"""Formats with a checksum over every number: what is read after damage is what was saved."""


def numbers(checkpoint: Checkpoint) -> dict[str, bytes]:
    return {
        name: StoredTensor(name, spec, checkpoint.container).numpy().tobytes()
        for of in checkpoint.state_dicts
        for name, spec in of.tensors.items()
    }


def damages(whole: bytes) -> Iterator[bytes]:
    """The file with one bit turned, each in its turn."""
    for bit in range(0, 8 * len(whole), STRIDE):
        at = bit // 8
        yield whole[:at] + bytes([whole[at] ^ 1 << bit % 8]) + whole[at + 1 :]


def test_the_whole_files_are_read(tmp_path: Path) -> None:
    for name, whole in WHOLE.items():
        (tmp_path / "m").write_bytes(whole)
        assert FLOATS in numbers(pthway.open(tmp_path / "m")).values(), name


@pytest.mark.parametrize("name", WHOLE)
def test_a_prefix_is_refused(name: str, tmp_path: Path) -> None:
    whole, path = WHOLE[name], tmp_path / "m"
    end = len(whole.rstrip(b"\0")) if name == "tar" else len(whole)
    for length in range(0, end, max(1, STRIDE // 8)):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableFile):
            numbers(pthway.open(path))


@pytest.mark.parametrize("name", WHOLE)
def test_a_turned_bit_gives_the_right_numbers_or_an_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m"
    for damaged in damages(WHOLE[name]):
        path.write_bytes(damaged)
        try:
            found = numbers(pthway.open(path))
        except PthwayError:
            continue
        if name in CHECKED and found:
            assert FLOATS in found.values()


def sharded(folder: Path) -> tuple[Path, Path]:
    (folder / "m.index.json").write_bytes(b'{"weight_map": {"w": "s"}}')
    (folder / "s").write_bytes(safetensors(TENSOR, FLOATS))
    return folder / "m.index.json", folder / "m.index.json"


def unzipped(folder: Path) -> tuple[Path, Path]:
    (folder / "m.pth").write_bytes(ZIP)
    with zipfile.ZipFile(folder / "m.pth") as archive:
        archive.extractall(folder)
    return folder / "archive", folder / "archive" / "data.pkl"


@pytest.mark.parametrize("make", [sharded, unzipped])
def test_a_damaged_description_of_several_files_gives_an_answer_or_an_error(
    make: Callable[[Path], tuple[Path, Path]], tmp_path: Path
) -> None:
    opened, described = make(tmp_path)
    whole = described.read_bytes()
    assert numbers(pthway.open(opened)) == {"w": FLOATS}
    for damaged in [*damages(whole), *(whole[:length] for length in range(0, len(whole), max(1, STRIDE // 8)))]:
        described.write_bytes(damaged)
        try:
            numbers(pthway.open(opened))
        except PthwayError:
            continue
    shutil.rmtree(tmp_path)
