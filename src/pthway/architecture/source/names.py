"""The names of a checkpoint as the tree of modules that they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pthway.architecture.difference import Shaped


@dataclass(slots=True, eq=False)
class Node:
    """A module of the network that was saved, or one of its tensors."""

    children: dict[str, Node] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    """Of a tensor; None for a module."""
    tensors: int = 0
    """Tensors at and below it."""
    bare: int = 0
    """Modules at and below it that hold no tensor, as far as the file lists them."""

    def below(self, path: Iterable[str]) -> Node:
        """Return the node at *path*, made if it was not there."""
        node = self
        for part in path:
            node = node.children.setdefault(part, Node())
        return node


def module_tree(tensors: Mapping[str, Shaped], modules: Iterable[str]) -> Node:
    """Return the root of the tree of *tensors*; *modules* are the paths that the file lists beside, in any order."""
    root = Node()
    for path in modules:
        if path:
            root.below(path.split("."))
    for name, tensor in tensors.items():
        root.below(name.split(".")).shape = tensor.shape
    waiting, order = [root], []
    while waiting:
        order.append(waiting.pop())
        waiting += order[-1].children.values()
    for node in reversed(order):
        node.tensors = (node.shape is not None) + sum(child.tensors for child in node.children.values())
        node.bare = (node.tensors == 0) + sum(child.bare for child in node.children.values())
    return root


def beginnings(root: Node) -> list[tuple[str, Node]]:
    """Return the nodes at which a network may begin, each with the prefix before it: the root, and below it while there is one child."""
    found = [("", root)]
    prefix, node = "", root
    while len(node.children) == 1 and node.shape is None:
        ((name, node),) = node.children.items()
        if node.shape is None:
            prefix = f"{prefix}{name}."
            found.append((prefix, node))
    return found
