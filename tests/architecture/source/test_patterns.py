"""What the source of a class tells of the names that it makes. The oracle is torch, which builds the class."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from torch import nn

from pthway.architecture.difference import Shape
from pthway.architecture.source.finding import Found, find
from pthway.architecture.source.ranking import Sought

HEAD = "import torch\nfrom torch import nn\nimport torch.nn as tnn\nfrom collections import OrderedDict\nfrom functools import partial\n"


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sought(module: nn.Module) -> Sought:
    state = module.state_dict()
    tensors = {name: Shape(tuple(value.shape), "float32") for name, value in state.items()}
    return Sought(tensors, tuple(state._metadata))  # type: ignore[attr-defined]


def found_for(folder: Path, source: str, call: str) -> Found:
    """What is found in *folder* for the network that *call* builds; *source* is the only file."""
    path = folder / "networks.py"
    path.write_text(HEAD + source, "utf-8")
    return find([folder], sought(eval(call, vars(imported(path)))))


BLOCKS = {
    "layers of torch": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, groups=1)
        self.b = tnn.BatchNorm2d(8)
        self.c = torch.nn.Linear(8, 4, bias=False)
        self.d = nn.LSTM(4, 5, num_layers=2, bidirectional=True)
        self.e = nn.MultiheadAttention(8, 2)
        self.f = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3)
        self.g = nn.GRUCell(3, 4)
        self.h = nn.ConvTranspose2d(4, 6, 2)
        self.i = nn.GroupNorm(2, 4)
        self.j = nn.LayerNorm((4, 5))
        self.k = nn.PReLU()
        self.l = nn.Transformer(8, 2, 1, 2, 16, batch_first=True)
        self.s = nn.TransformerDecoderLayer(8, 2, 16, 0.1, 'relu', 1e-5, False, False, False)
        self.m = nn.Embedding(7, 3)
        self.n = nn.InstanceNorm2d(3, affine=True)
        self.o = nn.LSTM(4, 6, proj_size=3)
        self.p = nn.MultiheadAttention(8, 2, add_bias_kv=True, bias=False)
        self.q = nn.Bilinear(2, 3, 4)
        self.r = nn.ConvTranspose1d(4, 6, 2, bias=False)
""",
        "Net()",
    ),
    "a sequence": (
        """
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
""",
        "Net()",
    ),
    "a sequence with names": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(OrderedDict([("first", nn.Linear(2, 3)), ("act", nn.ReLU()), ("last", nn.Linear(3, 1))]))
""",
        "Net()",
    ),
    "a list that grows": (
        """
class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        layers = [nn.Linear(2, 3)]
        for _ in range(depth):
            layers.append(nn.Linear(3, 3))
            layers += [nn.ReLU()]
        self.body = nn.Sequential(*layers)
""",
        "Net(3)",
    ),
    "comprehensions": (
        """
class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(4, 2) for name in ("left", "right")})
        self.body = nn.ModuleList([nn.Linear(4, 4) for _ in range(depth)])
        self.ends = nn.ModuleList(nn.Linear(4, size) for size in (1, 2, 3))
""",
        "Net(2)",
    ),
    "module lists that grow": (
        """
class Net(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.body = nn.ModuleList()
        for before, after in zip(widths, widths[1:]):
            self.body.append(nn.Linear(before, after))
        self.fixed = nn.ModuleList()
        for size in [2, 3]:
            self.fixed.append(nn.Linear(size, 1))
""",
        "Net([3, 4, 5])",
    ),
    "names that are put together": (
        """
class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        for i in range(depth):
            setattr(self, f"layer{i}", nn.Linear(2, 2))
            self.add_module("norm%d" % i, nn.LayerNorm(2))
        for i in range(2):
            self.add_module("end{}".format(i), nn.Linear(2, 1))
""",
        "Net(2)",
    ),
    "a method that builds": (
        """
class Block(nn.Module):
    expansion = 2
    def __init__(self, inside, planes, down=None):
        super().__init__()
        self.conv = nn.Conv2d(inside, planes * self.expansion, 3, bias=False)
        self.down = down

class Net(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.inside = 8
        self.stem = nn.Conv2d(3, 8, 7)
        self.layer1 = self._make_layer(8, layers[0])
        self.layer2 = self._make_layer(16, layers[1])
    def _make_layer(self, planes, count):
        down = None
        if self.inside != planes * Block.expansion:
            down = nn.Sequential(nn.Conv2d(self.inside, planes * Block.expansion, 1), nn.BatchNorm2d(planes * Block.expansion))
        layers = [Block(self.inside, planes, down)]
        self.inside = planes * Block.expansion
        for _ in range(1, count):
            layers.append(Block(self.inside, planes))
        return nn.Sequential(*layers)
""",
        "Net([2, 3])",
    ),
    "a function that builds": (
        """
def unit(inside, out, norm=nn.BatchNorm2d, **kw):
    return nn.Sequential(nn.Conv2d(inside, out, 3, **kw), norm(out))

small = partial(unit, norm=nn.InstanceNorm2d)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = unit(3, 4, bias=False)
        self.b = small(4, 5)
        make = lambda size: nn.Linear(size, 1)
        self.c = make(5)
""",
        "Net()",
    ),
    "buffers and parameters": (
        """
class Net(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 4))
        self.free = nn.Parameter(torch.zeros(size))
        self.register_buffer("kept", torch.zeros(5))
        self.register_buffer("volatile", torch.zeros(5), persistent=False)
        self.register_parameter("none", None)
        self.steps = torch.zeros(3)
        self.many = nn.ParameterList([nn.Parameter(torch.zeros(2)) for _ in range(3)])
""",
        "Net(7)",
    ),
    "a part that is taken away": (
        """
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.norm = nn.Linear(2, 2), nn.LayerNorm(2)

class Net(Base):
    def __init__(self):
        super().__init__()
        del self.fc
        self.head = nn.Linear(2, 5)
""",
        "Net()",
    ),
    "weight norm": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.utils.spectral_norm(nn.Conv1d(2, 3, 3))
        self.b = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
""",
        "Net()",
    ),
    "a mixin": (
        """
class Named:
    def add_head(self, size):
        self.head = nn.Linear(4, size)

class Net(Named, nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.body = nn.Linear(3, 4)
        self.add_head(2)
""",
        "Net()",
    ),
    "an optional part": (
        """
class Net(nn.Module):
    def __init__(self, norm, act=None, pooled=False):
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.norm = nn.LayerNorm(3) if norm else nn.Identity()
        if pooled:
            self.pool = nn.Linear(3, 3)
        else:
            self.flat = nn.Linear(3, 4)
""",
        "Net(False)",
    ),
    "a class that holds itself": (
        """
class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.inner = Net(depth - 1) if depth else nn.Identity()
""",
        "Net(2)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("construct", BLOCKS)
def test_every_name_and_shape_that_a_constructor_makes_is_told_by_its_source(construct: str, tmp_path: Path) -> None:
    source, call = BLOCKS[construct]
    first = found_for(tmp_path, source, call).groups[0].first
    assert first.cls.name == "Net"
    assert (first.fit.contradicted, first.fit.absent, first.fit.bare_absent) == (0, 0, 0)
    assert first.fit.told == first.node.tensors - (4 if construct == "weight norm" else 0) or first.fit.guessed


@pytest.mark.parametrize("construct", sorted(BLOCKS.keys() - {"weight norm", "a class that holds itself"}))
def test_nothing_is_guessed_where_the_source_is_plain(construct: str, tmp_path: Path) -> None:
    source, call = BLOCKS[construct]
    first = found_for(tmp_path, source, call).groups[0].first
    assert first.fit.guessed == 0 and first.fit.told == first.node.tensors
    assert first.fit.bare == first.node.bare


def test_shapes_that_literals_tell_are_compared(tmp_path: Path) -> None:
    source = "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    source += "        self.a = nn.Conv2d(3, {0}, 5)\n        self.b = nn.Linear(7, {0})\n"
    narrow, wide = tmp_path / "narrow.py", tmp_path / "wide.py"
    narrow.write_text(HEAD + source.format(8), "utf-8")
    wide.write_text(HEAD + source.format(16), "utf-8")
    groups = find([tmp_path], sought(imported(wide).Net())).groups
    assert [group.first.cls.home.path.name for group in groups] == ["wide.py"]
    assert groups[0].first.score == 1.0 and groups[0].first.fit.shaped == 4


def test_every_layer_of_torch_that_is_listed_as_bare_holds_no_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    from pthway.architecture.source.layers import _WITHOUT_TENSORS

    monkeypatch.setattr("warnings.warn", lambda *_, **__: None)  # a name that torch gave up
    built = [name for name in _WITHOUT_TENSORS if not _tensors_of(name)]
    assert sorted(built) == sorted(_WITHOUT_TENSORS)


def _tensors_of(name: str) -> list[str]:
    keywords = {"FractionalMaxPool2d": {"output_size": 1}, "FractionalMaxPool3d": {"output_size": 1}, "Upsample": {"scale_factor": 2}}
    for values in ((), (2,), (2, 2), (1, (2, 2))):
        try:
            return list(getattr(nn, name)(*values, **keywords.get(name, {})).state_dict())
        except TypeError:
            continue
    raise AssertionError(f"{name} was not built")


def test_a_torch_module_class_is_known_or_said_to_be_unknown() -> None:
    from pthway.architecture.source.layers import is_layer

    unknown = {
        name for name in dir(nn) if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module) and not is_layer(name)
    }
    assert unknown <= {"Container", "RNNBase", "RNNCellBase", "LinearCrossEntropyLoss"}
