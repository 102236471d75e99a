"""numpy's own files: the oracle is numpy.load."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from pthway import errors
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.torch_tensors import tensors
from pthway.formats import limits, open_container

TYPES = ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "|b1", "<c8", "<c16"]
arrays = nps.arrays(st.sampled_from(TYPES).map(np.dtype), nps.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def npz(compressed: bool = False, **named: Any) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **named)
    return stream.getvalue()


def npy(array: Any, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "layer.weight", "sub/b", "ü"]), arrays, min_size=1), st.booleans(), st.booleans())
def test_archives_are_read_as_numpy_reads_them(tmp_path: Path, named: dict[str, Any], compressed: bool, fortran: bool) -> None:
    named = {name: np.asfortranarray(value) if fortran else value for name, value in named.items()}
    checkpoint = open_checkpoint(write(tmp_path / "m.npz", npz(compressed, **named)))
    assert list(checkpoint) == list(named)
    by_torch = tensors(checkpoint.container, checkpoint.choose().tensors)
    for name, value in named.items():
        read = checkpoint[name].numpy()
        assert (read.dtype, read.shape, read.tobytes()) == (value.dtype, value.shape, value.tobytes())
        assert by_torch[name].numpy().tobytes() == value.tobytes()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(arrays)
def test_a_single_array_is_read(tmp_path: Path, value: Any) -> None:
    read = open_checkpoint(write(tmp_path / "m.npy", npy(value)))["array"].numpy()
    assert (read.dtype, read.shape, read.tobytes()) == (value.dtype, value.shape, value.tobytes())


def test_texts_beside_the_weights_are_described(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write(tmp_path / "m.npz", npz(w=np.ones(3), labels=np.array(["cat", "dog"]))))
    assert list(checkpoint) == ["w"]
    assert checkpoint.extras["labels"] == "<array <U3 [2]>"


def test_the_checksum_of_a_record_is_compared(tmp_path: Path) -> None:
    content = bytearray(npz(w=np.full(4, 7.25)))
    content[content.find(struct.pack("<d", 7.25)) + 1] ^= 1
    with pytest.raises(errors.CorruptFile, match="checksum"):
        open_checkpoint(write(tmp_path / "m.npz", bytes(content)))["w"].numpy()


HEADER = npy(np.ones(2, "<f4"))
OBJECTS = np.array([{"a": 1}], dtype=object)
FIELDS = np.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")])
REFUSED = {
    "objects": (npy(OBJECTS, allow_pickle=True), errors.UnreadableFile, "holds Python objects"),
    "objects in an archive": (npz(a=np.ones(1), b=OBJECTS), errors.UnreadableFile, "b .* holds Python objects"),
    "fields": (npy(FIELDS), errors.UnreadableFile, "several fields"),
    "big-endian": (npy(np.ones(2, ">f4")), errors.UnreadableFile, "big-endian"),
    "text": (npy(np.array(["a"])), errors.NotWeights, "type <U1"),
    "trailing": (HEADER + b"\0", errors.CorruptFile, "9 bytes of numbers"),
    "version": (HEADER.replace(b"NUMPY\x01", b"NUMPY\x09"), errors.CorruptFile, "no header"),
    "expression": (HEADER.replace(b"(2,)", b"(1+1"), errors.CorruptFile, "does not write"),
    "code": (HEADER.replace(b"'<f4'", b"open "), errors.CorruptFile, "does not write"),
    "overflow": (HEADER.replace(b"(2,), }          ", b"(9999999999999,)}"), errors.TruncatedFile, "cut"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_array_of_numbers_is_refused(name: str, tmp_path: Path) -> None:
    content, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        open_container(write(tmp_path / "m.npy", content))


def test_every_prefix_is_refused(tmp_path: Path) -> None:
    for content in (HEADER, npz(w=np.ones(2))):
        for length in range(len(content)):
            with pytest.raises(errors.UnreadableFile):
                open_container(write(tmp_path / "m.npy", content[:length]))


def test_a_bomb_in_a_record_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_UNPACKED_FREELY", limits.MIB)
    path = write(tmp_path / "m.npz", npz(compressed=True, w=np.zeros(2**20)))
    with pytest.raises(errors.LimitExceeded, match="grows from"):
        open_checkpoint(path)["w"].numpy()


def test_an_archive_that_is_not_of_arrays_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"x")
    with pytest.raises(errors.NotWeights, match="a Keras model"):
        open_container(tmp_path / "m.keras")
