"""Classes that are written from TorchScript archives, judged by what torch.jit.load answers with the same file."""

import ast
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from pthway.architecture.scaffold.scaffold import Source, scaffold
from pthway.architecture.scaffold.told import Told
from pthway.architecture.scaffold.torchscript import expressions, functions, program, translate
from pthway.architecture.scaffold.torchscript.layers import traced_settings
from pthway.architecture.scaffold.torchscript.modules import modules_of
from pthway.architecture.scaffold.torchscript.program import parse
from pthway.architecture.scaffold.verify import verify
from pthway.architecture.scaffold.write import Written
from pthway.checkpoint import open_checkpoint, torchscript
from pthway.cli.scaffold import told_by
from tests.architecture.scripts import CASES

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated.*:DeprecationWarning")


def compiled(module: nn.Module, given: tuple[object, ...], way: str, path: Path) -> Any:
    """*module* compiled and saved, as torch.jit.load gives it."""
    module.eval()
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            nn.init.normal_(each.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(each.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        made = torch.jit.script(module) if way == "scripted" else torch.jit.trace(module, given, check_trace=False, strict=False)
    torch.jit.save(made, path)
    return torch.jit.load(path).eval()


class Case(NamedTuple):
    original: Any
    given: tuple[object, ...]
    written: Written
    path: Path


WAYS = [(name, way) for name in CASES for way in ("scripted", "traced")]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Case]:
    """A network compiled, and the class written for it; once for all tests."""

    @cache
    def made(name: str, way: str) -> Case:
        path = tmp_path_factory.mktemp("compiled") / "model.pt"
        build, given = CASES[name]
        return Case(compiled(build(), given, way, path), given, written(path), path)

    return made


def loaded(case: Case) -> nn.Module:
    made = instance(case.written.text)
    made.load_state_dict(case.original.state_dict(), strict=True)
    return made


def written(path: Path) -> Written:
    checkpoint = open_checkpoint(path)
    return scaffold(told_by(checkpoint, checkpoint.choose()), Source(path.name, "model.py"))


def instance(text: str) -> nn.Module:
    home = ModuleType("scaffolded")
    exec(compile(text, "model.py", "exec"), vars(home))
    made: nn.Module = home.Model()
    return made.eval()


def classes(text: str) -> list[str]:
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


def same(one: Any, other: Any) -> bool:
    """Whether two answers have the same form and the same bits."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_a_program_is_written_whole_and_answers_the_same_to_the_last_bit(name: str, way: str, case: Callable[[str, str], Case]) -> None:
    found = case(name, way)
    made = loaded(found)
    assert found.written.forward == "complete" and not found.written.guesses and "# |" not in found.written.text
    with torch.no_grad():
        assert same(made(*found.given), found.original(*found.given))
    checkpoint = open_checkpoint(found.path)
    assert verify(found.written.text, told_by(checkpoint, checkpoint.choose())) == len(found.original.state_dict())


@pytest.mark.parametrize("x", [torch.full((2, 4), value) for value in (1.0, -0.1, -3.0)])
def test_branches_of_a_program_are_taken_as_it_takes_them(x: Tensor, case: Callable[[str, str], Case]) -> None:
    found = case("branches", "scripted")
    made = loaded(found)
    assert same(made(x), found.original(x)) and same(made(x[:1]), found.original(x[:1]))


def test_what_a_program_refuses_is_refused(case: Callable[[str, str], Case]) -> None:
    found = case("functions", "scripted")
    with pytest.raises(torch.jit.Error, match="two dimensions"):
        found.original(torch.zeros(4))
    with pytest.raises(AssertionError, match="two dimensions"):
        loaded(found)(torch.zeros(4))


def test_a_frozen_program_keeps_its_weights_as_buffers(tmp_path: Path) -> None:
    build, given = CASES["MLP"]
    frozen = torch.jit.freeze(torch.jit.script(build().eval()))
    torch.jit.save(frozen, tmp_path / "model.pt")
    found = written(tmp_path / "model.pt")
    assert found.forward == "complete"
    made = instance(found.text)
    checkpoint = open_checkpoint(tmp_path / "model.pt")
    made.load_state_dict({name: torch.tensor(checkpoint[name].numpy()) for name in checkpoint}, strict=True)
    with torch.no_grad():
        assert same(made(*given), frozen(*given))


def test_layers_of_torch_stay_layers_of_torch(case: Callable[[str, str], Case]) -> None:
    for way in ("scripted", "traced"):
        text = case("CNN", way).written.text
        assert "nn.Conv2d(8, 8, 3, padding=1, groups=4)" in text and "nn.GroupNorm(2, 8)" in text
        assert "nn.BatchNorm2d(8, eps=0.01)" in text and "nn.LeakyReLU(0.2)" in text and "nn.AdaptiveAvgPool2d((1, 2))" in text
        assert classes(text) == ["Model"]


def test_blocks_that_are_traced_apart_are_one_class(case: Callable[[str, str], Case]) -> None:
    assert classes(case("vision transformer", "traced").written.text) == ["Attention", "Model"]
    assert "*(Block(8) for _ in range(3))" in case("ResNet", "traced").written.text


def test_the_text_passes_ruff(tmp_path: Path, case: Callable[[str, str], Case]) -> None:
    for name, way in WAYS:
        (tmp_path / f"{way}_{name.replace(' ', '_').replace('-', '_')}.py").write_text(case(name, way).written.text, "utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--isolated", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


# --- programs that somebody wrote -----------------------------------------------------------------------------------------

HEAD = """class Net(Module):
  __parameters__ = ["w", ]
  __buffers__ = []
  w : Tensor
  training : bool
  p : float
"""
FORWARD = "  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n"


class _Spec:
    dtype = "float32"
    shape = (2,)


def told(text: str, **values: object) -> Told:
    found = parse({"code/__torch__.py": text})
    assert found is not None
    tensors = {"w": _Spec()}
    return Told(tensors, None, modules_of(found, tensors, values), found)


def text_of(text: str, **values: object) -> str:
    return scaffold(told(text, **values), Source("model.pt", "model.py")).text


def refused(body: str, head: str = HEAD, **values: object) -> str:
    """The reason in the text of a forward that is not translated, and nothing of which can run but its error."""
    made = text_of(head + FORWARD + body, p=0.5, **values)
    tree = ast.parse(made)
    forward = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "forward")
    assert [type(line) for line in forward.body] == [ast.Raise] and made.isascii()
    assert all(f"# | {line}".rstrip() in made for line in body.splitlines() if line.isascii() and line.isprintable())
    with pytest.raises(NotImplementedError) as caught:
        instance(made)(torch.zeros(2))
    return str(caught.value)


ATTACKS = {
    "import": ("    import os\n    return x\n", "the statement Import"),
    "exec": ("    _0 = exec(\"raise SystemExit\")\n    return x\n", "the call of 'exec'"),
    "eval through an alias": ("    _0 = eval\n    return (_0)(\"1\")\n", "the name 'eval'"),
    "an unknown operator": ("    return torch.save(x, \"f\")\n", "the operator 'aten::save'"),
    "a file": ("    return torch.from_file(\"/etc/passwd\", True, 10)\n", "the operator 'aten::from_file'"),
    "load": ("    return torch.load(\"x\")\n", "the operator 'aten::load'"),
    "a part of torch": ("    return torch.hub.load(\"x\", \"y\")\n", "the name 'torch'"),
    "another library's operator": ("    return ops.evil.run(x)\n", "the name 'ops'"),
    "primitive": ("    return ops.prim.PythonOp(x)\n", "the operator 'prim::PythonOp'"),
    "dunder attribute": ("    return getattr(self, \"__class__\")\n", "the attribute '__class__'"),
    "dunder chain": ("    return x.__class__.__base__\n", "the attribute '__class__' of what is no module"),
    "attribute of a tensor": ("    return (x).tofile(\"f\")\n", "the method 'tofile' of what is no module"),
    "method of a module": ("    return (self).load_state_dict(x)\n", "the method 'load_state_dict' of what is no module"),
    "lambda": ("    return (lambda: x)()\n", "the call of what is a Lambda"),
    "comprehension": ("    return [y for y in x]\n", "the expression ListComp"),
    "f-string": ("    return f\"{x.__class__}\"\n", "the expression JoinedStr"),
    "walrus": ("    return (y := x)\n", "the expression NamedExpr"),
    "starred": ("    return torch.relu(*x)\n", "the expression Starred"),
    "keywords out of a dictionary": ("    return torch.relu(x, **x)\n", "arguments out of a dictionary"),
    "a dunder option": ("    return torch.relu(x, __class__=x)\n", "the option '__class__'"),
    "with": ("    with x:\n      pass\n    return x\n", "the statement With"),
    "try": ("    try:\n      pass\n    except x:\n      pass\n    return x\n", "the statement Try"),
    "a function inside": ("    def f():\n      return x\n    return x\n", "the statement FunctionDef"),
    "global": ("    global torch\n    return x\n", "the statement Global"),
    "delete": ("    del x\n    return x\n", "the statement Delete"),
    "assignment to torch": ("    torch.relu = x\n    return x\n", "the name 'torch'"),
    "fields of a format": ("    return torch.format(\"{0.__class__}\", x)\n", "the operator 'aten::format'"),
    "a text in a text": ("    return torch.format(\"{}\", \"\\\\\")\n", "a text inside a text"),
    "a format that is no literal": ("    return torch.format(torch.str(x), x)\n", "the operator 'aten::format'"),
    "a device that is none": ("    return torch.zeros([1], device=torch.device(\"cpu\\\"); f(\\\"1\"))\n", "the operator 'aten::device'"),
    "a function that is not there": ("    return __torch__.os.system(x, )\n", "the function '__torch__.os.system'"),
    "bytes": ("    return b\"x\"\n", "a literal of type bytes"),
    "a list that may be a tensor": ("    _0 = torch.item(x)\n    return torch.slice(_0, 1)\n", "a part of what may be a tensor or a list"),
    "a dtype as a number": ("    return torch.lt(ops.prim.dtype(x), self.p)\n", "a type of numbers beside an integer"),
    "a dtype that is returned": ("    return ops.prim.dtype(x)\n", "a type of numbers as an integer"),
    "a large constant": ("    return CONSTANTS.c0\n", "the tensor 'c0' among the constants"),
    "a value that is not told": ("    q = self.training0\n    return q\n", "the attribute 'training0', which its class does not have"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_not_on_the_list_is_refused_by_name_and_stays_a_comment(name: str) -> None:
    body, reason = ATTACKS[name]
    assert reason in refused(body)


@pytest.mark.parametrize("name", ["nn", "F", "self", "len", "list", "x", "Model", "RuntimeError", "lambda_", "é", "__class__", "float"])
def test_names_of_variables_hide_nothing_that_the_class_uses(name: str) -> None:
    body = f"    {name} = torch.mul(x, 3)\n    y = torch.relu({name})\n    z = torch.add(torch.len([y]), torch.sum({name}))\n"
    body += "    return torch.add(z, y)\n"
    if name == "self":
        body = body.replace("self = ", "self1 = ").replace("self)", "self1)")
    made = instance(text_of(HEAD + FORWARD + body))
    assert made(torch.ones(2)).tolist() == [10.0, 10.0]


def test_a_type_that_is_asked_for_by_a_number_is_the_one_of_that_number() -> None:
    text = HEAD + FORWARD + "    return __torch__.zeros(x, 7, )\n"
    text += (
        "def zeros(x: Tensor,\n    kind: Optional[int]=None) -> Tensor:\n  return torch.add(torch.zeros([2], dtype=kind), torch.sum(x))\n"
    )
    assert instance(text_of(text))(torch.ones(2)).dtype == torch.float64


def test_names_of_functions_are_names_of_their_own() -> None:
    text = HEAD + FORWARD + "    exec = torch.neg(x)\n    return torch.add(__torch__.exec(x, ), exec)\n"
    text += (
        "def exec(x: Tensor) -> Tensor:\n  relu = torch.relu(x)\n  return torch.mul(relu, 2)\ndef relu(x: Tensor) -> Tensor:\n  return x\n"
    )
    assert instance(text_of(text))(torch.ones(2)).tolist() == [1.0, 1.0]


def test_names_of_methods_replace_nothing_that_every_module_has() -> None:
    text = HEAD + FORWARD + "    return (self).state_dict(x, )\n"
    text += "  def state_dict(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    return x\n"
    made = instance(text_of(text))
    assert list(made.state_dict()) == ["w"]
    with pytest.raises(NotImplementedError, match="the method 'state_dict'"):
        made(torch.zeros(2))


def test_texts_of_a_program_are_texts_in_the_class() -> None:
    hostile = '"""\\\'\n\u2028é{}"); raise SystemExit("'
    literal = ascii(hostile).replace("{", "{{").replace("}", "}}") if False else repr(hostile)
    text = text_of(
        HEAD + FORWARD + f"    if torch.eq({literal}, {literal}):\n      y = torch.add(x, 1)\n    else:\n      y = x\n    return y\n"
    )
    assert text.isascii() and instance(text)(torch.zeros(2)).tolist() == [1.0, 1.0]


def test_values_of_attributes_are_data() -> None:
    values = {"p": float("inf"), "q": ['"); exec("', {"a": -1.5, "b": None}], "_modules": 3, "r": object()}
    head = HEAD + "  q : List[str]\n  _modules : int\n  r : int\n"
    text = text_of(
        head + FORWARD + "    return torch.mul(x, self.p)\n  def other(self: __torch__.Net) -> List[str]:\n    return self.q\n", **values
    )
    made = instance(text)
    assert made.p == float("inf") and made.q == values["q"] and list(made.state_dict()) == ["w"]
    assert "whose value is not plain data" in refused("    return torch.mul(x, self.r)\n", head, q=[], r=object())
    assert "the attribute '_modules'" in refused("    return torch.mul(x, self._modules)\n", head, q=[], _modules=3)


def test_a_class_of_torchs_name_that_does_something_else_is_translated() -> None:
    text = HEAD.replace("p : float", "act : __torch__.torch.nn.modules.activation.ReLU") + FORWARD + "    return (self.act).forward(x, )\n"
    relu = "class ReLU(Module):\n  training : bool\n"
    relu += "  def forward(self: __torch__.torch.nn.modules.activation.ReLU,\n    x: Tensor) -> Tensor:\n"
    for body, kept in (("    return torch.relu(x)\n", True), ("    return torch.neg(x)\n", False)):
        found = parse({"code/__torch__.py": text, "code/__torch__/torch/nn/modules/activation.py": relu + body})
        assert found is not None
        tensors = {"w": _Spec()}
        made = scaffold(Told(tensors, None, modules_of(found, tensors), found), Source("model.pt", "model.py")).text
        assert ("nn.ReLU()" in made) == kept
        assert instance(made)(torch.tensor([1.0, -2.0])).tolist() == ([1.0, 0.0] if kept else [-1.0, 2.0])


def test_a_program_that_is_no_python_is_left_alone(tmp_path: Path) -> None:
    compiled(nn.Sequential(nn.Linear(2, 2)), (torch.zeros(1, 2),), "scripted", tmp_path / "model.pt")
    with zipfile.ZipFile(tmp_path / "model.pt") as old, zipfile.ZipFile(tmp_path / "broken.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"class :(((" if name.endswith("container.py") else old.read(name))
    found = written(tmp_path / "broken.pt")
    assert "nn.Linear(2, 2)" in found.text


@pytest.mark.parametrize(
    "text", ["(" * 150 + "x" + ",)" * 150, "-" * 5000 + "1", "x" + ".a" * 20_000, "[" * 90 + "]" * 90, "x" + "[0]" * 3000]
)
def test_deep_programs_are_refused_without_a_traceback(text: str) -> None:
    found = parse({"code/__torch__.py": HEAD + FORWARD + f"    return {text}\n"})
    if found is not None:
        assert "NotImplementedError" in text_of(HEAD + FORWARD + f"    return {text}\n")


# --- limits ----------------------------------------------------------------------------------------------------------------


def nested(depth: int) -> str:
    return text_of(HEAD + FORWARD + "    return " + "torch.relu(" * depth + "x" + ")" * depth + "\n")


def test_expressions_are_translated_to_a_limit_of_depth() -> None:
    assert "NotImplementedError" not in nested(expressions.MAX_NESTED - 1)
    assert f"deeper than {expressions.MAX_NESTED}" in nested(expressions.MAX_NESTED)


@pytest.mark.parametrize(("statements", "fine"), [(9, True), (10, False)])
def test_functions_are_translated_to_a_limit_of_statements(statements: int, fine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "MAX_STATEMENTS", 11)
    text = text_of(HEAD + FORWARD + "    x = torch.relu(x)\n" * statements + "    return x\n")
    assert ("NotImplementedError" not in text) == fine


@pytest.mark.parametrize(("more", "fine"), [(0, True), (1, False)])
def test_programs_are_parsed_to_a_limit_of_characters(more: int, fine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MAX_PARSED", len(HEAD))
    assert (parse({"code/__torch__.py": HEAD + "#" * more}) is not None) == fine


@pytest.mark.parametrize(("lines", "said"), [(0, False), (1, True)])
def test_a_long_method_is_shown_to_a_limit(lines: int, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "MAX_SHOWN", 4)
    text = text_of(HEAD + FORWARD + "    x = torch.relu(x)\n" * lines + "    y = torch.save(x)\n    return y\n")
    assert ("1 more lines" in text) == said


class Table(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.table = torch.arange(float(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) + self.table.sum()


@pytest.mark.parametrize(("size", "fine"), [(8, True), (9, False)])
def test_tensors_beside_the_weights_are_written_to_a_limit(size: int, fine: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchscript, "MAX_ELEMENTS", 8)
    x = (torch.zeros(1, 2),)
    original = compiled(Table(size), x, "scripted", tmp_path / "model.pt")
    made = instance(written(tmp_path / "model.pt").text)
    made.load_state_dict(original.state_dict())
    if fine:
        assert same(made(*x), original(*x))
    else:
        with pytest.raises(NotImplementedError, match="the attribute 'table', whose value is not plain data"):
            made(*x)


class Several(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.one, self.two = nn.Linear(2, 2), torch.ones(4), torch.ones(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) + self.one.sum() + self.two.sum()


@pytest.mark.parametrize(("numbers", "fine"), [(9, True), (8, False)])
def test_all_tensors_beside_the_weights_are_written_to_a_limit(
    numbers: int, fine: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchscript, "MAX_ALL_ELEMENTS", numbers)
    compiled(Several(), (torch.zeros(1, 2),), "scripted", tmp_path / "model.pt")
    assert ("NotImplementedError" not in written(tmp_path / "model.pt").text) == fine


@pytest.mark.parametrize(
    ("kind", "body", "settings"),
    [
        ("conv.Conv2d", "torch._convolution(x, self.weight, self.bias, [2, 2], [1, 0], [1, 1], False, [0, 0], 4, False, False, True, True)",
         {"stride": [2, 2], "padding": [1, 0], "dilation": [1, 1], "groups": 4, "padding_mode": "zeros"}),
        ("conv.Conv2d", "torch._convolution(x, self.weight, self.bias, [2, 2], [1, 0], [1, 1], True, [0, 0], 4, False, False)", None),
        ("conv.Conv2d", "torch._convolution(x, self.bias, self.weight, [2, 2], [1, 0], [1, 1], False, [0, 0], 4, False)", None),
        ("pooling.MaxPool2d", "torch.max_pool2d(x, [3, 3])",
         {"kernel_size": [3, 3], "stride": [3, 3], "padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False}),
        ("dropout.Dropout", "torch.dropout(x, 0.1, False)", {"p": 0.1}),
        ("dropout.Dropout", "torch.dropout(x, 0.1, True)", None),
        ("activation.ReLU", "torch.relu_(x)", {"inplace": True}),
        ("activation.ReLU", "torch.relu(torch.neg(x))", None),
        ("linear.Identity", "x", {}),
        ("activation.Softmax", "torch.softmax(x, 1)", {"dim": 1}),
        ("activation.Softmax", "torch.softmax(x, 1, 7)", None),
    ],
)  # fmt: skip
def test_settings_of_a_traced_layer_are_read_off_its_operator(kind: str, body: str, settings: dict[str, object] | None) -> None:
    home, name = kind.split(".")
    text = f"class {name}(Module):\n  weight : Tensor\n  bias : Tensor\n"
    text += f"  def forward(self: __torch__.{kind},\n    x: Tensor) -> Tensor:\n    return {body}\n"
    found = parse({f"code/__torch__/torch/nn/modules/{home}.py": text})
    assert found is not None and traced_settings(found.classes[f"__torch__.torch.nn.modules.{kind}"]) == settings


@pytest.mark.parametrize("operators", [("TORCH",), ("GENERIC",), ("METHODS",), ("FUNCTIONAL",), ("LIBRARY",), ("IN_PLACE",)])
def test_every_operator_on_the_list_exists(operators: tuple[str, ...]) -> None:
    from pthway.architecture.scaffold.torchscript import operators as listed

    known = {schema.name.removeprefix("aten::").split(".")[0] for schema in torch._C._jit_get_all_schemas()}
    names = set(getattr(listed, operators[0]))
    if operators == ("LIBRARY",):
        assert not [name for name in names if not hasattr(nn.functional, name)]
    elif operators == ("IN_PLACE",):
        assert not [name for name in names if f"{name}_" not in known]
    else:
        home = {"TORCH": torch, "FUNCTIONAL": nn.functional, "METHODS": Tensor}.get(operators[0])
        assert not [name for name in names if name not in known or (home is not None and not hasattr(home, name))]
