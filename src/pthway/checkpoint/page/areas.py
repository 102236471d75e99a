"""The areas of the map: a tree of modules and tensors that is small enough to be drawn."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pthway.formats.tensors import AnyTensor

DRAWN: Final = 1500
"""Tensors that have an area of their own, the largest; a browser redraws them in a moment."""

_DEEPEST: Final = 16
"""Parts of a name that are modules; what comes after is the name of the tensor."""


class Node(NamedTuple):
    """A module, a tensor, or the small tensors of a module taken together."""

    label: str
    """Its name inside the module that holds it."""
    path: str
    nbytes: int
    elements: int
    tensors: int
    children: tuple["Node", ...] = ()
    """The largest first; empty for what is not a module."""
    spec: AnyTensor | None = None
    """None unless it is one tensor."""


def areas(tensors: Mapping[str, AnyTensor], drawn: int = DRAWN) -> Node:
    """The module tree of the tensors that have bytes, with the *drawn* largest as leaves; the others are merged module by module.

    A module that holds a single thing is drawn as that thing.
    """
    sized = [_leaf(name, name, spec) for name, spec in tensors.items() if spec.nbytes]
    largest = frozenset(leaf.path for leaf in sorted(sized, key=lambda leaf: -leaf.nbytes)[:drawn])
    whole = _module("", "", _children("", sized, largest, 0))
    return whole.children[0] if len(whole.children) == 1 and whole.children[0].children else whole


def _leaf(label: str, path: str, spec: AnyTensor) -> Node:
    return Node(label, path, spec.nbytes, spec.elements, 1, spec=spec)


def _module(label: str, path: str, children: Sequence[Node]) -> Node:
    ordered = tuple(sorted(children, key=lambda child: -child.nbytes))
    return Node(label, path, *_totals(children), ordered)


def _totals(nodes: Sequence[Node]) -> tuple[int, int, int]:
    return sum(node.nbytes for node in nodes), sum(node.elements for node in nodes), sum(node.tensors for node in nodes)


def _children(prefix: str, leaves: Sequence[Node], largest: frozenset[str], depth: int) -> list[Node]:
    """What the module whose names begin with *prefix* holds."""
    children, small = [], []
    modules: dict[str, list[Node]] = {}
    for leaf in leaves:
        head, dot, _ = leaf.path[len(prefix) :].partition(".")
        if dot and depth < _DEEPEST:
            modules.setdefault(head, []).append(leaf)
        elif leaf.path in largest:
            children.append(leaf._replace(label=leaf.path[len(prefix) :]))
        else:
            small.append(leaf)
    for name, held in modules.items():
        if largest.isdisjoint(leaf.path for leaf in held):
            small += held
            continue
        inside = _children(f"{prefix}{name}.", held, largest, depth + 1)
        one = inside[0]
        children.append(one._replace(label=f"{name}.{one.label}") if len(inside) == 1 else _module(name, f"{prefix}{name}", inside))
    if small:
        children.append(Node(f"{len(small):,} smaller tensors", f"{prefix}…", *_totals(small)))
    return children
