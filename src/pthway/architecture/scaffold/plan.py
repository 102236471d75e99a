"""From the tree of modules to parts: which layer each module is, which containers, and what is left to classes of their own."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from pthway.architecture.scaffold.case import Case, Layer
from pthway.architecture.scaffold.flow import Signal, through_all
from pthway.architecture.scaffold.given import Given
from pthway.architecture.scaffold.layers import infer
from pthway.architecture.scaffold.names import is_module, is_tensor
from pthway.architecture.scaffold.part import Bare, Form, Part
from pthway.architecture.scaffold.settings import Settings, weightless, weightless_by_name
from pthway.architecture.scaffold.settle import settled
from pthway.architecture.scaffold.told import Held, Node, Told, tree
from pthway.architecture.scaffold.torchscript.program import Class
from pthway.architecture.scaffold.torchscript.translate import Translator
from pthway.architecture.scaffold.transformers import CHILDREN, STACK
from pthway.errors import Unrepresentable

TORCH: Final = "torch.nn.modules."
"""Where torch's own modules are defined."""

CONTAINERS: Final = ("Sequential", "ModuleList", "ModuleDict")

_FLOATING: Final = ("float", "bfloat", "complex")
"""Types that begin so can be parameters."""

_BUFFER: Final = ("running_", "inv_freq", "num_batches")
"""Names that begin so are buffers in the code that people write."""

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,5}")

_FUNCTION: Final = re.compile(r"<torch\.[\w.]+\.(relu|gelu)>")

_ACTIVATIONS: Final = {"1": "relu", "2": "gelu"}
"""What a compiled transformer's layer notes of its activation."""

_LARGEST_LAYER: Final = 1024
"""Tensors of one layer: an LSTM has up to ten in each of its layers."""


def plan(told: Told, translator: Translator | None = None, given: Given | None = None) -> Part:
    """The root as a part, with everything below it. Raises `LimitExceeded` for modules nested too deep.

    *translator* makes the code of the modules of a TorchScript program, *given* is what the user settles; what of it fits nowhere is a
    `UsageError`.
    """
    given = given or Given()
    root = tree(told)
    names_all = told.held is not None or any(node.version is not None for node in _walk(root))
    made = _Planner(root, translator, given, names_all=names_all).root(root)
    given.check()
    return settled(made, given.activation) if given.activation is not None else made


def _walk(node: Node) -> list[Node]:
    return [node, *(each for child in node.children.values() for each in _walk(child))]


class _Planner:
    """Goes through the modules in the file's order, since what stands before a layer tells something of it."""

    def __init__(self, root: Node, translator: Translator | None, given: Given, *, names_all: bool) -> None:
        self.root_node = root
        self.translator = translator
        self.given = given
        self.names_all = names_all
        """Whether the file names modules without weights too."""
        self.before: Layer | None = None
        nodes = [node for node in _walk(root) if node.own]
        self.after: Mapping[str, dict[str, tuple[int, ...]]] = {
            node.path: {name: tensor.shape for name, tensor in following.own.items()} for node, following in pairwise(nodes)
        }
        spatial = Counter(len(tensor.shape) - 2 for node in nodes for name, tensor in node.own.items() if name.startswith("weight"))
        self.dimensions = next((count for count, _ in spatial.most_common() if 1 <= count <= 3), None)  # noqa: PLR2004  # Conv1d to Conv3d

    def root(self, node: Node) -> Part:
        part = self.part(node)
        match part.form:
            case Form.SEQUENTIAL:
                return part._replace(form=Form.CLASS, sequential=True)
            case Form.CLASS:
                return part
        if part.form is Form.LAYER:  # one layer is the whole network: its tensors have no module's name before them
            return Part("", Form.CLASS, layer=part.layer, kind=part.kind, guesses=part.guesses)
        return part._replace(form=Form.CLASS)

    def part(self, node: Node) -> Part:
        kind = _torch_class(node.held)
        if kind not in CONTAINERS and (layer := self.layer(node, kind)) is not None and not self.open(node, layer):
            if layer.gives is not None:
                self.before = layer
            foreign = node.held is not None and not kind
            return Part(node.path, Form.LAYER, layer=layer, kind=_foreign(node.held), guesses=("class",) * foreign)
        if not node.own and not node.children and not self.unknown(part := self.without_tensors(node, kind), node):
            return part
        for name in node.children:
            if not is_module(name):
                raise _unnamed("module", name, node)
        children = tuple((name, self.part(child)) for name, child in node.children.items())
        named = node.held.kind if node.held and kind not in CONTAINERS else ""
        made = Part(node.path, Form.CLASS, children, _bare(node), kind=named, sequential=kind == "Sequential")
        if self.translator is not None and (held := self.script(node)) is not None:
            return self.compiled(made, node, held, self.translator)
        return made if node.own else self.container(made, kind)

    def open(self, node: Node, layer: Layer) -> bool:
        """Whether a module of a program is translated rather than written as *layer*, of which not all is known."""
        held = self.script(node)
        if self.translator is None or held is None:
            return False
        own = not held.kind.startswith(TORCH)  # which may do more than the layer it is derived from
        return own or bool(layer.guesses) or (held.constants is None and not self.translator.layer(held))

    def unknown(self, part: Part, node: Node) -> bool:
        """Whether a module of a program without weights is translated rather than written as *part*."""
        return self.script(node) is not None if part.layer is None else self.open(node, part.layer)

    def script(self, node: Node) -> Class | None:
        """The class of a module in the program of a TorchScript archive; None in other files."""
        return self.translator.program.classes.get(node.held.script) if self.translator is not None and node.held is not None else None

    def compiled(self, made: Part, node: Node, held: Class, translator: Translator) -> Part:
        """*made* as the container of torch that it is, or with the code of its program."""
        kind = translator.container(held)
        if kind and not node.own:
            return made._replace(form=Form.LIST if kind == "ModuleList" else Form.SEQUENTIAL, sequential=False)
        values = node.held.values if node.held else {}
        code = translator.module(held, frozenset(node.own), values, is_root=node is self.root_node)
        return made._replace(code=code, sequential=False)

    def layer(self, node: Node, kind: str) -> Layer | None:
        compound = node.children.keys() >= CHILDREN or STACK in node.children
        tensors = dict(node.below()) if len(node.children) <= 1 or compound else {}
        if not tensors or len(tensors) > _LARGEST_LAYER:
            return None
        if node.held is not None and not kind and not _told_enough(node.held):
            return None  # a class of the user's with weights of its own
        chosen = Settings(_settings(node), self.given.settings_at(node.path))
        case = Case(
            {name: tensor.shape for name, tensor in tensors.items()},
            node.path.rpartition(".")[2],
            chosen,
            kind="Linear" if kind == "NonDynamicallyQuantizableLinear" else kind,
            version=node.version,
            before=self.before,
            after=self.after.get(node.path, {}),
            dimensions=self.dimensions,
        )
        found = infer(case, {name: tensor.dtype for name, tensor in tensors.items()})
        for name in chosen.taken if found is not None else ():
            self.given.note(node.path, name)
        return found

    def without_tensors(self, node: Node, kind: str) -> Part:
        settings = Settings(node.held.settings if node.held else None)
        found = weightless(kind, settings) if kind else None
        named = weightless_by_name(node.path.rpartition(".")[2]) if node.held is None else None
        said = self.given.layer_at(node.path) if named else None
        if said is not None:
            return Part(node.path, Form.LAYER, layer=said)
        if named:
            return Part(node.path, Form.LAYER, layer=Layer(named, ()), guesses=("name",))
        if found is None:
            return self.without_trace(node.path)._replace(kind=node.held.kind if node.held else "")
        return Part(node.path, Form.LAYER, layer=Layer(kind, *found))

    def without_trace(self, path: str) -> Part:
        """A module of which the file tells nothing: what the user says it is, or unknown."""
        said = self.given.layer_at(path)
        return Part(path, Form.UNKNOWN) if said is None else Part(path, Form.LAYER, layer=said)

    def container(self, made: Part, kind: str) -> Part:
        """*made* as a container of torch, where its children are numbered; otherwise as it is."""
        numbers = [int(name) for name, _ in made.children if _INDEX.fullmatch(name)]
        if len(numbers) < len(made.children) or kind == "ModuleDict":
            return made
        children = self.without_holes(dict(made.children), made.path)
        if children is None:
            return made
        rising = numbers == sorted(numbers)
        if kind:
            return made._replace(form=Form.LIST if kind == "ModuleList" else Form.SEQUENTIAL, children=children)
        fits = rising and through_all((child for _, child in children), Signal()) is not None
        form = Form.SEQUENTIAL if fits else Form.LIST
        return made._replace(form=form, children=children, guesses=("class" if made.kind else "container",))

    def without_holes(self, children: Mapping[str, Part], path: str) -> tuple[tuple[str, Part], ...] | None:
        """The children by index, with unknown modules where a file that names only tensors leaves holes; None if there are holes still."""
        last = max(map(int, children))
        if last >= len(children) and (self.names_all or last > 4 * len(children) + 8):
            return None
        inside = f"{path}." if path else ""
        while not self.names_all and f"{inside}{last + 1}" in self.given.layers:  # behind the last that has weights
            last += 1
        return tuple((str(index), children.get(str(index)) or self.without_trace(f"{inside}{index}")) for index in range(last + 1))


def _settings(node: Node) -> Mapping[str, object] | None:
    """What the file tells of a module; of a transformer's layer or stack, what it tells of the modules in it."""
    told = node.held.settings if node.held else None
    if told is not None and STACK in node.children:
        inside = [_settings(child) for child in node.children[STACK].children.values()]
        norm = node.children["norm"].held if "norm" in node.children else None
        norm_eps = norm.settings.get("eps") if norm is not None and norm.settings is not None else None
        if not inside or any(each != inside[0] for each in inside):
            return None
        return {**told, **(inside[0] or {}), "norm_eps": norm_eps}
    if told is None or not node.children.keys() >= CHILDREN:
        return told
    found = dict(told)
    for name, setting, meaning in (
        ("self_attn", "num_heads", "num_heads"),
        ("self_attn", "batch_first", "batch_first"),
        ("norm1", "eps", "layer_norm_eps"),
        ("dropout", "p", "dropout"),
    ):
        held = node.children[name].held if name in node.children else None
        if held is not None and held.settings is not None and setting in held.settings:
            found[meaning] = held.settings[setting]
    compiled = _ACTIVATIONS.get(str(told.get("activation_relu_or_gelu")))
    found["activation"] = compiled or _FUNCTION.sub(r"\1", str(told.get("activation")))
    return {name: value for name, value in found.items() if value is not None}


def _torch_class(held: Held | None) -> str:
    """The class of torch's that a module is; empty for others."""
    if held is None or not held.kind.startswith(TORCH):
        return ""
    return held.kind.rpartition(".")[2]


def _foreign(held: Held | None) -> str:
    return held.kind if held is not None and not held.kind.startswith(TORCH) else ""


def _told_enough(held: Held) -> bool:
    """Whether a class that is none of torch's has the attributes of one of torch's layers, so that it is probably derived from it."""
    return held.settings is not None and any(names <= held.settings.keys() for names in _MARKS)


_MARKS: Final = (
    frozenset(("in_features", "out_features")),
    frozenset(("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")),
    frozenset(("num_features", "eps", "track_running_stats")),
    frozenset(("normalized_shape", "eps")),
    frozenset(("num_groups", "num_channels", "eps")),
    frozenset(("num_embeddings", "embedding_dim")),
)
"""Attributes by which layers of torch are known in the classes that are derived from them."""


def _bare(node: Node) -> tuple[Bare, ...]:
    """The tensors of a module that is no layer. Raises `Unrepresentable` for names that torch gives to none."""
    for name in node.own:
        if name in node.children or not is_tensor(name):
            raise _unnamed("tensor", name, node)
    return tuple(Bare(name, tensor.shape, tensor.dtype, *_is_parameter(node, name, tensor.dtype)) for name, tensor in node.own.items())


def _unnamed(what: str, name: str, node: Node) -> Unrepresentable:
    return Unrepresentable(
        f"A {what} is named {name[:60]!a} in the module {node.path[:60]!a}.",
        "torch keeps nothing under an empty name, that of an attribute which every module has, or that of a module beside it.",
        "Rename it and save the weights again.",
    )


def _is_parameter(node: Node, name: str, dtype: str) -> tuple[bool, bool]:
    """Whether a tensor is a parameter, and whether that is known."""
    floating = dtype.startswith(_FLOATING)
    if node.held is not None:
        return name not in node.held.buffers and floating, True
    return floating and not name.startswith(_BUFFER), not floating
