"""Torch files inside the pickle of a torch file, the sources that legacy modules carry, and pickles longer than a window."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pthway import errors
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.safety import Verdict
from pthway.formats import limits, open_container
from pthway.formats.tensors import TensorSpec


class Nested:
    """Pickles as the call by which torch loads a storage from bytes."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> Any:
        return torch.storage._load_from_bytes, (self.content,)


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


def legacy(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


@pytest.mark.parametrize("old", [False, True])
def test_tensors_in_a_file_inside_the_pickle_are_read_like_the_others(old: bool, tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save({"a": torch.arange(3.0), "b": Nested(legacy(torch.arange(4.0) + 7))}, path, _use_new_zipfile_serialization=not old)
    checkpoint = open_checkpoint(path)
    assert checkpoint.safety.verdict is Verdict.PLAIN
    assert checkpoint["a"].numpy().tolist() == [0, 1, 2]
    assert checkpoint["b"].numpy().tolist() == torch.load(path, weights_only=False)["b"].tolist() == [7, 8, 9, 10]


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("inner", [legacy, pickle.dumps])
def test_what_a_file_inside_the_pickle_would_run_is_named(old: bool, inner: Any, tmp_path: Path) -> None:
    path, mark = tmp_path / "m.pth", tmp_path / "mark"
    torch.save({"a": torch.ones(2), "b": Nested(inner(Payload(mark)))}, path, _use_new_zipfile_serialization=not old)
    checkpoint = open_checkpoint(path)
    assert [call.target for call in checkpoint.safety.calls] == ["posix.mkdir"]
    assert not mark.exists()


def test_files_inside_a_torch_file_are_bounded_in_depth(tmp_path: Path) -> None:
    value: Any = torch.ones(2)
    for _ in range(limits.MAX_NESTING + 1):
        value = Nested(legacy(value))
    torch.save({"a": value}, tmp_path / "m.pth")
    with pytest.raises(errors.CorruptFile, match="nested more than 4 deep"):
        open_container(tmp_path / "m.pth")


class Documented(nn.Module):
    """A class whose source is saved with it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_the_source_text_of_a_legacy_module_is_shown(tmp_path: Path) -> None:
    module = Documented()
    torch.save(module, tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    checkpoint = open_checkpoint(tmp_path / "m.pth")
    shown = checkpoint.extras[f"source of {Documented.__module__}.Documented"]
    assert "self.fc = nn.Linear(2, 2)" in str(shown)
    assert list(checkpoint) == list(module.state_dict())


def test_a_pickle_longer_than_the_window_is_decoded_once(tmp_path: Path) -> None:
    long = "x" * (3 * limits.MIB)
    torch.save(
        {"text": long, "a": torch.ones(2), "b": Nested(legacy(torch.ones(3)))}, tmp_path / "m.pth", _use_new_zipfile_serialization=False
    )
    container = open_container(tmp_path / "m.pth")
    assert container.parts.root.get("text") == long  # type: ignore[attr-defined]
    assert isinstance(container.parts.root.get("b"), TensorSpec)  # type: ignore[attr-defined]
    assert len(container.parts.storages) == 2


def test_a_file_inside_a_big_endian_one_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "b": Nested(legacy(torch.ones(3)))}, tmp_path / "m.pth")
    with zipfile.ZipFile(tmp_path / "m.pth") as old, zipfile.ZipFile(tmp_path / "big.pth", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"big" if name.endswith("/byteorder") else old.read(name))
    with pytest.raises(errors.CorruptFile, match="is big-endian, and the torch files inside its pickle are little-endian"):
        open_container(tmp_path / "big.pth")


def test_a_storage_under_the_name_of_one_inside_the_pickle_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "b": Nested(legacy(torch.ones(3)))}, tmp_path / "m.pth")
    (inside,) = (key for key in open_container(tmp_path / "m.pth").parts.storages if "/" in key)
    with zipfile.ZipFile(tmp_path / "m.pth") as old, zipfile.ZipFile(tmp_path / "twice.pth", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                key = b"X\x01\x00\x00\x000"
                assert content.count(key) == 1
                content = content.replace(key, b"X" + len(inside).to_bytes(4, "little") + inside.encode())
            new.writestr(name, content)
    with pytest.raises(errors.CorruptFile, match="has two storages named 'inside/0/"):
        open_container(tmp_path / "twice.pth")
