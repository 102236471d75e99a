"""pack, verify, inspect and predict of a bundle, as a user meets them."""

import json
import shutil
import subprocess
import sys
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

import pthway
from pthway.bundle import manifest
from pthway.bundle.folder import GOLDEN, SUMS, sums_text
from pthway.cli import parser
from pthway.cli.preparing import preparation_of, reading_of
from pthway.data.preparation import ColumnPreparation, ImagePreparation
from pthway.data.reading import Reading
from pthway.errors import UsageError

DEMO = Path(pthway.__file__).parent / "demo"
DIGITS, NETWORK = str(DEMO / "digits.pth"), f"{DEMO / 'digitnet.py'}:DigitNet"
IMAGES = sorted(map(str, (DEMO / "images").glob("*.png")))
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pthway", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed by the command with every option that describes; answered by eager torch alone, which is quick to pack."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "labels.txt").write_text("\n".join(WORDS))
    (folder / "post.py").write_text("def doubled(outputs):\n    return {'output': outputs['output'] * 2}\n")
    np.save(folder / "x.npy", np.load(DEMO / "held_out.npz")["images"][:3] / np.float32(255))
    done = command(
        *("pack", DIGITS, "--arch", NETWORK, "-o", folder / "my.zip", "--program", "eager", "--labels", folder / "labels.txt"),
        *("--name", "digits", "--model-version", "2.1", "--description", "reads digits", "--licence", "CC-BY-4.0"),
        *("--example", folder / "x.npy", "--image-size", "8", "--resize", "shorter", "--shorter", "9", "--crop", "center"),
        *("--mean", "0", "--std", "1", "--softmax", "--top", "2", "--after", f"{folder / 'post.py'}:doubled", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "digits"
    return folder / "my.zip"


def test_pack_writes_what_its_options_say(packed: Path) -> None:
    bundle = pthway.open_bundle(packed)
    told = bundle.manifest
    assert (told.name, told.version, told.description, told.licence) == ("digits", "2.1", "reads digits", "CC-BY-4.0")
    assert told.labels == tuple(WORDS) and [program.runtime for program in told.programs] == ["eager"]
    assert told.preparation == ImagePreparation((0.0,), (1.0,), size=(8, 8), resize="shorter", shorter=9, crop="center")
    assert told.reading == Reading("softmax", top=2) and told.functions == {"after": "post.py:doubled"}
    assert told.golden.given
    np.testing.assert_array_equal(bundle.records()["2"].inputs["x"], np.load(packed.parent / "x.npy")[:2])


def test_pack_makes_other_inputs_of_another_seed_and_overwrites_when_forced(digits_bundle: Path, tmp_path: Path) -> None:
    def inputs(path: Path) -> np.ndarray:
        return pthway.open_bundle(path).records()["1"].inputs["x"]

    again = ("pack", DIGITS, "--arch", NETWORK, "-o", tmp_path / "digits.bundle", "--program", "eager")
    done = command(*again, "--seed", "1")
    assert done.returncode == 0 and "eager\tits source" in done.stdout, done.stderr
    assert not np.array_equal(inputs(tmp_path / "digits.bundle"), inputs(digits_bundle))
    assert command(*again, "--force").returncode == 0
    assert np.array_equal(inputs(tmp_path / "digits.bundle"), inputs(digits_bundle))


def test_pack_takes_class_and_labels_from_an_archive_of_torchserve(tmp_path: Path) -> None:
    model = {"modelName": "digits", "serializedFile": "digits.pth", "modelFile": "digitnet.py", "handler": "image_classifier"}
    with zipfile.ZipFile(tmp_path / "digits.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"model": model, "modelServerVersion": "1.0", "createdOn": "x"}))
        archive.write(DIGITS, "digits.pth")
        archive.write(DEMO / "digitnet.py", "digitnet.py")
        archive.writestr("index_to_name.json", json.dumps({str(index): word for index, word in enumerate(WORDS)}))
    done = command("pack", tmp_path / "digits.mar", "-o", tmp_path / "digits.bundle", "--program", "eager")
    assert done.returncode == 0, done.stderr
    assert pthway.open_bundle(tmp_path / "digits.bundle").manifest.labels == tuple(WORDS)


def test_predict_reads_and_answers_as_the_bundle_says(packed: Path) -> None:
    done = command("predict", packed, *IMAGES)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    resized = [Image.open(path).resize((9, 9), Image.Resampling.BILINEAR).crop((0, 0, 8, 8)) for path in IMAGES]
    scores = pthway.load(DIGITS, NETWORK).predict(np.stack([np.asarray(image, np.float32)[None] / 255 for image in resized])).array
    assert [row[1] for row in rows[1::2]] == [WORDS[index] for index in scores.argmax(1)] and len(rows) == 11
    assert "resized to 9×9" in done.stderr and "cropped to the middle 8×8" in done.stderr
    other = json.loads(command("predict", packed, IMAGES[0], "--json", "--sigmoid", "--threshold", "0.9", "--resize", "stretch").stdout)
    assert {"label", "probability", "classes", "outputs"} < set(other[0])
    assert all(each["probability"] >= 0.9 for each in other[0]["classes"])


def test_predict_with_onnx_runtime_gives_the_numbers_of_the_weights_and_imports_no_torch(digits_bundle: Path, tmp_path: Path) -> None:
    assert command("predict", DIGITS, *IMAGES, "--arch", NETWORK, "-o", tmp_path / "torch.npy").returncode == 0
    argv = ["pthway", "predict", str(digits_bundle), *IMAGES, "-o", str(tmp_path / "onnx.npy"), "--runtime", "onnxruntime"]
    probe = (
        f"import sys; sys.argv = {argv!r}\nfrom pthway.cli import main\ntry:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "onnx.npy"), np.load(tmp_path / "torch.npy"), rtol=1e-4, atol=1e-4)


def test_options_of_the_other_kind_of_file_are_refused(digits_bundle: Path) -> None:
    with_arch = command("predict", digits_bundle, IMAGES[0], "--arch", NETWORK)
    assert with_arch.returncode == 2 and "--arch is given with the bundle" in with_arch.stderr
    with_runtime = command("predict", DIGITS, IMAGES[0], "--arch", NETWORK, "--runtime", "onnxruntime")
    assert with_runtime.returncode == 2 and "--runtime is for bundles" in with_runtime.stderr


def test_verify_says_how_far_each_runtime_is(digits_bundle: Path) -> None:
    done = command("verify", digits_bundle, "--runtime", "all")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows[1:3]] == [["onnxruntime", "as recorded"], ["eager", "as recorded"]]
    assert done.stdout.splitlines()[-1] == "other than when it was packed: nothing"
    only = json.loads(command("verify", digits_bundle, "--runtime", "onnxruntime", "--json").stdout)
    assert only["ok"] and [each["runtime"] for each in only["results"]] == ["onnxruntime"]


def test_verify_exits_with_1_and_names_the_number_that_is_other(digits_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "drifted.bundle"
    shutil.copytree(digits_bundle, path)
    arrays = load_file(path / GOLDEN)
    arrays["1/outputs/output"][0, 4] += 1
    save_file(arrays, path / GOLDEN)
    told = pthway.open_bundle(digits_bundle).manifest
    files = told.files | {GOLDEN: manifest.File(size=(path / GOLDEN).stat().st_size, sha256=manifest_sha(path / GOLDEN))}
    data = manifest.encode(manifest.replaced(told, files=files))
    (path / manifest.NAME).write_bytes(data)
    (path / SUMS).write_bytes(sums_text(data))
    done = command("verify", path)
    assert done.returncode == 1 and "record 1: output[0, 4] is" in done.stdout
    assert json.loads(command("verify", path, "--json").stdout)["ok"] is False
    assert command("predict", path, IMAGES[0]).returncode == 3


def manifest_sha(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_inspect_tells_of_a_bundle_what_it_holds_and_what_to_do(digits_bundle: Path, packed: Path) -> None:
    done = command("inspect", digits_bundle)
    assert done.returncode == 0 and "onnxruntime\tmodel.onnx" in done.stdout and f"pthway verify {digits_bundle}" in done.stdout
    zipped = command("inspect", packed)
    assert zipped.returncode == 0 and "classes     zero, one, two, three, four, five and 4 more" in zipped.stdout
    assert json.loads(command("inspect", packed, "--json").stdout)["licence"] == "CC-BY-4.0"


def test_a_folder_that_calls_itself_a_bundle_is_refused_as_one(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    done = command("inspect", tmp_path)
    assert done.returncode == 3 and "has no file SHA256SUMS" in done.stderr


def parsed(*words: str) -> Namespace:
    return parser().parse_args(["pack", "m.pth", "-o", "m.bundle", *words])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), None),
        (("--image-size", "224"), ImagePreparation(size=(224, 224))),
        (("--image-size", "480x640", "--resize", "pad", "--fill", "114"), ImagePreparation(size=(480, 640), resize="pad", fill=114)),
        (("--bgr", "--scale", "1"), ImagePreparation(order="bgr", scale=1.0)),
        (("--resize", "stretch", "--no-antialias"), ImagePreparation(resize="stretch", antialias=False)),
        (("--resize", "stretch", "--interpolation", "bicubic"), ImagePreparation(resize="stretch", interpolation="bicubic")),
        (("--mean", "0.5", "--std", "0.1,0.2,0.3"), ImagePreparation((0.5,), (0.1, 0.2, 0.3))),
        (("--columns-mean=-1,2", "--columns-std", "2,4"), ColumnPreparation((-1.0, 2.0), (2.0, 4.0))),
    ],
)
def test_the_options_say_the_preparation(words: tuple[str, ...], expected: object) -> None:
    assert preparation_of(parsed(*words)) == expected


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--image-size", "big"), "--image-size big is no size"),
        (("--image-size", "1x2x3"), "is no size"),
        (("--mean", "a"), "--mean a is no list of numbers"),
        (("--columns-mean", "1", "--bgr"), "--bgr is for images"),
        (("--shorter", "9"), "goes with resize='shorter'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(words: tuple[str, ...], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        preparation_of(parsed(*words))


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "probabilities", "log-probabilities", "values"])
def test_the_options_say_the_reading(kind: str) -> None:
    assert reading_of(parsed()) is None
    assert reading_of(parsed(f"--{kind}")).kind == kind
    assert reading_of(parsed("--top", "3", "--threshold", "0.25")) == Reading("auto", 3, 0.25)
