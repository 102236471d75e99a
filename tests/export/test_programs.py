"""Programs that are made: what drifts is not kept, weights are stored once, and what was not asked for is not made."""

import os

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import pthway
from pthway.errors import NotExportable
from pthway.export import onnx_program


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.body(x))


def broken(monkeypatch, name):
    """Let the exporter of ONNX write one weight wrongly."""
    write = onnx_program.write

    def wrongly(graph, referred, folder):
        made = write(graph, referred, folder)
        model = onnx.load(folder / "model.onnx")
        weight = next(each for each in model.graph.initializer if each.name.endswith(name))
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + np.float32(0.25), weight.name))
        onnx.save(model, folder / "model.onnx")
        return made

    monkeypatch.setattr(onnx_program, "write", wrongly)


@pytest.mark.parametrize(("weight", "layer"), [("body.2.weight", r"body\.2 \(Linear\)"), ("head.bias", r"head \(Linear\)")])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_program_that_drifts_is_refused_and_its_first_wrong_layer_named(tmp_path, monkeypatch, weight, layer, runtime):
    pytest.importorskip(runtime)
    broken(monkeypatch, weight)
    with pytest.raises(NotExportable, match=rf"{runtime} gives other answers.*the first layer that drifts is {layer}, step"):
        pthway.pack(pthway.wrap(Network(), example=torch.randn(2, 6)), tmp_path / "x.bundle", programs=[runtime])
    assert not list(tmp_path.iterdir())


def test_a_program_that_drifts_is_left_out_and_told_of_when_nobody_asked_for_it(tmp_path, monkeypatch):
    broken(monkeypatch, "body.0.weight")
    bundle = pthway.pack(pthway.wrap(Network(), example=torch.randn(2, 6)), tmp_path / "x.bundle")
    assert [program.runtime for program in bundle.manifest.programs] == ["exported"]
    assert any(note.startswith("onnxruntime: ") and "body.0 (Linear)" in note for note in bundle.manifest.notes)
    assert not (bundle.folder / "model.onnx").exists() and not (bundle.folder / "drift.onnx").exists()


def test_what_compiles_for_minutes_is_made_only_when_asked_for(tmp_path, monkeypatch):
    bundle = pthway.pack(pthway.wrap(Network(), example=torch.randn(2, 6)), tmp_path / "x.bundle")
    assert {"aotinductor", "compiled"}.isdisjoint(program.runtime for program in bundle.manifest.programs)
    monkeypatch.setenv("CXX", "no-such-compiler")
    for runtime in ("aotinductor", "compiled"):
        with pytest.raises(NotExportable, match=r"no C\+\+ compiler no-such-compiler|cannot be built again"):
            pthway.pack(pthway.wrap(Network(), example=torch.randn(2, 6)), tmp_path / "y.bundle", programs=[runtime])


class Wide(nn.Module):
    """Twenty megabytes of weights, and a table that is no weight."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 1600), nn.ReLU(), nn.Linear(1600, 1600), nn.ReLU(), nn.Linear(1600, 1600))
        self.register_buffer("table", torch.randn(1600), persistent=False)

    def forward(self, x):
        return self.layers(x) + self.table


def test_weights_are_stored_once_for_all_programs(tmp_path):
    torch.manual_seed(0)
    module = Wide()
    bundle = pthway.pack(pthway.wrap(module, example=torch.randn(2, 8)), tmp_path / "x.bundle")
    assert {program.runtime for program in bundle.manifest.programs} >= {"exported", "onnxruntime"}
    weights = sum(tensor.nbytes for tensor in module.state_dict().values())
    everything = sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file())
    assert weights > 20_000_000
    assert everything < 1.1 * weights
    x = torch.randn(5, 8)
    for program in bundle.manifest.programs:
        got = pthway.open_session(bundle, runtime=program.runtime).run({"x": x.numpy()})["output"]
        np.testing.assert_allclose(got, module(x).detach().numpy(), rtol=1e-4, atol=1e-4)


def test_no_file_of_a_bundle_names_a_folder_of_the_machine(tmp_path):
    bundle = pthway.pack(pthway.wrap(Wide(), example=torch.randn(2, 8)), tmp_path / "x.bundle")
    for path in bundle.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert os.fsencode(tmp_path) not in data and os.fsencode(os.path.dirname(__file__)) not in data, path.name  # noqa: PTH120
