"""Finding a class in a tree of files: which files are read, how names lead from one to another, and what is said of the outcome."""

import sys
from pathlib import Path

import pytest
from torch import nn

from pthway.architecture.difference import Shape
from pthway.architecture.source import limits
from pthway.architecture.source.decision import decide
from pthway.architecture.source.finding import Found, find
from pthway.architecture.source.ranking import Sought, tied
from pthway.architecture.source.reasons import reasons, spelling
from pthway.errors import AmbiguousArchitecture, ArchitectureNotFound

NET = """
import torch.nn as nn
class Net(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.fc1 = nn.Linear(4, hidden)
        self.fc2 = nn.Linear(hidden, 2)
"""
BASE = NET.replace("Net", "Base")
EMPTY = "from torch import nn\nfrom lib.block import Block as B\n"
EMPTY += "class {}(nn.Module):\n    def __init__(self{}):\n        super().__init__()\n"


def sought(class_name: str | None = None, prefix: str = "", **extra: tuple[int, ...]) -> Sought:
    shapes = {"fc1.weight": (8, 4), "fc1.bias": (8,), "fc2.weight": (2, 8), "fc2.bias": (2,), **extra}
    return Sought({prefix + name: Shape(shape, "float32") for name, shape in shapes.items()}, class_name=class_name)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("/init/", "__init__")
        path = path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def names(found: Found) -> list[str]:
    return [member.cls.name for group in found.groups for member in group.members]


def test_the_class_is_found_with_its_file_and_line(tmp_path: Path) -> None:
    found = find([write(tmp_path, models__net=NET)], sought())
    first = found.groups[0].first
    assert (first.cls.name, first.cls.home.path, first.cls.outline.line) == ("Net", tmp_path / "models" / "net.py", 3)
    assert reasons(first) == ["all 4 names are made by the class", "3 shapes agree with what the source tells of them"]


def test_nothing_in_the_tree_is_run(tmp_path: Path) -> None:
    trap = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    write(tmp_path, net=trap + NET)
    before = set(sys.modules)
    assert names(find([tmp_path], sought())) == ["Net"]
    assert not (tmp_path / "ran").exists() and "net" not in set(sys.modules) - before


@pytest.mark.parametrize(
    "files",
    [
        {"a": BASE, "b": "from a import Base as Root\nclass Net(Root):\n    pass\n"},
        {"p__a": BASE, "p__b": "from .a import Base\nclass Net(Base):\n    pass\n"},
        {"p__a": BASE, "p__b": "from . import a as other\nclass Net(other.Base):\n    pass\n"},
        {"p__a": BASE, "q": "import p.a\nclass Net(p.a.Base):\n    pass\n"},
        {"a": BASE, "b": "from a import *\n", "c": "from b import Base\nclass Net(Base):\n    pass\n"},
        {"a": BASE, "b": "try:\n    from a import Base\nexcept ImportError:\n    Base = None\nclass Net(Base): pass\n"},
        {"a": BASE + "Alias = Base\n", "b": "from a import Alias\nclass Net(Alias): pass\n"},
    ],
)  # fmt: skip
def test_inheritance_is_followed_by_name_across_files(tmp_path: Path, files: dict[str, str]) -> None:
    found = find([write(tmp_path, **files)], sought())
    (group,) = found.groups
    assert sorted(names(found)) == ["Base", "Net"], "a subclass that adds nothing belongs to the group of its base"
    assert group.first.score > 0.98


def test_parts_are_resolved_across_files(tmp_path: Path) -> None:
    block = EMPTY.format("Block", ", n") + "        self.w = nn.Linear(n, n)\n"
    net = EMPTY.format("Net", "") + "        self.a = B(3)\n        self.b = B(5)\n"
    write(tmp_path, lib__block=block, net=net)
    shapes = {"a.w.weight": (3, 3), "a.w.bias": (3,), "b.w.weight": (5, 5), "b.w.bias": (5,)}
    found = find([tmp_path], Sought({name: Shape(shape, "float32") for name, shape in shapes.items()}))
    assert names(found)[0] == "Net" and found.groups[0].first.fit.shaped == 4


def test_a_prefix_of_all_names_is_looked_through(tmp_path: Path) -> None:
    first = find([write(tmp_path, net=NET)], sought(prefix="model.")).groups[0].first
    assert first.prefix == "model." and "without the prefix 'model.' of all names" in reasons(first)


def test_classes_that_fit_equally_are_a_tie_and_the_decision_names_them(tmp_path: Path) -> None:
    write(tmp_path, a=NET, b=NET.replace("Net", "Twin").replace("hidden=8", "hidden=3, flag=0"))
    found = find([tmp_path], sought())
    assert names(found) == ["Net", "Twin"] and len(tied(found.groups)) == 1
    with pytest.raises(AmbiguousArchitecture, match=r"2 classes in repo fit m\.pth about equally well:\n.*a.py:Net\n.*b.py:Twin"):
        decide(found, Path("m.pth"), "repo")


def test_the_class_that_the_file_names_wins_a_tie(tmp_path: Path) -> None:
    write(tmp_path, a=NET, b=NET.replace("Net", "Twin"))
    winner = decide(find([tmp_path], sought("somewhere.Twin")), Path("m.pth"), "repo")
    assert winner.cls.name == "Twin" and reasons(winner)[0] == "the file names the class Twin"


def test_a_class_that_fits_badly_is_listed_and_not_decided_for(tmp_path: Path) -> None:
    found = find([write(tmp_path, net=NET)], sought(**{"fc3.weight": (2, 2), "fc3.bias": (2,)}))
    assert names(found) == ["Net"]
    assert "the class makes no name for 2 tensors (fc3)" in reasons(found.groups[0].first)
    with pytest.raises(ArchitectureNotFound, match=r"No class in repo fits m\.pth convincingly"):
        decide(found, Path("m.pth"), "repo")


def test_nothing_that_fits_is_an_empty_answer_and_an_error_when_one_is_needed(tmp_path: Path) -> None:
    found = find([write(tmp_path, net=NET)], Sought({"x.y": Shape((1,), "float32")}))
    assert found.groups == () and found.classes == 1
    with pytest.raises(ArchitectureNotFound, match="1 network classes in 1 files were compared"):
        decide(found, Path("m.pth"), "repo")


def test_a_missing_tensor_and_a_contradicted_shape_lower_the_score(tmp_path: Path) -> None:
    more = NET + "        self.fc3 = nn.Linear(2, 2)\n"
    other = NET.replace("Linear(4", "Linear(5").replace("Net", "Other")
    found = find([write(tmp_path, a=NET, b=more.replace("Net", "More"), c=other)], sought())
    assert names(found)[0] == "Net" and set(names(found)) == {"Net", "More", "Other"}
    scores = [group.first.score for group in found.groups]
    assert scores[0] > scores[1] > scores[2] or scores[0] > max(scores[1:])


def test_no_more_than_top_groups_are_told(tmp_path: Path) -> None:
    for number in range(1, 4):
        write(tmp_path, **{f"n{number}": NET + "".join(f"        self.x{i} = nn.Parameter()\n" for i in range(number))})
    assert len(find([tmp_path], sought(), top=2).groups) == 2
    assert len(find([tmp_path], sought(), top=3).groups) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("syntax.py", b"class Net(nn.Module:\n"),
        ("python2.py", b"import torch.nn as nn\nclass Net(nn.Module):\n    def f(self):\n        print 'x'\n"),
        ("latin.py", b"class Net:\n    name = '\xe9'\n"),
        ("unknown.py", b"# -*- coding: nonsense -*-\nclass Net: pass\n"),
        ("zeros.py", b"class Net: pass\n" + b"\0" * 100),
        ("deep.py", b"def f():\n    x = " + b"(" * 5_000 + b")" * 5_000),
        ("minus.py", b"def f():\n    return " + b"-" * 200_000 + b"1\n"),
        ("sum.py", b"def f():\n    return 1" + b" + 1" * 100_000 + b"\n"),
        ("huge.py", b"class Net: pass\n" + b"# x\n" * 2_500_000),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_left_out_with_a_reason(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path, net=NET)
    (tmp_path / name).write_bytes(content)
    found = find([tmp_path], sought())
    assert names(found) == ["Net"]
    assert list(found.left_out) == [tmp_path / name]


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    text = NET.encode()
    (tmp_path / "net.py").write_bytes(text + b"#" * (limits.MAX_FILE_BYTES - len(text)))
    assert names(find([tmp_path], sought())) == ["Net"]
    (tmp_path / "net.py").write_bytes(text + b"#" * (limits.MAX_FILE_BYTES - len(text) + 1))
    assert "larger than" in next(iter(find([tmp_path], sought()).left_out.values()))


def test_links_that_lead_back_and_hidden_or_generated_folders_are_not_walked(tmp_path: Path) -> None:
    write(tmp_path, a__net=NET, a__node_modules__net=NET, a__venv__lib__net=NET)
    (tmp_path / "a" / "venv" / "pyvenv.cfg").touch()
    write(tmp_path / "a" / ".hidden", net=NET)
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "a" / "zzz_same.py").symlink_to(tmp_path / "a" / "net.py")
    found = find([tmp_path], sought())
    assert found.files == 1 and names(found) == ["Net"]


def test_more_files_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pthway.architecture.source.files.MAX_FILES", 2)
    write(tmp_path, a=NET, b=NET)
    assert find([tmp_path], sought()).files == 2
    write(tmp_path, c="")
    with pytest.raises(ArchitectureNotFound, match="holds more than 2 Python files"):
        find([tmp_path], sought())


@pytest.mark.parametrize(("folder", "match"), [("nothing", "There is no folder"), ("empty", "holds no Python file")])
def test_a_folder_without_python_files_is_an_error(tmp_path: Path, folder: str, match: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchitectureNotFound, match=match):
        find([tmp_path / folder], sought())


HOSTILE = {
    "a loop without end": "        while True:\n            self.x = nn.Linear(1, 1)\n",
    "a huge list": "        self.x = nn.Sequential(*[nn.Linear(1, 1)] * 10**12)\n",
    "a huge number": "        n = 9\n        for _ in range(100):\n            n = n * n * n\n        self.x = nn.Linear(n, 1)\n",
    "a huge text": "        s = 'x'\n        for _ in range(100):\n            s = s + s\n        setattr(self, s, nn.Linear(1, 1))\n",
    "loops in loops": "".join(f"{' ' * (8 + 4 * d)}for i{d} in range(100):\n" for d in range(8)) + f"{' ' * 40}self.x = nn.Linear(1, 1)\n",
    "recursion": "        self.x = grow(3)\n\ndef grow(n):\n    return nn.Sequential(grow(n), grow(n + 1))\n",
    "bases in a circle": "\nclass A(B): pass\nclass B(A): pass\n",
    "division by zero": "        self.x = nn.Linear(1 // 0, 1 % 0)\n        for i in range(1, 2, 0): pass\n",
    "arguments that do not fit": "        self.x = nn.Linear()\n        self.y = nn.Conv2d(*3, **4)\n        len()\n        zip()\n",
}  # fmt: skip


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_constructor_is_followed_within_bounds(tmp_path: Path, attack: str) -> None:
    found = find([write(tmp_path, net=NET + HOSTILE[attack])], sought())
    assert "Net" in names(found)


def test_a_class_in_a_package_is_named_by_its_module(tmp_path: Path) -> None:
    write(tmp_path, pkg__sub__net=NET)
    for folder in ("pkg", "pkg/sub"):
        (tmp_path / folder / "__init__.py").touch()
    assert spelling(find([tmp_path], sought()).groups[0].first) == "pkg.sub.net:Net"


def test_a_class_gets_the_parts_that_a_function_of_its_file_gives_it(tmp_path: Path) -> None:
    source = """
from torch import nn
class Net(nn.Module):
    def __init__(self, features, head):
        super().__init__()
        self.features, self.head = features, head
def body(widths):
    return nn.Sequential(*[nn.Linear(n, n) for n in widths])
def _net(widths, **kwargs):
    return Net(body(widths), nn.Linear(5, 2))
def net_small(**kwargs):
    return _net([4, 5], **kwargs)
"""
    write(tmp_path, net=source)
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 5))
    tensors = {f"features.{name}": Shape(tuple(value.shape), "float32") for name, value in module.state_dict().items()}
    tensors |= {"head.weight": Shape((2, 5), "float32"), "head.bias": Shape((2,), "float32")}
    first = find([tmp_path], Sought(tensors)).groups[0].first
    assert first.fit.shaped == 6 and first.score == 1.0
