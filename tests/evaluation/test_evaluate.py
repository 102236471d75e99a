"""A bundle is as right as scikit-learn says of its own answers, whatever form the data has."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import metrics
from torch import nn

import pthway
from pthway.errors import MissingFile, UsageError
from pthway.evaluation import evaluation

DEMO = Path(pthway.__file__).parent / "demo"
HELD_OUT = np.load(DEMO / "held_out.npz")
PIXELS, TRUTH = HELD_OUT["images"][:90], HELD_OUT["labels"][:90]
SCALED = PIXELS / np.float32(255)


@pytest.fixture(scope="module")
def model() -> pthway.Model:
    return pthway.load(DEMO / "digits.pth", f"{DEMO / 'digitnet.py'}:DigitNet")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for index, (image, label) in enumerate(zip(PIXELS, TRUTH, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(image[0]).save(folder / str(label) / f"{index}.png")
    return folder


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    np.savez(tmp_path / "data.npz", inputs=SCALED, labels=TRUTH)
    return tmp_path / "data.npz"


def expected(model):
    return metrics.accuracy_score(TRUTH, model.predict(SCALED).array.argmax(1))


def table(path, rows=SCALED, truth=TRUTH, target="digit"):
    lines = [",".join([f"p{index}" for index in range(rows[0].size)] + [target])]
    lines += [",".join([*(repr(float(number)) for number in row.ravel()), str(label)]) for row, label in zip(rows, truth, strict=True)]
    path.write_text("\n".join(lines))
    return path


def test_a_folder_for_each_class(digits_bundle, photos, model):
    found = pthway.evaluate(digits_bundle, photos)
    assert (found.samples, found.unreadable_count, found.comparison) == (90, 0, None)
    assert found.figures.accuracy == pytest.approx(expected(model))
    by_class = metrics.confusion_matrix(TRUTH, model.predict(SCALED).array.argmax(1), labels=range(10))
    assert found.figures.confusion == tuple(map(tuple, by_class.tolist()))


@pytest.mark.parametrize("form", ["npz", "csv", "files"])
def test_arrays_and_tables_give_the_same_figures_as_the_folder(form, digits_bundle, photos, arrays, tmp_path):
    match form:
        case "npz":
            data, target = arrays, None
        case "csv":
            data, target = table(tmp_path / "data.csv"), "digit"
        case "files":
            data, target = tmp_path / "list.csv", "digit"
            lines = [f"{path},{path.parent.name}" for path in sorted(photos.rglob("*.png"))]
            data.write_text("\n".join(["image,digit", *lines]))
    one, other = pthway.evaluate(digits_bundle, data, target=target).figures, pthway.evaluate(digits_bundle, photos).figures
    assert one.confusion == other.confusion
    assert one.log_loss == pytest.approx(other.log_loss, rel=1e-5)


def test_batches_are_bounded_and_their_size_changes_nothing(digits_bundle, arrays, monkeypatch):
    whole = pthway.evaluate(digits_bundle, arrays).figures
    sizes: list[int] = []
    answered = pthway.Session.predict

    def predict(session, x, **options):
        sizes.append(len(x["x"]))
        return answered(session, x, **options)

    monkeypatch.setattr(pthway.Session, "predict", predict)
    monkeypatch.setattr(evaluation, "BATCH_BYTES", 7 * SCALED[0].nbytes)
    told: list[int] = []
    parts = pthway.evaluate(digits_bundle, arrays, progress=told.append)
    assert set(sizes[:-1]) == {7} and sum(sizes) == 90 and told[-1] == 90
    monkeypatch.setattr(evaluation, "BATCH_SAMPLES", 4)
    pthway.evaluate(digits_bundle, arrays)
    assert sizes[-1] == 2 and sizes[-2] == 4
    assert parts.figures.confusion == whole.confusion and parts.figures.log_loss == pytest.approx(whole.log_loss)


def test_what_cannot_be_read_is_left_out_listed_and_counted(digits_bundle, photos, tmp_path):
    folder = tmp_path / "photos"
    (folder / "3").mkdir(parents=True)
    (folder / "3" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    Image.new("L", (20, 20)).save(folder / "3" / "b.png")
    (folder / "3" / "c.png").write_bytes(next((photos / "3").iterdir()).read_bytes())
    (folder / "loose.txt").write_text("x")
    found = pthway.evaluate(digits_bundle, folder)
    assert found.samples == 1 and found.unreadable_count == 3
    reasons = {each.name: each.reason for each in found.unreadable}
    assert set(reasons) == {"loose.txt", "3/a.png", "3/b.png"}
    assert (
        "damaged image" in reasons["3/a.png"] and "20 high × 20 wide" in reasons["3/b.png"] and "no class's folder" in reasons["loose.txt"]
    )


def test_samples_that_are_answered_with_nan_are_left_out(digits_bundle, tmp_path):
    broken = SCALED.copy()
    broken[5] = np.nan
    np.savez(tmp_path / "data.npz", inputs=broken, labels=TRUTH)
    found = pthway.evaluate(digits_bundle, tmp_path / "data.npz")
    assert found.samples == 89 and [each.name for each in found.unreadable] == ["data.npz[5]"]
    assert "NaN" in found.unreadable[0].reason


def test_faulty_rows_of_a_table_are_listed(digits_bundle, tmp_path):
    path = table(tmp_path / "data.csv", SCALED[:3], TRUTH[:3])
    with path.open("a") as stream:
        stream.write("\n1,2,3\n" + ",".join(["x", *["0"] * 63, "1"]) + "\n" + ",".join(["nan", *["0"] * 63, "1"]) + "\n")
    found = pthway.evaluate(digits_bundle, path, target="digit")
    assert found.samples == 3
    assert [(each.name, each.reason) for each in found.unreadable] == [
        ("data.csv:5", "has 3 columns, the header 65"),
        ("data.csv:6", "holds no number in the column p0"),
        ("data.csv:7", "holds no number in the column p0"),
    ]


def test_two_runtimes_are_compared_on_the_same_samples(digits_bundle, arrays):
    found = pthway.evaluate(digits_bundle, arrays, runtime="onnxruntime", against_runtime="eager")
    assert [side.runtime for side in found.sides] == ["onnxruntime", "eager"]
    assert (found.comparison.differing, found.comparison.p, found.comparison.samples) == (0, 1, 90)


@pytest.fixture(scope="module")
def worse(model, tmp_path_factory) -> Path:
    """The same network, but for a class that it never answers."""
    network = pthway.load(DEMO / "digits.pth", f"{DEMO / 'digitnet.py'}:DigitNet")
    with torch.no_grad():
        network.module.classifier[-1].bias[3] = -100.0
    path = tmp_path_factory.mktemp("worse") / "worse.bundle"
    pthway.pack(pthway.wrap(network.module), path, programs=["onnxruntime"])
    return path


def test_two_bundles_are_compared_pair_by_pair(digits_bundle, worse, arrays, model):
    found = pthway.evaluate(digits_bundle, arrays, against=worse)
    first = model.predict(SCALED).array
    second = first.copy()
    second[:, 3] -= 100
    right = [scores.argmax(1) == TRUTH for scores in (first, second)]
    assert found.comparison.only_first == int((right[0] & ~right[1]).sum()) > 0
    assert found.comparison.only_second == int((right[1] & ~right[0]).sum())
    assert found.comparison.differing == int((first.argmax(1) != second.argmax(1)).sum())
    assert found.sides[1].figures.accuracy == pytest.approx(right[1].mean())


def test_a_class_that_the_bundle_does_not_have_is_named_before_anything_runs(digits_bundle, model, tmp_path):
    (tmp_path / "photos" / "ten").mkdir(parents=True)
    Image.new("L", (8, 8)).save(tmp_path / "photos" / "ten" / "a.png")
    with pytest.raises(UsageError, match="class 'ten', which the bundle does not have"):
        pthway.evaluate(digits_bundle, tmp_path / "photos")
    np.savez(tmp_path / "data.npz", inputs=SCALED[:2], labels=[3, 10])
    with pytest.raises(UsageError, match="class 10, which the bundle does not have"):
        pthway.evaluate(digits_bundle, tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("write", "target", "match"),
    [
        (lambda p: p.write_text("1,2\n3,4\n"), None, "has no header"),
        (lambda p: p.write_text("a,b\n3,4\n"), None, "columns a, b; none is named"),
        (lambda p: p.write_text("a,b\n3,4\n"), "c", "'c' is not among them"),
        (lambda p: p.write_text("a,a\n3,4\n"), "a", "'a' is twice among them"),
        (lambda p: np.savez(p, inputs=SCALED), None, "which holds the answers is not plain"),
        (lambda p: np.savez(p, inputs=SCALED, labels=TRUTH, y=TRUTH), None, "which holds the answers is not plain"),
        (lambda p: np.savez(p, inputs=SCALED, labels=TRUTH[:3]), None, "as many rows"),
        (lambda p: np.savez(p, a=SCALED, b=SCALED, labels=TRUTH), None, "inputs a, b; the network takes 1"),
        (lambda p: np.savez(p, inputs=SCALED[:, :, :3], labels=TRUTH), None, "No sample of .* could be used"),
        (lambda p: p.mkdir(), None, "holds no folders"),
    ],
)
def test_data_in_another_form_is_refused(write, target, match, digits_bundle, tmp_path):
    path = tmp_path / "data"
    write(path)
    path = path if path.exists() else tmp_path / "data.npz"
    with pytest.raises(UsageError, match=match):
        pthway.evaluate(digits_bundle, path, target=target)


def test_data_that_is_not_there_is_a_missing_file(digits_bundle, tmp_path):
    with pytest.raises(MissingFile, match="does not exist"):
        pthway.evaluate(digits_bundle, tmp_path / "none")


@pytest.fixture(scope="module")
def line(tmp_path_factory) -> Path:
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -2.0]]))
        network.bias.zero_()
    path = tmp_path_factory.mktemp("line") / "line.bundle"
    pthway.pack(pthway.wrap(network), path, programs=["onnxruntime"], preparation=pthway.ColumnPreparation(mean=(1.0, 0.0)))
    return path


def test_values_have_errors_and_columns_are_scaled(line, tmp_path):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(50, 2))
    values = (rows[:, 0] - 1) - 2 * rows[:, 1]
    truth = values + draw.normal(0, 0.1, 50)
    found = pthway.evaluate(line, table(tmp_path / "data.csv", rows, truth), target="digit").figures
    assert found.mean_absolute_error == pytest.approx(metrics.mean_absolute_error(truth, values), rel=1e-4)
    assert found.r2 == pytest.approx(metrics.r2_score(truth, values), rel=1e-4)
    with pytest.raises(UsageError, match="answer 'red'"):
        pthway.evaluate(line, table(tmp_path / "text.csv", rows[:1], ["red"]), target="digit")


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "pthway", "evaluate", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_command_prints_writes_and_draws(digits_bundle, worse, photos, model, tmp_path):
    done = command(digits_bundle, photos, "--against", worse, "--top", "3", "--plot", tmp_path / "plot.png", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sides"][0]["figures"]["accuracy"] == pytest.approx(expected(model))
    assert list(found["sides"][0]["figures"]["top"]) == ["3"]
    with Image.open(tmp_path / "plot.png") as drawn:
        assert drawn.size[0] > 500
    text = command(digits_bundle, photos, "--against", worse).stdout
    rows = [row.split("\t") for row in text.splitlines()]
    assert ["accuracy", f"{expected(model):.2%}"] == rows[2][:2] and rows[0][2] == "worse 1, onnxruntime"
    assert "McNemar's exact test" in text and "class\tsamples" in text and "true \\ answered" in text


def test_the_plot_of_values_is_drawn_and_another_ending_refused(line, tmp_path):
    data = table(tmp_path / "data.csv", np.ones((3, 2)), [1, 2, 3])
    assert command(line, data, "--target", "digit", "--plot", tmp_path / "plot.svg").returncode == 0
    assert b"<svg" in (tmp_path / "plot.svg").read_bytes()
    done = command(line, data, "--target", "digit", "--plot", tmp_path / "plot.jpg")
    assert done.returncode == 2 and "Name it plot.png" in done.stderr


def test_evaluating_with_onnx_runtime_imports_no_torch(digits_bundle, arrays):
    code = "import sys, pthway; pthway.evaluate(*sys.argv[1:], runtime='onnxruntime'); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code, str(digits_bundle), str(arrays)], check=False).returncode == 0
