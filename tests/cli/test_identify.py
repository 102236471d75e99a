"""``pthway identify`` as a user meets it, and the file that it needs in what is installed."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from tests.architecture.bert import bert
from tests.architecture.residual import Residual, resnet50
from tests.cli.test_command_line import pthway_command

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("zoo") / "flowers.pth"
    torch.save(Residual(num_classes=5).state_dict(), path)
    return str(path)


def test_identify_names_the_network_and_the_line_that_loads_it(flowers: str) -> None:
    done = pthway_command("identify", flowers)
    assert done.returncode == 0 and done.stderr == ""
    told = {line[:11].strip(): line[12:] for line in done.stdout.splitlines()}
    assert told["is"] == "torchvision:resnet18" and told["next"] == f'pthway.load("{flowers}")'
    assert told["classes"] == "5 (fc.weight is [5, 512]: dimension 0); the library's own number is 1000"


def test_identify_gives_json(flowers: str) -> None:
    found = json.loads(pthway_command("identify", flowers, "--json").stdout)
    assert found["certain"] is True and found["relatives"] == []
    expected = {"name": "torchvision:resnet18", "arguments": {"num_classes": 5}, "classes": 5, "channels": 3}
    assert found["networks"] == [[expected]]


def test_identify_imports_neither_torch_nor_numpy_nor_a_library(flowers: str) -> None:
    probe = f"import sys; sys.argv = ['pthway', 'identify', {flowers!r}]\nfrom pthway.cli import main\n"
    probe += "try:\n    main()\nfinally:\n    assert not {'torch', 'numpy', 'rich', 'timm', 'torchvision'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "torchvision:resnet18" in done.stdout


def test_identify_lists_a_group_with_the_settings(tmp_path: Path) -> None:
    torch.save({f"module.{name}": tensor for name, tensor in resnet50().state_dict().items()}, tmp_path / "m.pth")
    done = pthway_command("identify", str(tmp_path / "m.pth"))
    assert done.returncode == 0
    assert "timm:resnetblur50: aa_layer=BlurPool2d" in done.stdout and "'module.' taken off 320 names" in done.stdout


def test_identify_exits_with_1_when_no_network_has_all_of_the_weights(tmp_path: Path) -> None:
    torch.save(Residual((2, 3, 2, 2)).state_dict(), tmp_path / "m.pth")
    done = pthway_command("identify", str(tmp_path / "m.pth"))
    assert done.returncode == 1 and "the checkpoint has 3 blocks in layer2, resnet18 builds 2" in done.stdout
    (relative, *_) = json.loads(pthway_command("identify", str(tmp_path / "m.pth"), "--json").stdout)["relatives"]
    assert "torchvision:resnet18" in relative["names"] and relative["contained"] is False
    torch.save({"weight": torch.zeros(3)}, tmp_path / "m.pth")
    done = pthway_command("identify", str(tmp_path / "m.pth"))
    assert done.returncode == 1 and "no network of timm" in done.stdout


def test_identify_takes_one_of_several_state_dicts(tmp_path: Path) -> None:
    torch.save({"model": Residual().state_dict(), "ema": Residual(num_classes=9).state_dict()}, tmp_path / "m.pth")
    assert pthway_command("identify", str(tmp_path / "m.pth")).returncode == 3
    assert "9 (fc.weight" in pthway_command("identify", str(tmp_path / "m.pth"), "--weights", "ema").stdout


def test_names_from_the_file_are_escaped(tmp_path: Path) -> None:
    torch.save({**Residual().state_dict(), "\x1b[31mred.weight": torch.zeros(1)}, tmp_path / "m.pth")
    done = pthway_command("identify", str(tmp_path / "m.pth"))
    assert done.returncode == 1 and "\x1b" not in done.stdout and r"\x1b[31mred" in done.stdout


def written(path: Path, prefix: str = "") -> Path:
    sizes = {"hidden": 32, "layers": 2, "vocabulary": 99, "inner": 64}
    torch.save({prefix + name: torch.zeros(each.shape) for name, each in bert(**sizes, labels=3).items()}, path)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_identify_names_a_class_of_transformers_with_its_settings_and_what_is_open(tmp_path: Path, prefix: str) -> None:
    done = pthway_command("identify", str(written(tmp_path / "m.pth", prefix)))
    assert done.returncode == 0 and done.stderr == ""
    assert "transformers:BertForSequenceClassification" in done.stdout
    told = {line[:11].strip(): line[12:] for line in done.stdout.splitlines()}
    assert {"num_hidden_layers=2", "hidden_size=32", "vocab_size=99", "num_labels=3"} <= set(told["settings"].split(", "))
    assert "num_attention_heads=12" in told["open"] and "config.json" in told["next"]


def test_identify_gives_the_settings_of_a_class_as_json(tmp_path: Path) -> None:
    found = json.loads(pthway_command("identify", str(written(tmp_path / "m.pth")), "--json").stdout)
    (first, *_) = found["classes"]
    assert "transformers:BertForSequenceClassification" in first["names"] and first["settings"]["num_labels"] == 3
    assert first["open"]["num_attention_heads"] == 12 and found["certain"] is False and "transformers" in found["index"]


def test_identify_imports_nothing_for_a_class_of_transformers(tmp_path: Path) -> None:
    probe = f"import sys; sys.argv = ['pthway', 'identify', {str(written(tmp_path / 'm.pth'))!r}]\nfrom pthway.cli import main\n"
    probe += "try:\n    main()\nfinally:\n    assert not {'torch', 'numpy', 'rich', 'transformers'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "transformers:BertForSequenceClassification" in done.stdout


def test_the_wheel_holds_the_indices(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    for name in ("index.bin", "transformers.bin"):
        packed = zipfile.ZipFile(wheel).read(f"pthway/architecture/zoo/{name}")
        assert packed == (ROOT / "src" / "pthway" / "architecture" / "zoo" / name).read_bytes()
