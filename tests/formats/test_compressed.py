"""Compressed weights are read as if they were not; bombs, cuts and other contents are refused."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from backports import zstd

from pthway import errors
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.torch_tensors import tensors
from pthway.formats import limits, open_container

PACKINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress, "zstd": zstd.compress}


def saved(legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)}, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", PACKINGS)
def test_a_compressed_checkpoint_is_read_and_the_compression_is_noted(name: str, legacy: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "model.pth", PACKINGS[name](saved(legacy)))
    checkpoint = open_checkpoint(path)
    assert any(f"Compressed with {name}" in note for note in checkpoint.container.parts.notes)
    read = tensors(checkpoint.container, checkpoint.choose().tensors)
    assert torch.equal(read["a"], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(read["b"], torch.ones(4))
    assert list(tmp_path.iterdir()) == [path]


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    content = saved()
    path = write(tmp_path / "m.pth.gz", gzip.compress(content[:300]) + gzip.compress(content[300:]))
    assert list(open_checkpoint(path)) == ["a", "b"]


@pytest.mark.parametrize("name", PACKINGS)
def test_every_prefix_is_refused(name: str, tmp_path: Path) -> None:
    content = PACKINGS[name](saved())
    for length in range(0, len(content), 7):
        with pytest.raises(errors.UnreadableFile):
            open_container(write(tmp_path / "m.pth", content[:length]))


CHECKED = {**PACKINGS, "zstd": lambda content: zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})}


@pytest.mark.parametrize("name", CHECKED)
def test_a_changed_byte_is_found(name: str, tmp_path: Path) -> None:
    content = bytearray(CHECKED[name](saved()))
    content[len(content) // 2] ^= 1
    with pytest.raises(errors.CorruptFile, match="cannot be unpacked"):
        open_container(write(tmp_path / "m.pth", bytes(content)))


def test_what_is_inside_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.NotWeights, match=r"Compressed with gzip: .*is a web page titled 'Sign in'"):
        open_container(write(tmp_path / "m.pth", gzip.compress(b"<html><title>Sign in</title>")))


def test_a_second_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.NotWeights, match="compressed twice, from the outside with gzip"):
        open_container(write(tmp_path / "m.pth", gzip.compress(bz2.compress(saved()))))


def test_a_bomb_is_refused_at_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_UNPACKED_FREELY", 2 * limits.MIB)
    path = write(tmp_path / "m.pth", gzip.compress(saved() + bytes(8 * limits.MIB)))
    with pytest.raises(errors.LimitExceeded, match="grows to more than"):
        open_container(path)
