"""A session prepares, runs and reads as its bundle says, with the packer's own functions around the network."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import pthway
from pthway.bundle.function_record import FUNCTIONS as RECORD_FILE
from pthway.errors import Drift, FunctionFailed, InputRefused, NotExportable, UsageError

DEMO = Path(pthway.__file__).parent / "demo"
IMAGES = sorted((DEMO / "images").glob("*.png"))
FUNCTIONS = """
import os
import numpy as np
import beside

def normalise(inputs):
    (x,) = inputs.values()
    x -= 3
    return {"x": x * beside.FACTOR * float(os.environ.get("FACTOR", "1"))}

def fold(inputs):
    (x,) = inputs.values()
    return {"x": x.reshape(-1, 4)}

def best(outputs):
    return {"best": outputs["output"].argmax(1), "least": outputs["output"].min(1)}

def several(outputs):
    return {"best": np.zeros(7)}

def text(outputs):
    return "text"

def fails(inputs):
    raise ValueError("no good")
"""


class Rows(nn.Module):
    """Four numbers to three scores."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of *x*."""
        return self.fc(x)


def write_source(folder: Path) -> Path:
    (folder / "prep.py").write_text(FUNCTIONS)
    (folder / "beside.py").write_text("FACTOR = 2.0\n")
    return folder / "prep.py"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path)


@pytest.fixture(scope="module")
def model() -> pthway.Model:
    torch.manual_seed(0)
    return pthway.wrap(Rows(), labels=["a", "b", "c"])


def pack(model: pthway.Model, tmp_path: Path, **options):
    return pthway.pack(model, tmp_path / "rows.bundle", programs=["onnxruntime"], **options)


@pytest.fixture(scope="module")
def packed(model: pthway.Model, tmp_path_factory: pytest.TempPathFactory):
    """A bundle with both functions, whose source is gone from where it was packed."""
    folder = tmp_path_factory.mktemp("packed")
    source = write_source(folder)
    bundle = pack(model, folder, before=f"{source}:normalise", after=f"{source}:best")
    source.unlink()
    return bundle


ROWS = np.random.default_rng(0).normal(2, 3, (5, 4)).astype(np.float32)


def test_functions_run_around_the_network_on_copies(model, packed):
    given = ROWS.copy()
    answer = pthway.open_session(packed).predict(given)
    expected = model.module(torch.from_numpy((ROWS - 3) * 2)).detach().numpy()
    assert answer.arrays["best"].tolist() == expected.argmax(1).tolist()
    np.testing.assert_allclose(answer.arrays["least"], expected.min(1), rtol=1e-4)
    assert np.array_equal(given, ROWS)
    assert pthway.verify(packed).ok


def test_functions_change_neither_the_golden_record_nor_what_run_gives(model, packed):
    record = packed.records()["2"]
    np.testing.assert_allclose(record.outputs["output"], model(torch.from_numpy(record.inputs["x"])).numpy(), rtol=1e-5)
    assert list(pthway.open_session(packed).run({"x": ROWS})) == ["output"]


def test_a_function_may_take_another_shape_if_an_example_shows_it(model, source, tmp_path):
    with pytest.raises(NotExportable, match=r"returns what the network does not take: .* best unknown"):
        pack(model, tmp_path, before=f"{source}:several")
    example = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    bundle = pack(model, tmp_path, before=f"{source}:fold", example=example[:, 0].reshape(1, 3, 4))
    answer = pthway.open_session(bundle).predict(example.reshape(1, 6, 4))
    np.testing.assert_allclose(answer.array, model.predict(example.reshape(6, 4)).array, rtol=1e-5)


def test_a_function_that_gives_other_numbers_here_is_an_error(packed, monkeypatch):
    monkeypatch.setenv("FACTOR", "1.01")
    session = pthway.open_session(packed)
    with pytest.raises(Drift, match=r"normalise of rows gives other numbers than when it was packed: x\["):
        session.predict(ROWS)
    monkeypatch.delenv("FACTOR")
    assert len(session.predict(ROWS)) == 5


def test_verifying_and_opening_import_no_function(packed):
    code = "import sys, pthway; from pathlib import Path; bundle = pthway.open_bundle(sys.argv[1]); session = pthway.open_session(bundle); "
    code += "assert pthway.verify(bundle).ok; assert 'beside' not in sys.modules; session.predict([[1, 2, 3, 4]]); "
    code += "assert 'beside' in sys.modules and 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code, str(packed.path)], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"before": "fails"}, FunctionFailed, r"raised ValueError: no good"),
        ({"after": "text"}, FunctionFailed, r"returned a str"),
        ({"after": "several"}, NotExportable, r"returns best of shape \(7,\) for 2 samples"),
        ({"before": "nothing"}, UsageError, r"has no 'nothing'"),
    ],
)
def test_functions_that_do_not_do_are_refused_when_packed(model, source, tmp_path, options, error, match):
    with pytest.raises(error, match=match):
        pack(model, tmp_path, **{role: f"{source}:{name}" for role, name in options.items()})
    assert not (tmp_path / "rows.bundle").exists()


def test_two_files_of_one_name_are_refused_rather_than_mixed(model, source, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "beside.py").write_text("FACTOR = 5\n")
    (tmp_path / "other" / "post.py").write_text("import beside\ndef best(outputs):\n    return outputs\n")
    with pytest.raises(NotExportable, match=r"Two files would be beside\.py"):
        pack(model, tmp_path, before=f"{source}:normalise", after=f"{tmp_path / 'other' / 'post.py'}:best")


def test_what_the_functions_gave_is_recorded_beside_the_golden_record(packed):
    kept = pthway.open(packed.file(RECORD_FILE))
    assert {"before/inputs/x", "before/outputs/x", "after/inputs/output", "after/outputs/best"} <= set(kept)
    np.testing.assert_array_equal(kept["before/outputs/x"].numpy(), (kept["before/inputs/x"].numpy() - 3) * 2)


def test_columns_are_scaled_and_the_output_read_as_the_bundle_says(model, tmp_path):
    preparation = pthway.ColumnPreparation(mean=(1.0, 2.0, 3.0, 4.0), std=(2.0,))
    bundle = pack(model, tmp_path, preparation=preparation, reading=pthway.Reading("sigmoid", threshold=0.4))
    answer = pthway.open_session(bundle).predict(ROWS)
    expected = model.module(torch.from_numpy(((ROWS - [1, 2, 3, 4]) / 2).astype(np.float32))).detach().sigmoid().numpy()
    np.testing.assert_allclose(answer.probabilities, expected, rtol=1e-4)
    assert [{label for label, _ in row} for row in answer.told] == [
        {name for name, chance in zip("abc", row, strict=True) if chance >= 0.4} for row in expected
    ]
    other = pthway.open_session(bundle).predict(ROWS, reading=pthway.Reading("softmax"), preparation=pthway.ColumnPreparation(std=(1.0,)))
    np.testing.assert_allclose(other.probabilities, model.predict(ROWS).probabilities, rtol=1e-4)


def test_a_preparation_that_does_not_lead_to_the_network_is_refused_when_packed(model, tmp_path):
    with pytest.raises(UsageError, match="mean has 3 numbers, the network takes 4 columns"):
        pack(model, tmp_path, preparation=pthway.ColumnPreparation(mean=(1.0, 2.0, 3.0)))
    with pytest.raises(UsageError, match="does not lead to what the network takes"):
        pack(model, tmp_path, preparation=pthway.ImagePreparation(size=(3, 3), resize="stretch"))


def test_images_are_brought_to_the_network_as_the_bundle_says(tmp_path):
    network = pthway.wrap(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 2)))
    preparation = pthway.ImagePreparation(mean=(0.5,), std=(0.25,), size=(8, 8), resize="shorter", shorter=9, crop="center", order="bgr")
    bundle = pthway.pack(network, tmp_path / "n.zip", programs=["onnxruntime"], preparation=preparation, example=IMAGES[0])
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save(tmp_path / "x.png")
    session = pthway.open_session(tmp_path / "n.zip")
    answer = session.predict(tmp_path / "x.png")
    np.testing.assert_allclose(answer.array, network.predict(tmp_path / "x.png", preparation=preparation).array, rtol=1e-4)
    assert "blue, green, red" in answer.steps
    given = bundle.records()["2"].inputs["0" if "0" in bundle.records()["2"].inputs else "input"]
    assert given.shape == (2, 3, 8, 8) and np.array_equal(given[0], given[1])


def test_names_that_the_network_does_not_take_are_refused(model, tmp_path):
    with pytest.raises(InputRefused, match="y unknown"):
        pthway.open_session(pack(model, tmp_path)).predict({"y": ROWS})
