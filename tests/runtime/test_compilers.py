"""AOTInductor and torch.compile: asked for, compiled, and held to the same answers."""

import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import pthway
from pthway.bundle import manifest
from pthway.errors import BundleRefused, InputRefused, MissingDependency
from pthway.runtime import aot_inductor
from pthway.runtime.runner import Settings, start

pytestmark = [
    pytest.mark.compilers,
    pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler"),
    pytest.mark.filterwarnings("ignore"),  # of torch's compilers
]


@pytest.fixture(scope="module")
def compiled(packed, tmp_path_factory):
    """A bundle with both, beside one example of a network that holds a constant which is no weight."""
    folder = tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "cache"))
        torch.save(packed.module("Shifted").state_dict(), folder / "shifted.pth")
        model = pthway.load(folder / "shifted.pth", packed.reference("Shifted"))
        yield pthway.pack(model, folder / "x.bundle", programs=["aotinductor", "compiled"])


@pytest.mark.parametrize("runtime", ["aotinductor", "compiled"])
def test_compiled_code_answers_as_eager_torch_for_any_number_of_samples_and_callers(packed, compiled, runtime):
    module, session = packed.module("Shifted"), pthway.open_session(compiled, runtime=runtime)
    asked = [np.random.default_rng(index).standard_normal((1 + index % 5, 6), dtype=np.float32) for index in range(16)]
    with ThreadPoolExecutor(8) as pool:
        for x, got in zip(asked, pool.map(lambda x: session.predict(x).array, asked), strict=True):
            np.testing.assert_allclose(got, module(torch.from_numpy(x)).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_compiled_code_holds_neither_weights_nor_its_source(packed, compiled):
    with zipfile.ZipFile(compiled.file("model.aoti.pt2")) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    assert any(name.endswith(".so") for name in records) and not any(name.endswith(".cpp") for name in records)
    weight = packed.module("Shifted").first.weight.detach().numpy().tobytes()
    assert all(weight not in data for data in records.values())
    assert compiled.file("constants.safetensors").exists()


def test_compiled_code_is_not_given_arrays_that_it_would_misread(compiled):
    """It does not look itself: a double or a shorter row would be read beyond its end."""
    session = pthway.open_session(compiled, runtime="aotinductor")
    for wrong in (np.ones((2, 6)), np.ones((2, 5), np.float32), np.ones(6, np.float32)):
        with pytest.raises(InputRefused, match="aotinductor does not run with x"):
            session.run({"x": wrong})


def test_compiled_code_is_refused_where_it_could_not_run(compiled, monkeypatch):
    program = next(each for each in compiled.manifest.programs if each.runtime == "aotinductor")
    here = compiled.manifest.provenance.environment
    monkeypatch.setattr(aot_inductor, "environment", lambda: manifest.replaced(here, instructions=()))
    if here.instructions:
        with pytest.raises(BundleRefused, match=rf"was made for .* without {here.instructions[0]}"):
            start(compiled, program, Settings(1))
    monkeypatch.setattr(aot_inductor, "environment", lambda: manifest.replaced(here, platform="Linux aarch64"))
    with pytest.raises(BundleRefused, match="here is Linux aarch64"):
        start(compiled, program, Settings(1))


def test_without_a_compiler_the_network_is_not_compiled(compiled, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingDependency, match=r"There is no C\+\+ compiler no-such-compiler"):
        pthway.open_session(compiled, runtime="compiled")
