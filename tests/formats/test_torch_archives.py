"""Archives of torch.export and torch.package: the oracles are the loaders of torch."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.package import PackageExporter, PackageImporter

from pthway import errors
from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.torch_tensors import tensors
from pthway.formats import open_container


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.second = nn.Linear(3, 4, bias=False)
        self.third = nn.Linear(4, 3, bias=False)
        self.third.weight = self.first.weight
        self.register_buffer("scale", torch.ones(3, dtype=torch.bfloat16))
        self.register_buffer("steps", torch.arange(3.0), persistent=False)
        self.shift = torch.full((3,), 2.0)

    def forward(self, x):
        return self.third(self.second(self.norm(self.first(x)))) + self.steps + self.shift + self.scale.float()


def same(path: Path, wanted: dict[str, torch.Tensor]) -> None:
    checkpoint = open_checkpoint(path)
    read = tensors(checkpoint.container, checkpoint.choose().tensors)
    assert sorted(read) == sorted(wanted)
    for name, value in wanted.items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value), name


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "net.pt2"
    torch.export.save(torch.export.export(Network().eval(), (torch.ones(2, 4),)), path)
    return path


def changed(path: Path, to: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return to


def test_weights_of_an_exported_program_are_its_state_dict(exported: Path) -> None:
    same(exported, dict(torch.export.load(exported).state_dict))


def test_an_exported_program_names_the_exact_torch_and_its_constants(exported: Path) -> None:
    checkpoint = open_checkpoint(exported)
    assert f"torch {torch.__version__}" in checkpoint.container.parts.written_by
    assert checkpoint.extras["constants of model"] == {"shift": "<tensor float32 [3]>", "steps": "<tensor float32 [3]>"}
    assert checkpoint.safety.verdict is Verdict.PLAIN


def test_the_older_layout_of_exported_programs_is_read(tmp_path: Path) -> None:
    state = Network().state_dict()
    stream = io.BytesIO()
    torch.save(state, stream)
    path = tmp_path / "old.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
        archive.writestr("serialized_state_dict.pt", stream.getvalue())
        archive.writestr("version", "5.3")
    same(path, state)
    assert "2.1 to 2.7 (schema version '5.3')" in open_container(path).parts.written_by


def test_an_exported_program_without_its_weights_is_refused(exported: Path, tmp_path: Path) -> None:
    path = changed(exported, tmp_path / "m.pt2", lambda name, content: None if name.endswith("weight_0") else content)
    with pytest.raises(errors.CorruptFile, match="lacks the record data/weights/weight_0"):
        open_container(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"as_int": 3', b'"as_int": -3', "outside"),
        (b'"as_int": 3', b'"as_int": 900', "beyond its storage"),
        (b'"as_int": 3', b'"as_name": "s0"', "no number"),
        (b'"dtype": 7', b'"dtype": 99', "unknown element type 99"),
        (b'"path_name": "weight_0"', b'"path_name": "../../etc"', "lacks the record"),
        (b'{"config"', b'{"other"', "no table"),
    ],
)
def test_a_table_of_weights_that_does_not_fit_is_refused(exported: Path, tmp_path: Path, old: bytes, new: bytes, words: str) -> None:
    path = changed(
        exported, tmp_path / "m.pt2", lambda name, content: content.replace(old, new) if name.endswith("weights_config.json") else content
    )
    with pytest.raises(errors.CorruptFile, match=words):
        open_container(path)


def test_compiled_programs_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/archive_format", "pt2")
        archive.writestr("m/data/aotinductor/model/c123.wrapper.so", b"\x7fELF")
    with pytest.raises(errors.NotWeights, match=r"compiled program of AOTInductor for model"):
        open_container(path)


def test_weights_of_a_package_are_read_with_its_python_version_and_sources(tmp_path: Path) -> None:
    path = tmp_path / "p.pt"
    with PackageExporter(str(path)) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", nn.Sequential(nn.Linear(3, 2), nn.ReLU()))
        exporter.save_source_string("extra.code", "raise SystemExit('never imported')")
    wanted = PackageImporter(str(path)).load_pickle("model", "model.pkl").state_dict()
    same(path, wanted)
    checkpoint = open_checkpoint(path)
    assert "never imported" in str(checkpoint.extras["extra/code.py"])
    assert "under Python 3." in checkpoint.container.parts.written_by


def test_several_pickles_of_a_package_are_several_state_dicts(tmp_path: Path) -> None:
    path = tmp_path / "p.pt"
    with PackageExporter(str(path)) as exporter:
        exporter.extern("**")
        exporter.save_pickle("a", "net.pkl", nn.Linear(3, 2))
        exporter.save_pickle("b", "net.pkl", nn.Linear(2, 2))
    assert [state.path for state in open_checkpoint(path).state_dicts] == ["a/net.pkl", "b/net.pkl"]
