"""What a file tells of a network, as a tree of modules."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pthway.architecture.difference import Shaped
from pthway.architecture.scaffold.torchscript.program import Numbers, Program
from pthway.errors import LimitExceeded

MAX_LEVELS: Final = 60
"""Modules inside each other: networks are under 50 deep."""


class Held(NamedTuple):
    """What a file tells of one module beside its tensors."""

    kind: str
    """Its class, such as ``torch.nn.modules.conv.Conv2d``."""
    settings: Mapping[str, object] | None
    """What its constructor set on it, as plain data; None where the file does not tell it."""
    buffers: frozenset[str]
    """Which of its tensors are buffers rather than parameters."""
    script: str = ""
    """Full name of its class in the program of a TorchScript archive."""
    values: Mapping[str, object] = {}
    """In such a program, its attributes that are no weights."""


class Told(NamedTuple):
    """Everything that the class is written from."""

    tensors: Mapping[str, Shaped]
    versions: Mapping[str, int | None] | None = None
    """What ``state_dict()`` notes of every module, those without tensors too; None where the file does not have it."""
    held: Mapping[str, Held] | None = None
    """The modules by path, pickled or compiled; None where the file holds a plain state dict."""
    program: Program | None = None
    """The program of a TorchScript archive."""
    constants: Mapping[str, Numbers] = {}
    """The small tensors that it refers to beside the weights."""


class Node:
    """One module: its own tensors by the last part of their names, and the modules in it."""

    __slots__ = ("children", "held", "own", "path", "version")

    def __init__(self, path: str) -> None:
        self.path = path
        self.own: dict[str, Shaped] = {}
        self.children: dict[str, Node] = {}
        self.held: Held | None = None
        self.version: int | None = None

    def below(self, prefix: str = "") -> Iterator[tuple[str, Shaped]]:
        """The tensors at and below it by their names from here on."""
        for name, tensor in self.own.items():
            yield prefix + name, tensor
        for name, child in self.children.items():
            yield from child.below(f"{prefix}{name}.")


def versions_fit(told: Told) -> bool:
    """Whether the notes on modules belong to these names: every tensor stands in a module that is noted."""
    return told.versions is not None and all(name.rpartition(".")[0] in told.versions for name in told.tensors)


def tree(told: Told) -> Node:
    """The root of the modules, in the file's order. Raises `LimitExceeded` past `MAX_LEVELS`."""
    root = Node("")
    versions = told.versions if told.versions is not None and versions_fit(told) else {}
    held = told.held or {}
    for path in [*held, *versions]:
        node = _below(root, path.split(".")) if path else root
        node.held, node.version = held.get(path), versions.get(path)
    for name, tensor in told.tensors.items():
        *names, last = name.split(".")
        _below(root, names).own[last] = tensor
    return root


def _below(node: Node, names: list[str]) -> Node:
    """The node that *names* lead to, made with those on the way where they are new. A name may be empty, as torch has it."""
    if len(names) > MAX_LEVELS:
        raise LimitExceeded(
            f"The name {'.'.join(names)[:60]!a} has {len(names)} levels.",
            f"Modules inside each other are written up to {MAX_LEVELS} deep; networks are under 50.",
            "Check where the file came from.",
        )
    for depth, name in enumerate(names, 1):
        if name not in node.children:
            node.children[name] = Node(".".join(names[:depth]))
        node = node.children[name]
    return node
