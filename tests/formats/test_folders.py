"""Checkpoints of several files: an index with shards, an unzipped file, and folders that other tools open."""

import json
import zipfile
from pathlib import Path

import pytest
import torch

from pthway import errors
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.torch_tensors import tensors
from pthway.formats import limits, open_container

STATE = {
    "a.weight": torch.arange(6.0).reshape(2, 3),
    "a.bias": torch.ones(2, dtype=torch.bfloat16),
    "b.weight": torch.arange(4).reshape(2, 2).t(),
}


def safetensors(state: dict[str, torch.Tensor]) -> bytes:
    header, data = {}, b""
    for name, value in state.items():
        raw = bytes(value.contiguous().view(torch.uint8).flatten().tolist())
        kind = {torch.float32: "F32", torch.bfloat16: "BF16", torch.int64: "I64"}[value.dtype]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def sharded(folder: Path, kind: str) -> Path:
    """The state in two shards, written under *folder*."""
    parts = {f"model-1.{kind}": ["a.weight", "a.bias"], f"model-2.{kind}": ["b.weight"]}
    for name, keys in parts.items():
        held = {key: STATE[key] for key in keys}
        if kind == "bin":
            torch.save(held, folder / name)
        else:
            (folder / name).write_bytes(safetensors(held))
    index = {"metadata": {"total_size": 60}, "weight_map": {key: name for name, keys in parts.items() for key in keys}}
    path = folder / f"model.{kind}.index.json"
    path.write_text(json.dumps(index))
    return path


def changed(index: Path, **weight_map: object) -> Path:
    content = json.loads(index.read_text())
    content["weight_map"].update(weight_map)
    index.write_text(json.dumps(content))
    return index


def same(path: Path) -> None:
    checkpoint = open_checkpoint(path)
    read = tensors(checkpoint.container, checkpoint.choose().tensors)
    assert list(read) == list(STATE)
    for name, value in STATE.items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value)


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_an_index_and_its_shards_are_one_checkpoint(kind: str, tmp_path: Path) -> None:
    index = sharded(tmp_path, kind)
    same(index)
    same(tmp_path)
    assert open_checkpoint(index).extras["metadata"] == {"total_size": 60}


@pytest.mark.parametrize("name", ["../model-1.bin", "/etc/passwd", "..", "", "https://example.org/x", "a\\b", "a\0b", 7])
def test_a_shard_elsewhere_is_refused(name: object, tmp_path: Path) -> None:
    with pytest.raises(errors.CorruptFile, match=r"shards lie beside their index|no text"):
        open_container(changed(sharded(tmp_path, "bin"), **{"a.bias": name}))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    index = sharded(tmp_path, "bin")
    (tmp_path / "model-2.bin").unlink()
    with pytest.raises(errors.MissingFile, match=r"model-2\.bin"):
        open_container(index)


def test_an_index_that_names_itself_is_refused(tmp_path: Path) -> None:
    index = sharded(tmp_path, "bin")
    with pytest.raises(errors.CorruptFile, match="is JSON itself"):
        open_container(changed(index, **{"a.bias": index.name}))


def test_a_tensor_that_its_shard_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.CorruptFile, match=r"holds 'c\.weight'"):
        open_container(changed(sharded(tmp_path, "bin"), **{"c.weight": "model-1.bin"}))


def unzipped(folder: Path) -> Path:
    torch.save(STATE, folder / "net.pth")
    with zipfile.ZipFile(folder / "net.pth") as archive:
        archive.extractall(folder / "out")
    return folder / "out" / "net"


def test_an_unzipped_file_is_read_and_its_pickle_leads_to_it(tmp_path: Path) -> None:
    folder = unzipped(tmp_path)
    same(folder)
    assert open_container(folder).parts.stem == "net"
    with pytest.raises(errors.CorruptFile, match="pass the folder that holds it"):
        open_container(folder / "data.pkl")


def test_a_storage_that_is_missing_short_or_a_link_is_refused(tmp_path: Path) -> None:
    folder = unzipped(tmp_path)
    storage = folder / "data" / "0"
    content = storage.read_bytes()
    storage.write_bytes(content[:-1])
    with pytest.raises(errors.CorruptFile, match="its tensors need 24"):
        open_container(folder)
    storage.unlink()
    with pytest.raises(errors.CorruptFile, match="lacks the file data/0"):
        open_container(folder)
    (tmp_path / "elsewhere").write_bytes(content)
    storage.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.CorruptFile, match="replaced by a link"):
        open_container(folder)


def test_an_unzipped_file_of_many_storages_is_to_be_zipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FOLDER_STORAGES", 2)
    with pytest.raises(errors.LimitExceeded, match="zip -0 -r"):
        open_container(unzipped(tmp_path))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([".metadata", "__0_0.distcp", "__1_0.distcp"], "dcp_to_torch"),
        (["latest", "zero_to_fp32.py", "global_step5"], "zero_to_fp32.py"),
        (["mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt"], "DeepSpeed"),
        (["saved_model.pb", "variables"], "TensorFlow SavedModel"),
        (["a.index.json", "b.index.json"], "2 indexes"),
        (["model.safetensors", "config.json"], r"Pass the file: .*model\.safetensors"),
        ([], "no file that looks like weights"),
    ],
)
def test_other_folders_are_named_with_what_opens_them(names: list[str], words: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(errors.NotWeights, match=words):
        open_container(tmp_path)


NEIGHBOURS = {
    "GGUF": (b"GGUF\3\0\0\0" + bytes(40), "a GGUF model"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
    "ONNX": (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0" + bytes(40), r"an ONNX model \(IR version 8\), written by pytorch"),
    "mobile": (b"\x1c\0\0\0PTMF" + bytes(40), "PyTorch Mobile"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(40), "TensorFlow Lite"),
    "Lua Torch": (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\x0a\0\0\0nn.Sequential", "Lua Torch"),
    "7-Zip": (b"7z\xbc\xaf\x27\x1c" + bytes(40), "7-Zip"),
    "joblib": (b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x13joblib.numpy_pickle\x94.", "joblib"),
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbouring_formats_are_named_with_what_opens_them(name: str, tmp_path: Path) -> None:
    content, words = NEIGHBOURS[name]
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(errors.NotWeights, match=words):
        open_container(tmp_path / "model.pth")
