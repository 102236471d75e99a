"""An architecture by class, factory, file or package, or an error that says what to write."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from pthway.architecture.resolve import resolve
from pthway.errors import ArchitectureNotFound
from tests.architecture.networks import SimpleMLP

NET = """
from torch import nn

class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc = nn.Linear(n, n)

class Net(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        self.block = Block(n)

    class Small(nn.Module):
        pass

if __name__ == "__main__":
    raise SystemExit("the script part runs")
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_class_a_function_and_a_partial_are_taken_as_they_are() -> None:
    assert resolve(SimpleMLP).name == "SimpleMLP"
    assert resolve(SimpleMLP).source == Path(__file__).with_name("networks.py")

    def factory() -> nn.Module:
        return nn.Linear(1, 1)

    assert resolve(factory).name == "factory"
    assert resolve(functools.partial(SimpleMLP, 3)).factory(2, 1).fc1.weight.shape == (2, 3)


def test_a_class_in_a_file_is_found_without_running_its_script_part(tmp_path: Path) -> None:
    found = resolve(f"{written(tmp_path / 'net.py', NET)}:Net")
    assert found.factory(3).block.fc.weight.shape == (3, 3)
    assert found.source == tmp_path / "net.py"
    assert resolve(f"{tmp_path / 'net.py'}:Net.Small").factory.__name__ == "Small"


def test_a_relative_path_is_taken_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "net.py", NET)
    monkeypatch.chdir(tmp_path)
    assert resolve("net.py:Net").name == "net.py:Net"


def test_the_name_may_be_left_out_where_one_class_uses_the_others(tmp_path: Path) -> None:
    assert resolve(str(written(tmp_path / "net.py", NET))).factory.__name__ == "Net"
    assert resolve(written(tmp_path / "net.py", NET)).factory.__name__ == "Net"


def test_several_outer_classes_are_listed_for_a_choice(tmp_path: Path) -> None:
    path = written(tmp_path / "two.py", "from torch import nn\nclass A(nn.Module): pass\nclass B(nn.Module): pass\n")
    with pytest.raises(ArchitectureNotFound, match=r'(?s)defines A, B.*Write ".*two.py:A"'):
        resolve(str(path))


def test_two_folders_with_siblings_of_the_same_name_do_not_mix(tmp_path: Path) -> None:
    for folder, size in (("a", 2), ("b", 3)):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "layers_pthway_test.py", f"SIZE = {size}\n")
        written(
            tmp_path / folder / "net.py",
            "from torch import nn\nfrom layers_pthway_test import SIZE\ndef make():\n    return nn.Linear(SIZE, SIZE)\n",
        )
    path_before = list(sys.path)
    built = [resolve(f"{tmp_path / folder / 'net.py'}:make").factory() for folder in ("a", "b", "a")]
    assert [module.weight.shape[0] for module in built] == [2, 3, 2]
    assert sys.path == path_before


def test_a_file_that_was_edited_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path / "net.py", "from torch import nn\ndef make():\n    return nn.Linear(1, 1)\n")
    assert resolve(f"{path}:make").factory().weight.shape == (1, 1)
    written(path, "from torch import nn\ndef make():\n    return nn.Linear(22, 1)\n")
    assert resolve(f"{path}:make").factory().weight.shape == (1, 22)


def test_a_package_is_imported_and_reached_into() -> None:
    assert resolve("torch.nn:Linear").factory is nn.Linear


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import absent_package_xyz", "(?s)line 1: import absent.*pip install absent_package_xyz"),
        ("x = 1\ny = x / 0", r"(?s)line 2: y = x / 0.*ZeroDivisionError"),
        ("def broken(:\n", "(?s)line 1.*SyntaxError"),
        ("from .layers import X", "(?s)relative import.*name it by its package"),
    ],
)
def test_a_file_that_fails_to_import_is_told_by_line_and_not_kept(tmp_path: Path, text: str, expected: str) -> None:
    modules = set(sys.modules)
    with pytest.raises(ArchitectureNotFound, match=expected) as caught:
        resolve(f"{written(tmp_path / 'bad.py', text)}:Net")
    assert caught.value.__cause__ is not None
    assert not [name for name in set(sys.modules) - modules if name.startswith("pthway_file_bad")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("absent.py:Net", "There is no file"),
        ("torch.nn:Linaer", 'Did you mean "torch.nn:Linear"'),
        ("torch.nn.Linear", 'like "torch.nn:Linear"'),
        ("absent_package_xyz.nets:Net", "pip install absent_package_xyz"),
        (":Net", "does not name"),
        ("net.py:1", "does not name"),
        ("torch.nn:functional", "cannot be called"),
        ("collections:OrderedDict", "is not a torch.nn.Module"),
    ],
)
def test_what_cannot_be_found_is_answered_with_what_to_write(text: str, expected: str) -> None:
    with pytest.raises(ArchitectureNotFound, match=expected):
        resolve(text)


def test_a_live_module_is_sent_to_wrap() -> None:
    with pytest.raises(ArchitectureNotFound, match=r"pthway\.wrap"):
        resolve(nn.Linear(1, 1))


def test_resolving_by_name_needs_no_torch() -> None:
    probe = "import sys; from pthway.architecture.resolve import resolve; resolve('json:loads'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", probe], check=True)
