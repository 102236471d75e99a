"""Configurations, builders and automatic classes: objects that are no networks and decide which modules there are. The oracle is torch."""

import importlib
import resource
import sys
from pathlib import Path

import pytest
from torch import nn

from pthway.architecture.difference import Shape
from pthway.architecture.source import limits
from pthway.architecture.source.decision import decide
from pthway.architecture.source.finding import Found, find
from pthway.architecture.source.frame import Frame
from pthway.architecture.source.outline import ClassOutline, Outline, outline
from pthway.architecture.source.ranking import Sought, tied
from pthway.architecture.source.values import Class, Instance

HEAD = "import torch\nfrom torch import nn\nfrom dataclasses import dataclass\nfrom typing import ClassVar, Optional\n"

BASE = (
    HEAD
    + """
class Settings:
    model_type = ""
    sub_configs = {}

class Mapping:
    def __init__(self, configs, names):
        self._config_mapping, self._model_mapping = configs, names

class Automatic:
    _model_mapping = None
    @classmethod
    def from_config(cls, config):
        import nets
        return getattr(nets, cls._model_mapping._model_mapping[config.model_type])(config)

NAMES = dict([("tree", "TreeModel"), ("bush", "BushModel")])
MAPPING = Mapping({}, NAMES)

def documented(cls):
    return cls

class AutoNet(Automatic):
    _model_mapping = MAPPING

AutoNet = documented(AutoNet)

class GenericHead:
    base_model_prefix = "model"
    def __init__(self, config):
        super().__init__(config)
        setattr(self, self.base_model_prefix, AutoNet.from_config(config))
        self.score = nn.Linear(config.width, 2, bias=False)
"""
)
NETS = (
    HEAD
    + """
from base import AutoNet, GenericHead, Settings

class TreeSettings(Settings):
    model_type = "tree"
    def __init__(self, width=4):
        self.width = width

class BushSettings(TreeSettings):
    model_type = "bush"

class PairSettings(Settings):
    model_type = "pair"
    sub_configs = {"left": TreeSettings, "right": BushSettings}
    def __init__(self):
        self.left, self.right = TreeSettings(), BushSettings()

class Network(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config

class TreeNetwork(Network):
    config: TreeSettings

class BushNetwork(Network):
    config: BushSettings

class TreeModel(TreeNetwork):
    def __init__(self, config: TreeSettings):
        super().__init__(config)
        self.trunk, self.crown = nn.Linear(config.width, 3), nn.LayerNorm(3)

class BushModel(BushNetwork):
    def __init__(self, config: BushSettings):
        super().__init__(config)
        self.twigs = nn.ModuleList([nn.Linear(config.width, 5, bias=False) for _ in range(2)])

class TreeForSequences(GenericHead, TreeNetwork):
    pass

class BushForSequences(GenericHead, BushNetwork):
    base_model_prefix = "bush"

class Pair(Network):
    def __init__(self, config: PairSettings):
        super().__init__(config)
        self.a, self.b = AutoNet.from_config(config.left), AutoNet.from_config(config.right)
"""
)
NET = "class Net(nn.Module):\n    def __init__(self{}):\n        super().__init__()\n        {}\n"


def sought(module: nn.Module, prefix: str = "") -> Sought:
    state = module.state_dict()
    tensors = {prefix + name: Shape(tuple(value.shape), "float32") for name, value in state.items()}
    return Sought(tensors, tuple(prefix + name if name else "" for name in state._metadata))  # type: ignore[attr-defined]


def search(folder: Path, call: str, monkeypatch: pytest.MonkeyPatch, **files: str) -> Found:
    """What is found for the network that *call* builds in the last of *files*."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    for name in files:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(list(files)[-1])
    try:
        return find([folder], sought(eval(call, vars(module))))
    finally:
        for name in files:
            sys.modules.pop(name, None)


OBJECTS = {
    "a dataclass": """
@dataclass
class Settings:
    width: int
    bias: bool = True
    norm: Optional[int] = None
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for number, given in enumerate((Settings(3), Settings(5, bias=False), Settings(width=7, norm=2))):
            setattr(self, f"part{number}", nn.Linear(given.width, 2, bias=given.bias))
            if given.norm is not None:
                self.norm = nn.LayerNorm(given.norm)
""",
    "an object that computes": """
class Settings:
    def __init__(self, width, factor):
        self.width = self.adjusted(width, factor)
    @staticmethod
    def adjusted(width, factor):
        return width * factor
    @property
    def double(self):
        return 2 * self.width
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        given = Settings(3, 2)
        self.a, self.b = nn.Linear(given.width, 2), nn.Linear(given.double, 2)
""",
    "a builder that counts": """
class Builder:
    def __init__(self, norm):
        self.norm, self.width = norm, 4
    def _block(self, width):
        made = nn.Sequential(nn.Linear(self.width, width), self.norm(width))
        self.width = width
        return made
    def build(self, widths):
        return [self._block(width) for width in widths]
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        builder = Builder(nn.LayerNorm)
        self.body = nn.Sequential(*builder.build([5, 6]))
        self.head = nn.Linear(builder.width, 1)
""",
    "a method of the class itself": """
class Part(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)
    @classmethod
    def of(cls, width):
        return cls(width)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part.of(3)
""",
}  # fmt: skip


@pytest.mark.parametrize("construct", OBJECTS)
def test_an_object_that_is_no_module_is_followed(construct: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = search(tmp_path, "Net()", monkeypatch, plain=HEAD + OBJECTS[construct]).groups[0].first
    assert first.cls.name == "Net"
    assert (first.fit.contradicted, first.fit.absent, first.fit.guessed) == (0, 0, 0)
    assert first.fit.shaped == first.node.tensors and first.fit.bare == first.node.bare


@pytest.mark.parametrize(
    ("call", "winner"),
    [
        ("TreeForSequences(TreeSettings())", "TreeForSequences"),
        ("BushForSequences(BushSettings())", "BushForSequences"),
        ("Pair(PairSettings())", "Pair"),
    ],
)
def test_an_automatic_class_builds_what_the_tables_of_the_tree_say(
    call: str, winner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = search(tmp_path, call, monkeypatch, base=BASE, nets=NETS)
    assert [group.first.cls.name for group in tied(found.groups)] == [winner]
    assert (found.groups[0].first.fit.guessed, found.groups[0].first.fit.contradicted) == (0, 0)


def test_what_an_automatic_class_builds_stays_unknown_where_no_table_tells(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(BASE.replace("_model_mapping = MAPPING", "_model_mapping = elsewhere()"), "utf-8")
    (tmp_path / "nets.py").write_text(NETS, "utf-8")
    shapes = {"bush.twigs.0.weight": (5, 4), "bush.twigs.1.weight": (5, 4), "score.weight": (2, 4)}
    groups = find([tmp_path], Sought({name: Shape(shape, "float32") for name, shape in shapes.items()})).groups
    (fit,) = (group.first.fit for group in groups if group.first.cls.name == "BushForSequences")
    assert fit.guessed == 2


def test_a_class_and_its_own_part_are_no_tie(tmp_path: Path) -> None:
    source = "class Inner(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 2)\n"
    source += "class Outer(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.body = Inner()\n"
    (tmp_path / "net.py").write_text(HEAD + source, "utf-8")
    state = nn.Sequential()
    state.add_module("body", nn.Sequential())
    state.body.add_module("fc", nn.Linear(3, 2))
    found = find([tmp_path], sought(state))
    assert [group.first.cls.name for group in found.groups] == ["Outer", "Inner"]
    assert decide(found, Path("m.pth"), "repo").cls.name == "Outer"


def test_an_unrelated_class_under_a_prefix_still_ties(tmp_path: Path) -> None:
    source = "class {}(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.{} = {}\n"
    inner, outer = source.format("Inner", "fc", "nn.Linear(3, 2)"), source.format("Outer", "body", "nn.Module()")
    outer += "        self.body.fc = nn.Linear(3, 2)\n"
    (tmp_path / "net.py").write_text(HEAD + inner + outer, "utf-8")
    state = nn.Sequential()
    state.add_module("body", nn.Sequential())
    state.body.add_module("fc", nn.Linear(3, 2))
    names = sought(state)
    assert {group.first.cls.name for group in tied(find([tmp_path], names).groups)} == {"Inner", "Outer"}


@pytest.mark.parametrize("over", [False, True])
def test_a_method_aside_is_followed_as_long_as_it_is_short(over: bool, tmp_path: Path) -> None:
    count = limits.MAX_ASIDE - 1 + over
    source = "class Settings:\n    def __init__(self):\n" + "        self.a = 1\n" * count + "        self.width = 3\n"
    source += NET.format("", "self.fc = nn.Linear(Settings().width, 2)")
    (tmp_path / "net.py").write_text(HEAD + source, "utf-8")
    first = find([tmp_path], _fc()).groups[0].first
    assert (first.fit.shaped, first.fit.named) == (2, 0)
    assert (first.pattern.parts["fc"].parts["weight"].shape == (2, 3)) is not over  # type: ignore[attr-defined]


def _fc() -> Sought:
    return Sought({"fc.weight": Shape((2, 3), "float32"), "fc.bias": Shape((2,), "float32")})


@pytest.mark.parametrize(("count", "kept"), [(limits.MAX_OBJECTS, limits.MAX_OBJECTS), (limits.MAX_OBJECTS + 1, limits.MAX_OBJECTS)])
def test_the_objects_that_a_branch_keeps_apart_are_bounded(count: int, kept: int) -> None:
    home = Outline(Path("net.py"))
    cls = Class(home, ClassOutline("Settings", 1, ()))
    frame = Frame(home, {f"o{number}": Instance(cls) for number in range(count)})
    assert len(frame.save().objects) == kept


@pytest.mark.parametrize(("count", "kept"), [(limits.MAX_PASSED, limits.MAX_PASSED), (limits.MAX_PASSED + 1, limits.MAX_PASSED)])
def test_the_classes_that_an_argument_may_be_are_bounded(count: int, kept: int, tmp_path: Path) -> None:
    text = "".join(f"class C{number}:\n    pass\nuse(C{number})\n" for number in range(count))
    (tmp_path / "net.py").write_text(text, "utf-8")
    found = outline(tmp_path / "net.py")
    assert isinstance(found, Outline) and len(found.passed) == kept


def test_functions_that_call_themselves_twice_end(tmp_path: Path) -> None:
    source = "def grow(d):\n    for x in d:\n        grow(x)\n    return [grow(x) for x in d]\n"
    source += NET.format(", d", "self.made, self.fc = grow(d), nn.Linear(3, 2)")
    (tmp_path / "net.py").write_text(HEAD + source, "utf-8")
    first = find([tmp_path], _fc()).groups[0].first
    assert first.score == 1.0 and not first.pattern.open


def test_twenty_thousand_files_are_searched_within_bounds_and_with_progress(tmp_path: Path) -> None:
    other = HEAD + "class Other(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.x{0} = nn.Linear(2, {0})\n"
    for number in range(20_000):
        folder = tmp_path / f"d{number // 1000}"
        if number % 1000 == 0:
            folder.mkdir()
        text = other.format(number) if number % 100 == 0 else f"# {number}\n"
        (folder / f"f{number}.py").write_text(text, "utf-8")
    net = HEAD + NET.format("", "self.fc = nn.Linear(3, 2)")
    (tmp_path / "d7" / "net.py").write_text(net, "utf-8")
    told: dict[str, list[tuple[int, int]]] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = find([tmp_path], _fc(), progress=lambda what, done, total: told.setdefault(what, []).append((done, total)))
    assert [group.first.cls.name for group in found.groups] == ["Net"]
    assert (found.files, found.classes) == (20_001, 201)
    assert told["reading files"] == [(done, 20_001) for done in range(20_001)]
    assert len(told["comparing classes"]) <= 1, "only a class that has the names of the file is followed"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000, "kilobytes: some 20 a file"
