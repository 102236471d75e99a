"""TorchServe archives: the weights inside are read, everything else is text, and only `load_archive` imports the class."""

import io
import json
import zipfile
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch

import pthway
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.torchserve import Served, served
from pthway.errors import ArchitectureNotFound, CorruptFile, LimitExceeded, NotWeights, TruncatedFile, UsageError
from pthway.formats import limits
from pthway.model.archive import load_archive

CODE = """
    from parts import width
    from torch import nn


    class Net(nn.Module):
        def __init__(self, classes: int = 3) -> None:
            super().__init__()
            self.last = nn.Linear(width.WIDTH, classes)

        def forward(self, x):
            return self.last(x)
"""
HANDLER = "open('mark', 'w').close()\n"


def weights() -> bytes:
    stream = io.BytesIO()
    torch.save({"last.weight": torch.arange(12.0).reshape(3, 4), "last.bias": torch.ones(3)}, stream)
    return stream.getvalue()


def archive(path: Path, method: int = zipfile.ZIP_DEFLATED, model: dict[str, Any] | None = None, **records: Any) -> Path:
    """An archive as torch-model-archiver lays it out; records by name, those that are None left out."""
    told = {"modelName": "net", "serializedFile": "net.pth", "handler": "serve.py", "modelFile": "model.py", "modelVersion": "1.0"}
    told = {key: value for key, value in (told | (model or {})).items() if value is not None}
    content: dict[str, Any] = {
        "model.py": dedent(CODE),
        "parts/width.py": "WIDTH = 4\n",
        "parts/__init__.py": "",
        "serve.py": HANDLER,
        "net.pth": weights(),
        "index_to_name.json": json.dumps({"0": "cat", "1": ["n02084071", "dog"], "2": "owl"}),
        "MAR-INF/MANIFEST.json": json.dumps({"runtime": "python", "model": told, "archiverVersion": "0.12.0"}),
        **records,
    }
    with zipfile.ZipFile(path, "w", method) as written:
        for name, entry in content.items():
            if entry is not None:
                written.writestr(name, entry)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_weights_inside_are_read(tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = open_checkpoint(archive(tmp_path / "net.mar", method))
    assert (checkpoint["last.weight"].numpy() == np.arange(12).reshape(3, 4)).all()
    assert not (tmp_path / "mark").exists()


def test_what_lies_beside_the_weights_is_told(tmp_path: Path) -> None:
    told = str(open_checkpoint(archive(tmp_path / "net.mar")))
    assert "TorchServe archive (.mar), written by torch-model-archiver 0.12.0; the weights in it by torch 2.7" in told
    assert "the handler 'serve.py', its own code; pthway never does" in told
    assert "Its class is in 'model.py', which is shown as text" in told


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt", "net.bin"])
def test_any_weights_file_that_is_read_is_read_inside(tmp_path: Path, name: str) -> None:
    from safetensors.torch import save

    content = save({"last.weight": torch.ones(3, 4)}) if name == "net.safetensors" else weights()
    path = archive(tmp_path / "net.mar", model={"serializedFile": name}, **{"net.pth": None, name: content})
    assert "last.weight" in open_checkpoint(path)


def of(path: Path) -> Served:
    found = served(open_checkpoint(path))
    assert found is not None
    return found


def test_labels_are_in_the_order_of_their_index(tmp_path: Path) -> None:
    many = {str(index): f"class {index}" for index in reversed(range(1200))}
    assert of(archive(tmp_path / "a.mar")).labels == ("cat", "dog", "owl")
    assert of(archive(tmp_path / "b.mar", **{"index_to_name.json": json.dumps(many)})).labels == tuple(many[str(i)] for i in range(1200))
    assert of(archive(tmp_path / "c.mar", **{"index_to_name.json": None})).labels is None


@pytest.mark.parametrize("told", [{}, {"0": "a", "2": "b"}, {"1": "a"}, {"a": "b"}, {"0": 1}, {"0": []}, {"00": "a"}, ["a"], "a"])
def test_labels_that_name_no_classes_are_refused(tmp_path: Path, told: Any) -> None:
    with pytest.raises(UsageError, match="does not name the classes"):
        of(archive(tmp_path / "net.mar", **{"index_to_name.json": json.dumps(told)}))


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(weights())
    assert served(open_checkpoint(tmp_path / "net.pth")) is None
    assert load_archive(tmp_path / "net.pth") is None


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"model": {"serializedFile": None}}, NotWeights, "without weights"),
        ({"model": {"serializedFile": "other.pth"}}, CorruptFile, "lacks the record 'other.pth', which .* names as serializedFile"),
        ({"model": {"modelFile": "other.py"}}, CorruptFile, "lacks the record 'other.py', which .* names as modelFile"),
        ({"model": {"serializedFile": "../net.pth"}}, CorruptFile, "lacks the record"),
        ({"MAR-INF/MANIFEST.json": "{}"}, CorruptFile, "tells of no model"),
        ({"MAR-INF/MANIFEST.json": "[1]"}, CorruptFile, "tells of no model"),
        ({"MAR-INF/MANIFEST.json": "{"}, CorruptFile, "is no JSON"),
        ({"MAR-INF/MANIFEST.json": '{"model": {}, "model": {}}'}, CorruptFile, "stands twice"),
        ({"index_to_name.json": "{"}, CorruptFile, "is no JSON"),
        ({"net.pth": b"<html>"}, NotWeights, "web page"),
        ({"net.pth": weights()[:-99]}, TruncatedFile, "cut off"),
        ({"model.py": "#" * (limits.MAX_CODE_BYTES + 1)}, LimitExceeded, "its code"),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused(tmp_path: Path, changes: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        open_checkpoint(archive(tmp_path / "net.mar", **changes))


def test_archives_in_archives_are_refused(tmp_path: Path) -> None:
    import gzip

    for content in (archive(tmp_path / "inner.mar").read_bytes(), gzip.compress(weights())):
        with pytest.raises(NotWeights, match="are an archive themselves, or compressed"):
            open_checkpoint(archive(tmp_path / "net.mar", **{"net.pth": content}))


def test_load_archive_imports_the_class_and_never_the_handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = load_archive(archive(tmp_path / "net.mar"))
    assert model is not None
    assert model.labels == ("cat", "dog", "owl")
    expected = torch.ones(1, 4) @ torch.arange(12.0).reshape(3, 4).T + 1
    assert torch.equal(torch.from_numpy(model.predict([1, 1, 1, 1]).array), expected)
    assert load_archive(tmp_path / "net.mar", labels=["a", "b", "c"]).labels == ("a", "b", "c")  # type: ignore[union-attr]
    assert not (tmp_path / "mark").exists()


def test_a_packed_archive_carries_the_source_of_its_class(tmp_path: Path) -> None:
    bundle = pthway.pack(archive(tmp_path / "net.mar"), tmp_path / "net.bundle", programs=["eager"])
    assert sorted(name for name in bundle.manifest.files if name.startswith("source/")) == [
        "source/model.py", "source/parts/__init__.py", "source/parts/width.py",
    ]  # fmt: skip
    assert bundle.manifest.labels == ("cat", "dog", "owl")
    assert bundle.manifest.provenance.file == "net.mar"
    assert pthway.open_session(bundle).predict([1, 1, 1, 1]).label == "owl"


def test_an_archive_without_the_source_of_its_class_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(ArchitectureNotFound, match="without the source of its class"):
        load_archive(archive(tmp_path / "net.mar", model={"modelFile": None}))


def test_loading_alone_runs_no_code_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = archive(tmp_path / "net.mar", **{"model.py": HANDLER})
    with pytest.raises(ArchitectureNotFound):
        pthway.load(path)
    assert not (tmp_path / "mark").exists()


def test_one_record_as_file_and_as_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match="as a file and as a folder"):
        load_archive(archive(tmp_path / "net.mar", **{"model.py/more.py": ""}))
